"""Local files of text, CSV or JSON lines, as rows of text: cut into lines and cells by what scoring cuts them with.

Path -> names of the columns, and batches of rows for DuckDB. Raises InvalidHistory naming file and row.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

import msgspec
import pyarrow as pa

from latentwatch.domain.errors import InvalidHistory, InvalidInput
from latentwatch.streams.decoding.columns import shorten
from latentwatch.streams.decoding.csv_rows import CsvHead, read_head, split_row, width_of
from latentwatch.streams.decoding.unpacking import Unpack
from latentwatch.streams.sources.file_records import Lines

JSON_COLUMN = "json"
"""The one column of JSON lines: each row's object as text."""
_BATCH_ROWS = 8_192
_LOOK_ROWS = 1_000


def csv_head(path: str, encoding: str | None = None) -> CsvHead:
    """The names and the delimiter of a CSV file."""
    with _lines(path, quoted=True, encoding=encoding) as lines:
        first = lines.first()
        if first is None:
            raise InvalidInput("is empty; a CSV file begins with a line of column names")
        return read_head(first)


def begins_an_object(path: str, encoding: str | None = None) -> bool:
    """Whether a file's first line begins as JSON lines do."""
    with _lines(path, quoted=None, encoding=encoding) as lines:
        lines.first()
        return lines.quoted is False


def json_names(path: str, unpack: Unpack | None = None, encoding: str | None = None) -> tuple[str, ...]:
    """The keys of the first objects of a file of JSON lines."""
    names: dict[str, None] = {}
    faults: list[InvalidHistory] = []
    with _lines(path, quoted=False, encoding=encoding) as lines:
        for row, line in enumerate(_unpacked(lines.read(_LOOK_ROWS, 1.0) or (), unpack), 1):
            try:
                names |= dict.fromkeys(_object(line, path, row))
            except InvalidHistory as fault:
                faults.append(fault)  # whoever reads the row says more of it
    if not names:
        raise faults[0] if faults else InvalidHistory(f"{path}: is empty; write one JSON object a line")
    return tuple(names)


@dataclass(frozen=True, slots=True)
class CsvRow:
    """A line of a CSV file as it stands, into how many cells it parts, and why it is no record, where so."""

    text: str
    width: int
    reason: str


def csv_rows(path: str, head: CsvHead, most: int, encoding: str | None = None) -> Iterator[CsvRow]:
    """The first rows of a CSV file, those that are no records too."""
    with _lines(path, quoted=True, encoding=encoding) as lines:
        if not head.is_record:
            lines.first()
        left = most
        while left > 0 and (found := lines.read(min(left, _BATCH_ROWS), 1.0)) is not None:
            left -= len(found)
            for line in found:
                reason = ""
                try:
                    split_row(line, head.delimiter, len(head.names))
                except ValueError as error:
                    reason = str(error)
                yield CsvRow(line.decode(errors="replace"), width_of(line, head.delimiter), reason)


def text_rows(
    path: str,
    head: CsvHead | None,
    unpack: Unpack | None = None,
    patient: bool = False,
    encoding: str | None = None,
) -> Iterator[pa.RecordBatch]:
    """Every row of a file: the cells of CSV, or without a head the JSON objects, those of a line that holds several too.

    With `patient` a row of another width has no value in any column.
    """
    names = [JSON_COLUMN] if head is None else list(head.names)
    row = 0
    with _lines(path, quoted=head is not None, encoding=encoding) as lines:
        if head is not None and not head.is_record:
            lines.first()
        while (found := lines.read(_BATCH_ROWS, 1.0)) is not None:
            rows = [
                _cells(line, head, path, number, patient)
                for number, line in enumerate(_unpacked(found, unpack), row + 1)
            ]
            row += len(rows)
            columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
            yield pa.record_batch([pa.array(column, pa.string()) for column in columns], names=names)


def _unpacked(lines: Iterable[bytes], unpack: Unpack | None) -> Iterator[bytes]:
    for line in lines:
        records = None if unpack is None else unpack(line)
        yield from (line,) if records is None else records


@contextmanager
def _lines(path: str, quoted: bool | None, encoding: str | None) -> Iterator[Lines]:
    try:
        with closing(Lines(path, quoted, encoding)) as lines:
            yield lines
    except InvalidHistory:
        raise
    except InvalidInput as error:
        told = str(error)
        raise InvalidHistory(told if told.startswith(path) else f"{path}: {told}") from None


def _cells(line: bytes, head: CsvHead | None, path: str, row: int, patient: bool) -> Sequence[str | None]:
    if head is None:
        _object(line, path, row)
        return [line.decode()]
    try:
        return split_row(line, head.delimiter, len(head.names))
    except ValueError as error:
        if patient:
            return [None] * len(head.names)
        raise InvalidHistory(f"{path}: row {row}: {error}; correct the file") from None


def _object(line: bytes, path: str, row: int) -> dict[str, msgspec.Raw]:
    try:
        return msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if line.lstrip().startswith(b"["):
            raise InvalidHistory(
                f"{path}: row {row}: is a JSON list; write one object a line instead (JSON lines)"
            ) from None
        if line.strip() == b"{":
            raise InvalidHistory(
                f"{path}: row {row}: its JSON objects go over several lines; write one object a line (JSON lines), as 'jq -c .' does"
            ) from None
        told = shorten(line.decode(errors="replace"))
        raise InvalidHistory(
            f"{path}: row {row}: is not a JSON object ({error}): {told}; write one object a line (JSON lines)"
        ) from None
