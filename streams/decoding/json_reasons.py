"""Why JSON is none, or not what belongs at a place, in words."""

import re

import msgspec

from latentwatch.streams.decoding.columns import shorten
from latentwatch.streams.decoding.framing import foreign

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What reading bytes that are no JSON, or no record, may raise."""
_NON_JSON_NUMBER = re.compile(rb'"([^"\\]{1,200})"\s*:\s*(-?(?:NaN|Infinity|inf|nan))\b')


def spelled(raw: msgspec.Raw) -> str:
    """What stands at a place, also where nothing can hold it: a Raw was never looked into."""
    try:
        value = msgspec.json.decode(raw)
    except UNREADABLE as error:
        return f"holds {bytes(raw)[:60].decode(errors='replace')} ({error})"
    return f"is {kind_of(value)} ({shorten(value)})"


def kind_of(value: object) -> str:
    """What JSON calls a value of this kind."""
    if value is None:
        return "null"
    for kind, name in (
        (bool, "a truth value"),
        (str, "text"),
        (int, "a number"),
        (float, "a number"),
        (list, "a list"),
    ):
        if isinstance(value, kind):
            return name
    return "an object"


def shape_reason(value: bytes) -> str:
    """Why bytes are no record."""
    if not value.strip():
        return "an empty message"
    number = _NON_JSON_NUMBER.search(value)
    if number:
        name, literal = number[1].decode(errors="replace"), number[2].decode()
        return f"field {name!r} is {literal}, which JSON does not have; send null for a missing number"
    if strange := foreign(value):
        return f"not valid JSON: {strange}"
    try:
        tree = msgspec.json.decode(value)
    except RecursionError:
        return "not valid JSON: nested too deeply"
    except UNREADABLE as error:
        return f"not valid JSON: {error}; it begins with {shorten(value[:40].decode(errors='replace'))}"
    return f"a record is a JSON object, this is {kind_of(tree)}"
