"""Lines of files and pipes, told apart by their first byte where nobody says what they are."""

import gzip
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from latentwatch.domain.errors import InvalidInput
from latentwatch.streams.sources.file_records import Lines, open_records
from latentwatch.streams.sources.file_source import FileSource


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch):
    """Puts bytes into standard input, as a shell's pipe does."""
    files = []

    def put(text: bytes) -> None:
        read, write = os.pipe()
        os.write(write, text)
        os.close(write)
        files.append(os.fdopen(read))
        monkeypatch.setattr(sys, "stdin", files[-1])

    yield put
    for file in files:
        file.close()


def test_a_pipe_of_json_lines_is_not_read_as_csv(piped):
    """A brace at the start means JSON: no line is taken for a header, and a quote inside text opens nothing."""
    piped(b'{"x": 1, "note": "a\\"b"}\n{"x": 2, "note": "c"}\n')
    source = FileSource("-")
    source.open()
    records = source._opened()
    assert isinstance(records, Lines)
    assert records.read(10, 1.0) == [b'{"x": 1, "note": "a\\"b"}', b'{"x": 2, "note": "c"}']


def test_a_pipe_of_csv_keeps_line_breaks_inside_quotes(piped):
    """Anything else is CSV, whose quoted fields may hold line breaks."""
    piped(b'x,note\n1,"two\nlines"\n2,one\n')
    records = open_records("-", "auto")
    assert records.first() == b"x,note"
    assert records.read(10, 1.0) == [b'1,"two\nlines"', b"2,one"]


def test_an_empty_pipe_is_called_what_it_is(piped):
    """A dash is how the command line names it, not what people call it."""
    piped(b"\n")
    with pytest.raises(InvalidInput, match=r"^standard input: is empty"):
        FileSource("-").open()


def test_a_line_end_that_two_reads_share_ends_one_line():
    """Carriage return and line feed are one end, wherever a pipe parts them; a lone return is one too."""
    text = b'\r\nx,note\r\n1,"two\r\nlines"\r2,one\r\n3,"last\nline"'
    for place in range(1, len(text)):
        read, write = os.pipe()
        records = Lines(f"/dev/fd/{read}", quoted=True)
        os.write(write, text[:place])
        found = records.read(10, 0.1) or []
        os.write(write, text[place:])
        os.close(write)
        while (more := records.read(10, 1.0)) is not None:
            found += more
        os.close(read)
        assert found == [b"x,note", b'1,"two\r\nlines"', b"2,one", b'3,"last\nline"'], place


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".zst", zstandard.compress)])
def test_a_packed_file_is_read_to_its_end_or_told_to_be_cut_short(
    suffix: str, pack: Callable[[bytes], bytes], tmp_path: Path
):
    """Parts packed one by one are one file; what was read until a cut is not taken for the whole."""
    path = tmp_path / f"x.csv{suffix}"
    lines = b"".join(b"%d\n" % number for number in range(20_000))
    whole = pack(b"x\n" + lines) + pack(lines)
    path.write_bytes(whole)
    records = open_records(str(path), "csv")
    assert records.first() == b"x"
    assert records.read(50_000, 1.0) == 2 * lines.split()
    assert records.read(1, 1.0) is None
    for damaged in (whole[:-12], pack(b"x\n")[:-3], b"no packing"):
        path.write_bytes(damaged)
        records = open_records(str(path), "csv")
        with pytest.raises(InvalidInput, match=rf"x\.csv\{suffix}: .* damaged or cut short"):
            records.read(50_000, 1.0)
        records.close()
