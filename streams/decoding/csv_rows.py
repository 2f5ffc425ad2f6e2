"""How CSV text is cut into named cells: one rule for the files a model learns from and for the records it scores.

Lines -> rows of cells. A blank line holds no record, and one empty cell more than there are columns is the delimiter
that some programs end every line with.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.decoding.columns import shorten

_DELIMITERS = (",", ";", "\t", "|")
_NO_TABLES = (
    (
        r"#(group|datatype|default),",
        "is InfluxDB's annotated CSV; pivot its fields into columns, and leave out the lines that begin with #",
    ),
    (r'"?sep=.{1,3}', "begins with the line 'sep=' for Excel; leave that line out, as 'tail -n +2' does"),
    (
        r"[\w.-]+(,[\w.-]+=[^ ,]+)* [\w.-]+=[^ ]+( \d{10,19})?",
        'is InfluxDB\'s line protocol; write it as CSV or as JSON lines, as Telegraf does with data_format = "json"',
    ),
    (
        r"[\w.;=-]+ [-+\d.eE]+ \d{9,11}",
        "is Graphite's plain text; write it as CSV: a line metric,value,time, and below it the lines with commas for blanks",
    ),
    (
        r"[\w.-]+:[^|:]+\|(c|g|ms|h|s|d)(\|.*)?",
        "is StatsD's lines, which have no time; give what StatsD flushes, with its times",
    ),
    (
        r"# (HELP|TYPE) .*",
        "is a scrape of Prometheus' metrics, of one moment; give their history, as query_range answers it",
    ),
)
"""First lines of text that is no table, and what to do with it."""


@dataclass(frozen=True, slots=True)
class CsvHead:
    """What the first line of a CSV file says about the others."""

    names: tuple[str, ...]
    delimiter: str
    is_record: bool
    """The line is a record already: it holds numbers only, and the names are made up."""


def read_head(line: bytes, schema: RecordSchema | None = None) -> CsvHead:
    """Names and delimiter from a file's first line.

    A line of bare numbers is a record, of columns x1, x2, ..., or of the schema's features where there are as many and
    nothing else. Raises InvalidInput where the line is not text, or a name comes twice.
    """
    if line.startswith(b"PK\3\4"):
        raise InvalidInput("is an archive, as spreadsheets are kept in; save the table as CSV")
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise InvalidInput(
            "is not UTF-8 text; name its encoding in the monitor's record, as in 'encoding: cp1252' for what Excel saves, or give "
            "JSONL or Parquet"
        ) from None
    if "\0" in text:
        raise InvalidInput("is not text; give CSV, JSONL or Parquet")
    for form, advice in _NO_TABLES:
        if re.match(form if form.endswith(",") else f"(?:{form})$", text.strip()):
            raise InvalidInput(advice)
    if text.lstrip().startswith("{"):
        raise InvalidInput("begins as JSON lines do; a file of them is named .jsonl")
    delimiter = sniff_delimiter(text)
    try:
        cells = _cells(text, delimiter)
    except csv.Error as error:
        raise InvalidInput(f"the header is not valid CSV ({error}): {shorten(text)}; correct it") from None
    if not all(map(_is_number, cells)):
        return CsvHead(column_names(cells), delimiter, False)
    if schema and not schema.time and not schema.entity and len(schema.names) == len(cells):
        return CsvHead(tuple(schema.names), delimiter, True)
    return CsvHead(tuple(f"x{place}" for place in range(1, len(cells) + 1)), delimiter, True)


def column_names(header: Sequence[str]) -> tuple[str, ...]:
    """The columns' names; a blank one, as a table's saved index has it, becomes `column<place>`, counted from 0.

    Raises InvalidInput where a name comes twice.

    >>> column_names(["", " P "])
    ('column0', 'P')
    """
    names = tuple(name.strip() or f"column{place}" for place, name in enumerate(header))
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidInput(f"the header names {', '.join(map(repr, doubled))} more than once; rename one")
    return names


def split_row(line: bytes, delimiter: str, width: int) -> list[str]:
    """The cells of one record. Raises ValueError with the reason where they are not `width`.

    >>> split_row(b'1,"a, b",', ",", 2)
    ['1', 'a, b']
    """
    try:
        row = _cells(line.decode(), delimiter)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 text: {error.reason} at byte {error.start}") from None
    except csv.Error as error:
        raise ValueError(f"not valid CSV: {error}") from None
    if len(row) == width + 1 and not row[-1].strip():
        row.pop()
    if len(row) != width:
        raise ValueError(f"{len(row)} columns where the header has {width}: {shorten(delimiter.join(row))}")
    return row


def width_of(line: bytes, delimiter: str) -> int:
    """How many cells a line parts into; 0 where it cannot be read.

    >>> width_of(b'1,"a, b"', ","), width_of(b"\\xff", ",")
    (2, 0)
    """
    try:
        return len(_cells(line.decode(), delimiter))
    except (UnicodeDecodeError, csv.Error):
        return 0


def sniff_delimiter(line: str) -> str:
    """The delimiter of a header line: the commonest candidate outside quotes, a comma where there is none.

    >>> sniff_delimiter("datetime;Pressure;Current"), sniff_delimiter('"a;b;c",d')
    (';', ',')
    """
    outside = line if '"' not in line else "".join(line.split('"')[::2])
    return max(_DELIMITERS, key=lambda delimiter: (outside.count(delimiter), delimiter == ","))


def _cells(line: str, delimiter: str) -> list[str]:
    if '"' not in line:
        return line.rstrip("\r\n").split(delimiter)
    return next(csv.reader([line], delimiter=delimiter, strict=True), [])


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
