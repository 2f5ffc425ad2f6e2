"""Records of a file as bytes: lines read as they arrive, or Parquet rows as JSON objects."""

import glob
import os
import select
import sys
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Protocol

import msgspec

from latentwatch.domain.errors import InvalidInput
from latentwatch.streams.sources.packed import Damaged, open_packed
from latentwatch.streams.sources.text_encoding import TextReader

STDIN = "-"
_CHUNK_BYTES = 1 << 18
_MAX_RECORD_BYTES = 16 << 20


def name_of(path: str) -> str:
    """What people call it."""
    return "standard input" if path == STDIN else path


class Records(Protocol):
    """A sequence of records, read once from front to back."""

    def read(self, count: int, timeout_seconds: float) -> list[bytes] | None:
        """The next records, at most `count`; none when nothing arrived in time; None at the end."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class Lines:
    """Lines of a file, plain or packed, or of standard input; empty ones are skipped, as they hold no record.

    A line ends with a line feed, a carriage return, or both, even within one file. Lines are UTF-8, whatever the file is in,
    as its byte order mark or `encoding` says. With
    `quoted`, a line break inside double quotes belongs to the record, as CSV has it, and the header is no record where it
    comes again, as in files put together; None lets the first byte decide, since a line of JSON begins with a brace. A
    JSON document that is written over many lines is one record.
    """

    def __init__(self, path: str, quoted: bool | None, encoding: str | None = None) -> None:
        self._descriptor = sys.stdin.fileno() if path == STDIN else _open(path)
        self._path, self._owned = path, path != STDIN
        self._packed = open_packed(path, self._descriptor)
        self._text = TextReader(encoding)
        self.quoted = quoted
        self._ready: deque[bytes] = deque()
        self._tail = b""
        self._open_quote: list[bytes] = []
        self._document: list[bytes] = []
        self._kept = 0
        self._header: bytes | None = None
        self._ended = self._accepted = False

    def first(self) -> bytes | None:
        """Take the first line that holds more than blanks; None in an empty file."""
        while self._ready or not self._ended:
            while self._ready:
                line = self._ready.popleft()
                if line.strip():
                    self._header = line if self.quoted else None
                    return line
            self._fill(None)
        return None

    def put_back(self, line: bytes) -> None:
        """Return a line taken by `first`, which is no header then."""
        self._header = None
        self._ready.appendleft(line)

    def read(self, count: int, timeout_seconds: float) -> list[bytes] | None:
        """The next lines without their ends."""
        timeout: float | None = timeout_seconds
        while len(self._ready) < count and not self._ended and self._fill(timeout):
            timeout = 0.0
        taken = [self._ready.popleft() for _ in range(min(count, len(self._ready)))]
        if not taken and self._ended:
            return None
        return taken if self._header is None else [line for line in taken if line != self._header]

    def close(self) -> None:
        """Close the file; standard input stays open for its owner."""
        if self._owned and not self._ended:
            os.close(self._descriptor)
        self._ended = True

    def _fill(self, timeout_seconds: float | None) -> bool:
        """Read one chunk; False when nothing arrived in time."""
        if not select.select([self._descriptor], [], [], timeout_seconds)[0]:
            return False
        chunk = self._chunk()
        last, chunk = not chunk, self._text.read(chunk, last=not chunk)
        if self.quoted is None and chunk.strip():
            self.quoted = not chunk.lstrip().startswith(b"{")
        lines = (self._tail + chunk).splitlines(keepends=True)
        # What ends with a carriage return may have its line feed in the next chunk.
        self._tail = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        if len(self._tail) > _MAX_RECORD_BYTES:
            raise InvalidInput(f"a line is longer than {_MAX_RECORD_BYTES >> 20} MB; this is not a file of records")
        for line in lines:
            self._take(line)
        if last:
            self._end()
        return True

    def _chunk(self) -> bytes:
        if self._packed is None:
            return os.read(self._descriptor, _CHUNK_BYTES)
        try:
            return self._packed.read1(_CHUNK_BYTES)
        except Damaged as error:
            raise InvalidInput(
                f"{self._path}: the packed file is damaged or cut short ({error}); make it anew"
            ) from None

    def _end(self) -> None:
        self._take(self._tail)
        for line in self._open_quote:  # never closed
            self._accept(line)
        whole = b"".join(self._document)
        for line in [whole] if _is_json(whole) else self._document:
            self._accept(line)
        self._open_quote, self._document, self._tail = [], [], b""
        if self._owned:
            os.close(self._descriptor)
        self._ended = True

    def _take(self, line: bytes) -> None:
        if self.quoted and (self._open_quote or line.count(b'"') % 2):
            self._open_quote.append(line)
            whole = b"".join(self._open_quote)
            if whole.count(b'"') % 2 and len(whole) < _CHUNK_BYTES:
                return  # the quote is still open
            if whole.count(b'"') % 2:  # never closed: a stray quote must not swallow the file
                for single in self._open_quote:
                    self._accept(single)
            else:
                self._accept(whole)
            self._open_quote = []
            return
        if self._document or (not self.quoted and not self._accepted and _begins_a_document(line)):
            self._keep_document(line)
            return
        self._accept(line)

    def _keep_document(self, line: bytes) -> None:
        self._document.append(line)
        self._kept += len(line)
        if self._kept > _MAX_RECORD_BYTES:
            raise InvalidInput(
                f"{name_of(self._path)}: is one JSON document over many lines, longer than {_MAX_RECORD_BYTES >> 20} MB; write "
                "one object a line (JSON lines), as 'jq -c .[]' does with an array"
            )

    def _accept(self, line: bytes) -> None:
        record = line.rstrip(b"\r\n")
        if record:
            self._accepted = True
            self._ready.append(record)


class ParquetRows:
    """Rows of a Parquet file, each as a JSON object."""

    def __init__(self, path: str) -> None:
        import pyarrow  # 60 MB that only Parquet users need
        import pyarrow.parquet

        _check_readable(path)
        try:
            self._file = pyarrow.parquet.ParquetFile(path)
        except (pyarrow.ArrowInvalid, OSError) as error:
            raise InvalidInput(f"{path}: not a Parquet file ({error})") from None
        schema = self._file.schema_arrow
        self._plain = pyarrow.schema([field.with_type(_plain(field.type)) for field in schema])
        self._rows = self._iterate()

    def _iterate(self) -> Iterator[bytes]:
        encode = msgspec.json.Encoder(decimal_format="number").encode  # NaN becomes null, times become ISO 8601
        for batch in self._file.iter_batches(batch_size=8_192):
            for row in batch.cast(self._plain, safe=False).to_pylist():
                yield encode(row)

    def read(self, count: int, timeout_seconds: float) -> list[bytes] | None:
        """The next rows."""
        return list(islice(self._rows, count)) or None

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Unpacked:
    """Records out of lines or rows that hold several; what is none to take apart is a record itself."""

    def __init__(self, records: Records, unpack: Callable[[bytes], list[bytes] | None]) -> None:
        self._records = records
        self._unpack = unpack
        self._ready: deque[bytes] = deque()
        self._ended = False

    def read(self, count: int, timeout_seconds: float) -> list[bytes] | None:
        """The next records."""
        while len(self._ready) < count and not self._ended:
            found = self._records.read(count - len(self._ready), timeout_seconds)
            self._ended = found is None
            if not found:
                break
            for value in found:
                unpacked = self._unpack(value)
                self._ready.extend([value] if unpacked is None else unpacked)
        taken = [self._ready.popleft() for _ in range(min(count, len(self._ready)))]
        return None if not taken and self._ended else taken

    def close(self) -> None:
        """Close the file."""
        self._records.close()


def _begins_a_document(line: bytes) -> bool:
    """Whether a file's first line of JSON is the beginning of an array, or of an object whose keys stand below it."""
    begun = line.strip()
    return begun == b"{" or (begun.startswith(b"[") and not _is_json(begun))


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _plain(type_: Any) -> Any:
    """The Arrow type as Python's own objects hold it: nanoseconds, which pandas writes, become microseconds."""
    import pyarrow as pa

    if pa.types.is_timestamp(type_):
        return pa.timestamp("us", type_.tz)
    if pa.types.is_duration(type_):
        return pa.duration("us")
    if pa.types.is_float16(type_):
        return pa.float32()
    if pa.types.is_struct(type_):
        return pa.struct([field.with_type(_plain(field.type)) for field in type_])
    return type_


