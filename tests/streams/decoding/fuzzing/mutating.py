"""Messages that nobody meant to send: what senders, codecs and cables make of a sound one. Bytes -> bytes."""

import gzip
import json
import re
from collections.abc import Sequence
from random import Random
from typing import Any

_VALUE = re.compile(rb'"[^"]*"|-?\d[\d.eE+-]*|true|false|null|[\[{][^\[\]{}]*[\]}]')
_CELL = re.compile(rb"[^,;\r\n]+")
_DEEP = 3_000

VALUES = (
    b"1e999", b"-1e999", b"1e39", b"-0.0", b"1e-400", b"NaN", b"-Infinity", b"null", b"true", b"{}", b"[]", b"[[]]", b'""',
    b"0", b"-1", b"9223372036854775807", b"-9223372036854775808", b"18446744073709551616", b"9" * 400, b"9" * 5_000,
    b'"' + b"9" * 5_000 + b'"', b'"' + b"x" * 5_000 + b'"', b'"1e999"', b'"nan"', b'"-inf"', b'"1_0"', b'" 7 "', b'"yes"',
    b'"\xff\xfe"', b'"\\ud800"', b'"\\u0000"', b'"\x00"', b'{"\xff": 1}', b'{"\xff": 1, "pressure": "q"}', b'{"pressure": 1e999}',
    b'{"pressure": ' * _DEEP + b"1" + b"}" * _DEEP, b"[" * _DEEP + b"]" * _DEEP, "\u0661\u00b2\u2028\ufeff".encode(),
    b'"0000-00-00"', b'"9999-12-31T23:59:60Z"', b'"1969-12-31T23:59:59Z"', b'"2026-02-30 25:00"', b'"31.12.9999 23:59"',
    b'"2026-01-01T00:00:00+99:99"', b"1e18", b"1e300", b"-1.5", b"0.1e",
)  # fmt: skip
"""What may stand where a value belongs."""
PIECES = (
    b"\x00", b"\xff", b"\xef\xbb\xbf", b"\x1f\x8b", b"\x80\x80", b"\xff" * 10, b"\xfe" + b"\xff" * 8 + b"\x01", b'"', b"\\",
    b"{", b"}", b"[", b"]", b",", b";", b":", b"\r\n", b"\n", b"\x01", b"\x02", b"\x7f", b"'",
)  # fmt: skip
"""What may stand anywhere."""


def mutate(value: bytes, others: Sequence[bytes], random: Random) -> bytes | None:
    """A message made of this one, and now and then of another; None is a tombstone."""
    if random.random() < 0.02:
        return random.choice([None, b""])
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        value = _once(value, others, random)
    if random.random() < 0.1:
        value = _wrapped(value, random)
    return value


def mutate_schema(schema: Any, random: Random) -> Any:
    """A writer's schema with one part exchanged for another part of it, for a value, or for a deep nest."""
    text = json.dumps(schema)
    places = list(_VALUE.finditer(text.encode()))
    place = random.choice(places)
    other = random.choice(
        [*(each.group() for each in places), b"7", b"-1", b"[]", b'"int"', b'["null", "null"]', b"1" * 30]
    )
    try:
        mutated = json.loads(text.encode()[: place.start()] + other + text.encode()[place.end() :])
    except ValueError:
        return schema
    if random.random() < 0.05:
        for _ in range(_DEEP):
            mutated = {"type": "array", "items": mutated}
    return mutated


def _once(value: bytes, others: Sequence[bytes], random: Random) -> bytes:
    way = random.randrange(16)  # mostly one that leaves the rest readable
    start, stop = sorted((random.randint(0, len(value)), random.randint(0, len(value))))
    if way == 0:
        return value[:start]
    if way == 1:
        return value[:start] + value[stop:]
    if way == 2:
        return value[:stop] + value[start:]
    if way == 3:
        return value[:start] + random.choice(PIECES) + value[start:]
    if way == 4:
        return value[:start] + random.choice(others)[start:]
    if way == 5 and value:
        place = random.randrange(len(value))
        return value[:place] + bytes([value[place] ^ (1 << random.randrange(8))]) + value[place + 1 :]
    return _exchanged(value, random)


def _exchanged(value: bytes, random: Random) -> bytes:
    """Another value in the place of one: this is what comes deepest into a decoder."""
    places = list(random.choice([_VALUE, _VALUE, _CELL]).finditer(value))
    if not places:
        return value + random.choice(PIECES)
    place = random.choice(places)
    return value[: place.start()] + random.choice(VALUES) + value[place.end() :]


def _wrapped(value: bytes, random: Random) -> bytes:
    way = random.randrange(6)
    if way == 0:
        return gzip.compress(value, 1, mtime=0)
    if way == 1:
        return b"\xef\xbb\xbf" + value
    if way == 2:
        return value.decode(errors="replace").encode(random.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32"]))
    if way == 3:
        return b"\0" + random.randbytes(4) + value
    if way == 4:
        return b"[" + value + b"]"
    return json.dumps(value.decode(errors="replace")).encode()
