"""Text in other encodings comes out as UTF-8, however it arrives."""

import codecs

import pytest

from latentwatch.streams.sources.text_encoding import TextReader

TEXT = "größe;°C\n1;21,5\nŁódź;7\n"


def read(data: bytes, encoding: str | None, size: int) -> bytes:
    """All of it, in chunks of that size."""
    reader = TextReader(encoding)
    found = [reader.read(data[at : at + size]) for at in range(0, len(data), size)]
    return b"".join([*found, reader.read(b"", last=True)])


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_a_byte_order_mark_says_it(mark: bytes, encoding: str, size: int) -> None:
    """Whatever else is said, and with the mark in several pieces."""
    for said in (None, "cp1252", encoding):
        assert read(mark + TEXT.encode(encoding), said, size) == TEXT.encode()


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("encoding", ["cp1250", "utf-16-le", "iso8859-2", "utf-8"])
def test_an_encoding_is_read_as_said(encoding: str, size: int) -> None:
    """Letters of several bytes too, where a chunk ends within one."""
    text = TEXT if encoding != "iso8859-2" else TEXT.replace("°", "")
    assert read(text.encode(encoding), encoding, size) == text.encode()


def test_a_byte_that_an_encoding_does_not_have_costs_its_line_alone() -> None:
    """It stays, so that its line is no text; in UTF-16 it is the replacement character."""
    assert read(b"a;\x81\nb;\xe4\n", "cp1252", 4) == b"a;\x81\n" + "b;ä\n".encode()
    assert (
        read(codecs.BOM_UTF16_LE + "ab".encode("utf-16-le") + b"c", None, 3) == "ab\N{REPLACEMENT CHARACTER}".encode()
    )


@pytest.mark.parametrize("begun", [b"", b"\xef", b"\xff", b"\xef\xbb", b"x"])
def test_what_only_begins_as_a_mark_is_text(begun: bytes) -> None:
    """A file may be that short."""
    assert read(begun, None, 1) == begun