def open_records(path: str, format: str, encoding: str | None = None) -> Any:
    """`Lines` or `ParquetRows`; `auto` tells CSV from JSON lines by the first byte. Raises InvalidInput where the file cannot be read."""
    if format == "parquet":
        return ParquetRows(path)
    return Lines(path, None if format == "auto" else format == "csv", encoding)


def first_bytes(path: str, most: int) -> bytes:
    """How a file begins, unpacked, as it stands. Raises InvalidInput where it cannot be read."""
    descriptor = _open(path)
    try:
        packed = open_packed(path, descriptor)
        found: list[bytes] = []
        while most > 0 and (chunk := packed.read1(most) if packed else os.read(descriptor, most)):
            found.append(chunk)
            most -= len(chunk)
        return b"".join(found)
    except Damaged as error:
        raise InvalidInput(f"{path}: the packed file is damaged or cut short ({error}); make it anew") from None
    finally:
        os.close(descriptor)


def _open(path: str) -> int:
    _check_readable(path)
    return os.open(path, os.O_RDONLY)


def _check_readable(path: str) -> None:
    try:
        os.close(os.open(path, os.O_RDONLY))
    except FileNotFoundError:
        pattern = "; here it is one file, not a pattern of several" if glob.has_magic(path) else ""
        raise InvalidInput(f"{path}: no such file; check the path{pattern}") from None
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read ({error.strerror})") from None
    if os.path.isdir(path):
        raise InvalidInput(f"{path}: a folder, not a file; give one of its files")
