"""Packed files read piece by piece: gzip and Zstandard, by their names."""

import gzip
import zlib
from typing import BinaryIO, Protocol

SUFFIXES = (".gz", ".zst")
_PIECE_BYTES = 1 << 14
"""Of Zstandard at a time: however well it is packed, what comes of it fits into memory."""


class Reader(Protocol):
    """What is inside a packed file."""

    def read1(self, size: int, /) -> bytes:
        """About so many further bytes; none at the end. Raises Damaged."""
        ...


class Damaged(Exception):
    """The file is not packed as its name says, or was cut short."""


def open_packed(path: str, descriptor: int) -> Reader | None:
    """A reader of an open file, whose owner closes it; None where the name says of no packing."""
    if not path.endswith(SUFFIXES):
        return None
    file = open(descriptor, "rb", closefd=False)  # noqa: SIM115
    return _Gzip(file) if path.endswith(".gz") else _Zstandard(file)


class _Gzip:
    def __init__(self, file: BinaryIO) -> None:
        self._unpacked = gzip.GzipFile(fileobj=file)

    def read1(self, size: int, /) -> bytes:
        try:
            return self._unpacked.read1(size)
        except (OSError, EOFError, zlib.error) as error:
            raise Damaged(str(error)) from None


class _Zstandard:
    """Frame after frame; zstandard's own reader takes a file that was cut short for a whole one."""

    def __init__(self, file: BinaryIO) -> None:
        import zstandard  # few files need it

        self._file = file
        self._frames = zstandard.ZstdDecompressor()
        self._frame = self._frames.decompressobj()
        self._begun = False
        self._fault = zstandard.ZstdError

    def read1(self, size: int, /) -> bytes:
        while piece := self._file.read(min(size, _PIECE_BYTES)):
            if unpacked := self._unpack(piece):
                return unpacked
        if self._begun:
            raise Damaged("its last frame is not complete")
        return b""

    def _unpack(self, piece: bytes) -> bytes:
        unpacked = []
        try:
            while piece:
                self._begun = True
                unpacked.append(self._frame.decompress(piece))
                piece = self._frame.unused_data
                if self._frame.eof:
                    self._frame, self._begun = self._frames.decompressobj(), False
        except self._fault as error:
            raise Damaged(str(error)) from None
        return b"".join(unpacked)
