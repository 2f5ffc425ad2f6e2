"""A file or standard input as a stream of one partition: CSV, JSON lines or Parquet; an offset is a record's index.

A restart over the same file goes on where the database says. Standard input is read as it arrives.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from latentwatch.domain.clock import Clock, SystemClock, to_microseconds
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.alignment.alignment import Alignment
from latentwatch.streams.alignment.readings import reading_schema
from latentwatch.streams.decoding.cells import has_decimal_commas
from latentwatch.streams.decoding.csv_rows import read_head
from latentwatch.streams.decoding.formats import decoder_for
from latentwatch.streams.decoding.unpacking import unpacker
from latentwatch.streams.ports import Changes, Decoder, Messages
from latentwatch.streams.sources.aligned_file import Aligned, RowDecoder, Unsound
from latentwatch.streams.sources.file_records import STDIN, Lines, Records, Unpacked, name_of, open_records
from latentwatch.streams.sources.packed import SUFFIXES

_SUFFIXES = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
    ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip


class FileSource:
    """One file as partition 0. Not live: its records may be of any age, and nothing more comes after its end."""

    live = False
    topic_id = None

    def __init__(
        self,
        path: str,
        format: str = "auto",
        clock: Clock | None = None,
        record: RecordSchema | None = None,
        alignment: Alignment | None = None,
        more: bool = False,
    ) -> None:
        """`record` is the monitor's, which may say that a line holds several records, or that several lines make one: each of
        them has an index of its own. `alignment` has the rows that earlier files of one stream have begun; with `more` files to
        come, those that are open at the end are left to them."""
        self._clock = clock or SystemClock()
        self._path = path
        # A pipe has no identity: each run over one is a stream of its own.
        self.name = path if path != STDIN else f"stdin@{self._clock.now().isoformat(timespec='milliseconds')}"
        self._format = format if format != "auto" else _format_of(path)
        self._record = record
        self._unpack = None if record is None else unpacker(record)
        self._unsound = Unsound()
        self._aligned: Aligned | None = None
        self._alignment = alignment
        self._more = more
        if self._unpack is not None and self._format == "auto":
            self._format = "jsonl"  # an array begins with a bracket, which CSV may do too
        self._has_header = self._format in ("csv", "auto")
        self._header: bytes | None = None
        self._records: Records | None = None
        self._next = 0
        self._sought = self._paused = self._finished = self._announced = False

    def open(self) -> None:
        """Open the file. Raises InvalidInput where it cannot be read."""
        if self._records is None:
            self._records = self._reopen()

    def _reopen(self) -> Records:
        records: Records = open_records(
            self._path, self._format, None if self._record is None else self._record.encoding
        )
        if self._unpack is not None:
            if self._format == "csv":
                records.close()
                raise InvalidInput(
                    f"{name_of(self._path)}: is CSV, whose lines are one record; 'arrays', 'collector' and 'unpack' are for JSON"
                )
            records = Unpacked(records, self._unpack)
        if self._has_header and isinstance(records, Lines):
            self._header = records.first()
            if self._header is None:
                raise InvalidInput(f"{name_of(self._path)}: is empty; a CSV file begins with a line of column names")
            if not records.quoted:  # a pipe of JSON lines
                records.put_back(self._header)
                self._header, self._has_header, self._format = None, False, "jsonl"
        if self._record is not None and self._record.long is not None:
            decoder, commas = self._plain_decoder(reading_schema(self._record), records)
            alignment = self._alignment or Alignment(self._record, commas)
            self._aligned = Aligned(records, decoder, alignment, self._unsound, self._more)
            return self._aligned
        return records

    def decoder(self, schema: RecordSchema) -> Decoder:
        """The decoder of this file's records. Raises InvalidInput where a CSV header lacks a field of the schema."""
        if schema.entity_is_file and self._path == STDIN:
            raise InvalidInput("a pipe has no name to be an entity, as 'entity: {file: true}' asks; score a file")
        records = self._opened()
        return RowDecoder(schema, self._unsound) if self._aligned else self._plain_decoder(schema, records)[0]

    @property
    def aligned(self) -> int:
        """How many lines have only filled rows, where the monitor's are aligned."""
        return self._aligned.filling if self._aligned else 0

    def _plain_decoder(self, schema: RecordSchema, records: Records) -> tuple[Decoder, bool]:
        """The decoder of the file's lines, and whether they write numbers with a decimal comma."""
        if self._header is None or not isinstance(records, Lines):
            return decoder_for(schema, "json"), False
        try:
            head = read_head(self._header, schema)
            if head.is_record:
                records.put_back(self._header)
                self._header, self._has_header = None, False
            decoder = decoder_for(schema, "csv", header=head.names, delimiter=head.delimiter)
            return decoder, has_decimal_commas(head.delimiter)
        except InvalidInput as error:
            raise InvalidInput(f"{name_of(self._path)}: {error}") from None

    def poll(self, max_records: int, timeout_seconds: float) -> Messages:
        """The next records; fewer than asked for when a pipe has no more for now."""
        values: Sequence[bytes] = ()
        if self._sought and not self._paused and not self._finished:
            found = self._opened().read(max_records, timeout_seconds)
            self._finished = found is None
            values = found or ()
        elif not self._finished:
            self._clock.sleep(timeout_seconds)
        first, self._next = self._next, self._next + len(values)
        return Messages(
            source=self.name,
            partitions=np.zeros(len(values), np.int32),
            offsets=np.arange(first, self._next, dtype=np.int64),
            timestamps_ms=np.full(len(values), to_microseconds(self._clock.now()) // 1_000, np.int64),
            values=list(values),
        )

    def changes(self) -> Changes:
        """Partition 0 is gained once."""
        gained = () if self._announced else (0,)
        self._announced = True
        return Changes(gained=gained)

    def seek(self, partition: int, offset: int) -> None:
        """Go to a record. Raises InvalidInput for a record of a pipe that has gone by."""
        if partition != 0:
            raise KeyError(partition)
        if offset < self._next:
            if self._path == STDIN:
                raise InvalidInput("standard input cannot be read again; give a file where a restart must go on")
            self._opened().close()
            self._records, self._next, self._finished = self._reopen(), 0, False
        while self._next < offset:
            found = self._opened().read(min(offset - self._next, 50_000), 1.0)
            if found is None:
                break
            self._next += len(found)
        self._next = max(self._next, offset)
        self._sought = True

    def hold(self, partition: int) -> None:
        """Stop delivering until sought again."""
        self._sought = False

    def starts(self) -> dict[int, int]:
        """A file is one partition."""
        return {0: 0}

    def start_offset(self, partition: int) -> int:
        """A file begins at its first record."""
        return 0

    def pause(self) -> None:
        """Deliver nothing for now."""
        self._paused = True

    def resume(self) -> None:
        """Deliver again."""
        self._paused = False

    def lag(self) -> dict[int, int]:
        """Unknown until the end is reached."""
        return {0: 0} if self._finished else {}

    def acknowledge(self, positions: dict[int, int]) -> None:
        """A file keeps no positions."""

    @property
    def finished(self) -> bool:
        """Whether the end was reached."""
        return self._finished

    def close(self) -> None:
        """Close the file."""
        if self._records is not None:
            self._records.close()

    def _opened(self) -> Records:
        self.open()
        assert self._records is not None
        return self._records


def _format_of(path: str) -> str:
    """By the name; a pipe, and a file whose name does not tell, by the first byte."""
    inner = Path(path)
    return _SUFFIXES.get(Path(inner.stem if inner.suffix in SUFFIXES else path).suffix.lower(), "auto")
