"""What may stand around a record or in its place: a schema registry's header, and encodings that no decoder reads.

Bytes -> the record's bytes, or the name of what they are instead.
"""

import struct

HEADER_BYTES = 5
"""A zero byte and the writer's schema id in four more, most significant first: how schema registries frame messages."""

_MARKS = {
    b"\x1f\x8b": "compressed with gzip; send it plain, and let Kafka's producer compress it (compression.type)",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; send it plain, and let Kafka's producer compress it (compression.type)",
    b"PK\3\4": "a zip archive; send each record as a message of its own",
    b"Obj\1": "an Avro file; send each record as a message of its own, framed by a schema registry's client",
    b"\xef\xbb\xbf": "text behind a byte order mark (EF BB BF); send UTF-8 without one",
    b"\xff\xfe": "text in UTF-16; send UTF-8",
    b"\xfe\xff": "text in UTF-16; send UTF-8",
}
_FIRST = tuple(_MARKS)


def unframed(value: bytes) -> bytes:
    """What stands behind a schema registry's header; the value itself where it does not begin with one.

    >>> unframed(b'\\0\\0\\0\\0\\7{}'), unframed(b"{}")
    (b'{}', b'{}')
    """
    return value[HEADER_BYTES:] if is_framed(value) else value


def is_framed(value: bytes) -> bool:
    """Whether a value begins as a schema registry's header does; no JSON, and no CSV of ours, begins with a zero byte."""
    return value[:1] == b"\0" and len(value) >= HEADER_BYTES and not _is_utf16(value)


def schema_id(value: bytes) -> int:
    """The schema id in a framed value's header."""
    return int(struct.unpack(">I", value[1:HEADER_BYTES])[0])


def foreign(value: bytes) -> str | None:
    """What a value is that is neither UTF-8 text nor a framed record, and what to do; None where it may be either.

    >>> foreign("{}".encode("utf-16-le"))
    'text in UTF-16; send UTF-8'
    """
    if value.startswith(_FIRST):
        return next(name for mark, name in _MARKS.items() if value.startswith(mark))
    if b"\0" in value[:4] and _is_utf16(value):
        return _MARKS[b"\xff\xfe"]
    return None


def _is_utf16(value: bytes) -> bool:
    """Whether Latin letters stand beside zero bytes, as UTF-16 has them; a registry's header has three in a row."""
    head = value[:4]
    return len(head) == 4 and [byte == 0 for byte in head] in ([True, False] * 2, [False, True] * 2)
