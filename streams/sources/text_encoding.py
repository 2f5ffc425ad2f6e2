"""Text of another encoding than UTF-8, made UTF-8 as it is read, before anything parts it into lines.

What a byte order mark says holds, whatever else is said.
"""

import codecs

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins as that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class TextReader:
    """Bytes of a file in, bytes of UTF-8 out, without a byte order mark.

    A byte that the encoding does not have stays as it is, so that its line alone is no text; in UTF-16 and UTF-32 it becomes
    the replacement character.
    """

    def __init__(self, encoding: str | None = None) -> None:
        self._encoding = encoding
        self._begun = False
        self._head = b""
        self._decoder: codecs.IncrementalDecoder | None = None

    def read(self, chunk: bytes, last: bool = False) -> bytes:
        """The next bytes; none while those that have come may be a part of a byte order mark."""
        if not self._begun:
            self._head += chunk
            if not last and any(mark != self._head and mark.startswith(self._head) for mark, _ in _MARKS):
                return b""
            chunk, self._begun = self._begin(self._head), True
        if self._decoder is None:
            return chunk
        return self._decoder.decode(chunk, last).encode("utf-8", "surrogateescape")

    def _begin(self, head: bytes) -> bytes:
        """Choose the decoder; the bytes without their mark."""
        mark, encoding = next((each for each in _MARKS if head.startswith(each[0])), (b"", self._encoding))
        if encoding is not None and codecs.lookup(encoding).name != "utf-8":
            wide = codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))
            self._decoder = codecs.getincrementaldecoder(encoding)("replace" if wide else "surrogateescape")
        return head[len(mark) :]
