"""Messages that hold several records, or one as text: arrays, packs, objects that text writes.

File → the monitor's keys that take its messages apart, and a sentence; nothing where each is a record.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from latentwatch.documents import refuse_documents
from latentwatch.domain.errors import InvalidInput
from latentwatch.streams.decoding.unpacking import unpacker_of
from latentwatch.streams.sources.file_records import Lines
from latentwatch.tables import format_of

_LOOK = 50
"""Lines that are looked at for several records each."""
_SENML = frozenset(("bn", "bt", "bu", "bv", "bs", "bver", "n", "u", "v", "vs", "vb", "vd", "s", "t", "ut"))
_NOTIFICATION = frozenset(("id", "type", "subscriptionId", "notifiedAt", "data"))
_COLLECTD = frozenset(("values", "dsnames", "plugin", "type"))


def packing(path: str, encoding: str | None = None) -> tuple[dict[str, Any], str]:
    """The monitor's keys for lines that hold several records each, and what to say of it; nothing where they hold one.

    Raises InvalidHistory where the file is an answer of a monitoring system in one document.
    """
    if "://" in path or format_of(path, encoding) not in ("jsonl", "csv"):
        return {}, ""
    messages = _messages(path, encoding)
    refuse_documents(path, messages)
    found, note = _apart(messages)
    written = text_objects(messages)
    if not written:
        return found, note
    unpack = unpacker_of({"unpack": written})
    assert unpack is not None  # for there is something to unpack
    read = [msgspec.json.decode(record) for each in messages for record in unpack(msgspec.json.encode(each)) or ()]
    found, more = _apart(read)
    if not found and (inside := _records_of_text(read, written)):
        found, more = {"arrays": inside}, f"arrays: the records are the elements of {inside!r}"
    said = f"unpack: {', '.join(map(repr, written))} is text that writes an object, whose parts are fields"
    return {**found, "unpack": written[0] if len(written) == 1 else written}, f"{said}; {more}" if more else said


def text_objects(messages: Sequence[Any]) -> list[str]:
    """The fields whose text is an object, or a list of them, wherever there is text in those messages."""
    texts: dict[str, list[str]] = {}
    for message in messages:
        for path, value in _leaves(message) if isinstance(message, dict) else ():
            if isinstance(value, str):
                texts.setdefault(path, []).append(value)
    return [path for path, given in texts.items() if all(map(_writes_objects, given))]


def _records_of_text(messages: Sequence[Any], fields: Sequence[str]) -> str:
    """The path to the records, where what text writes is a list of them, or an object of nothing but one."""
    for path in fields:
        read = [_at(message, path) for message in messages]
        if all(map(_is_records, read)):
            return path
        keys = {key for each in read if isinstance(each, dict) for key in each}
        if len(keys) == 1 and all(isinstance(each, dict) and all(map(_is_records, each.values())) for each in read):
            return f"{path}.{keys.pop()}"
    return ""


def _at(message: Any, path: str) -> Any:
    for step in path.split("."):
        message = message.get(step) if isinstance(message, dict) else None
    return message


def _leaves(message: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in message.items():
        if isinstance(value, dict) and "." not in key:
            yield from _leaves(value, f"{above}{key}.")
        elif "." not in key or not above:
            yield f"{above}{key}", value


def _writes_objects(text: str) -> bool:
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        read = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return (bool(read) and isinstance(read, dict)) or _is_records(read)


def _apart(messages: Sequence[Any]) -> tuple[dict[str, Any], str]:
    """The monitor's keys for messages that hold several records each, and what to say of it."""
    if messages and all(isinstance(message, list) for message in messages):
        entries = [entry for message in messages for entry in message]
        if not entries or not all(isinstance(entry, dict) for entry in entries):
            return {}, ""
        if all(set(entry) <= _SENML for entry in entries) and any("n" in entry or "bn" in entry for entry in entries):
            return {"collector": "senml"}, (
                "collector: SenML packs; what one pack says of a device at one time is a record, with a field for each name"
            )
        if all(set(entry) >= _COLLECTD for entry in entries):
            return {"collector": "collectd"}, (
                "collector: collectd's values; each is a record with a time, a host, and a name of plugin, type and their instances"
            )
        return {"arrays": True}, "arrays: each line is an array, whose elements are the records"
    if not messages or not all(isinstance(message, dict) for message in messages):
        return {}, ""
    if all("resourceMetrics" in message for message in messages):
        return {"collector": "otlp"}, (
            "collector: OpenTelemetry's metrics; the data points of one resource, attributes and time are a record, with a field"
            " for each metric"
        )
    keys = {key for message in messages for key in message}
    if len(keys) == 1 or keys <= _NOTIFICATION:
        key = "data" if len(keys) > 1 else keys.pop()
        if all(_is_records(message.get(key)) for message in messages):
            return {"arrays": key}, f"arrays: the records are the elements of {key!r}"
    if len(messages) == 1 and len(paths := list(_arrays(messages[0]))) == 1:
        return {"arrays": paths[0]}, f"arrays: one document, whose records are the elements of {paths[0]!r}"
    return {}, ""


def _arrays(message: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """The paths of a document's arrays of several objects."""
    for key, value in message.items():
        if isinstance(value, dict) and "." not in key:
            yield from _arrays(value, f"{above}{key}.")
        elif _is_records(value) and len(value) > 1 and "." not in key:
            yield f"{above}{key}"


def _messages(path: str, encoding: str | None) -> list[Any]:
    """The first lines, where they are JSON."""
    lines = Lines(path, False, encoding)
    try:
        return [msgspec.json.decode(line) for line in islice(lines.read(_LOOK, 1.0) or (), _LOOK)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, InvalidInput):
        return []
    finally:
        lines.close()


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)
