"""Messages that hold several records: arrays, what collectors send in one message, and objects that are written as text.

One message of JSON -> its records, each a JSON object of its own. SenML is RFC 8428, OpenTelemetry's JSON is OTLP's
encoding of metrics (opentelemetry.io/docs/specs/otlp): of both, what was measured of one source at one time is one record,
with a key for each name.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.decoding.framing import unframed

Unpack = Callable[[bytes], list[bytes] | None]
"""A message's records; None where it is none to take apart, so that it is a record itself, or decoding says what it is."""

_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANY = msgspec.json.Decoder()
_STRING = msgspec.json.Decoder(str)
_encode = msgspec.json.Encoder().encode
_RELATIVE_BELOW = 2**28
"""A SenML time below this many seconds is relative to a now that the message does not tell (RFC 8428, 4.5.3)."""


def unpacker(schema: RecordSchema, arrays: bool = False) -> Unpack | None:
    """What takes a monitor's messages apart, where they hold several records; `arrays` as a topic's source says it."""
    return unpacker_of(
        {"arrays": schema.arrays or arrays, "collector": schema.collector, "unpack": schema.text_objects}
    )


def unpacker_of(keys: Mapping[str, Any]) -> Unpack | None:
    """The same from a monitor's keys `arrays`, `collector` and `unpack`."""
    arrays, collector, written = keys.get("arrays"), keys.get("collector"), keys.get("unpack")
    if collector is not None:
        return {"senml": senml_records, "otlp": otlp_records, "collectd": collectd_records}[str(collector)]
    apart = _Inside(arrays.split(".")) if isinstance(arrays, str) else elements if arrays else None
    return _FromText([written] if isinstance(written, str) else written, apart) if written else apart


def elements(value: bytes) -> list[bytes] | None:
    """The elements of a message that is an array."""
    body = unframed(value)
    if body.lstrip()[:1] != b"[":
        return None
    try:
        return [bytes(record) for record in _ARRAY.decode(body)]
    except _UNREADABLE:
        return None


class _Inside:
    """The elements of an array inside of a message, each with what stands beside the array in the message."""

    def __init__(self, steps: list[str]) -> None:
        self._steps = steps
        kind: Any = list[msgspec.Raw]
        for step in reversed(steps):
            kind = msgspec.defstruct(
                "Level", [("inner", kind)], rename={"inner": step}, forbid_unknown_fields=True, gc=False
            )
        self._alone = msgspec.json.Decoder(kind).decode
        """Reads a message that holds nothing beside the array, in one go."""

    def __call__(self, value: bytes) -> list[bytes] | None:
        body = unframed(value)
        try:
            found = self._alone(body)
            for _ in self._steps:
                found = found.inner
            return list(map(bytes, found))
        except _UNREADABLE:
            return self._with_neighbours(body)

    def _with_neighbours(self, body: bytes) -> list[bytes] | None:
        try:
            whole = level = _OBJECT.decode(body)
            for step in self._steps[:-1]:
                level = _OBJECT.decode(level[step])
            found = _ARRAY.decode(level[self._steps[-1]])
            beside = {key: part for key, part in whole.items() if key != self._steps[0]}
            return [_encode(beside | _OBJECT.decode(record)) if beside else bytes(record) for record in found]
        except (*_UNREADABLE, KeyError):
            return None


class _FromText:
    """A message with what the text of some of its fields says in place of the text; its records, where it holds several."""

    def __init__(self, fields: Sequence[str], apart: Unpack | None) -> None:
        self._fields = fields
        self._apart = apart

    def __call__(self, value: bytes) -> list[bytes] | None:
        body = unframed(value)
        if self._apart is not None and body.lstrip()[:1] == b"[":
            return [self._read(record) or record for record in self._apart(body) or ()] or None
        read = self._read(body)
        if read is None or self._apart is None:
            return None if read is None else [read]
        return self._apart(read) or [read]

    def _read(self, body: bytes) -> bytes | None:
        try:
            tree = _OBJECT.decode(body)
            for field in self._fields:
                _put_object(tree, [field] if field in tree else field.split("."))
        except _UNREADABLE:
            return None
        return _encode(tree)


def _put_object(tree: dict[str, msgspec.Raw], steps: list[str]) -> None:
    """Put the object or list that text writes in the text's place; what writes none stays."""
    raw = tree.get(steps[0])
    if raw is None:
        return
    if len(steps) > 1:
        with suppress(*_UNREADABLE):
            inner = _OBJECT.decode(raw)
            _put_object(inner, steps[1:])
            tree[steps[0]] = msgspec.Raw(_encode(inner))
        return
    with suppress(*_UNREADABLE):
        text = _STRING.decode(raw)
        if isinstance(_ANY.decode(text), dict | list):
            tree[steps[0]] = msgspec.Raw(text.encode())


def senml_records(value: bytes) -> list[bytes] | None:
    """The measurements of a SenML pack: one record for each base name and time, with a key for each name.

    Its keys: `device` (the base name without what parts it from a name), `time` (seconds since 1970, absent where the pack
    gives none or one relative to now), and the names. A base name belongs to the entries after it, as does a base time.
    """
    try:
        pack = _ANY.decode(unframed(value))
        return [_encode(record) for record in _grouped(_senml_values(pack))]
    except (*_UNREADABLE, TypeError, ValueError, AttributeError):
        return None


def _senml_values(pack: Any) -> Iterator[tuple[dict[str, Any], str, Any]]:
    if not isinstance(pack, list):
        raise TypeError("a pack is an array")
    name, time, base, base_sum = "", 0.0, None, None
    for entry in pack:
        name, time = entry.get("bn", name), entry.get("bt", time)
        base, base_sum = entry.get("bv", base), entry.get("bs", base_sum)
        found = next((entry[key] for key in ("v", "vs", "vb", "vd", "s") if key in entry), None)
        if "v" in entry and base is not None:
            found = entry["v"] + base
        if found is None:
            continue
        at = time + entry.get("t", 0)
        device = name.rstrip(":/_-")
        source = {"device": device} if device else {}
        yield source | ({"time": at} if at >= _RELATIVE_BELOW else {}), entry.get("n") or "value", found


def collectd_records(value: bytes) -> list[bytes] | None:
    """The values of collectd's JSON: a record each, with `time`, `host`, `name` and `value`.

    A name joins plugin, its instance, type, its instance, and, of several values of a type, which of them, by dots:
    `cpu.0.percent.idle`, `load.load.shortterm`. A type that is called as its plugin comes once.
    """
    try:
        lists = _ANY.decode(unframed(value))
        return [_encode(record) for each in lists for record in _collectd_values(each)]
    except (*_UNREADABLE, TypeError, ValueError, AttributeError, KeyError):
        return None


def _collectd_values(of: dict[str, Any]) -> Iterator[dict[str, Any]]:
    kind = [
        of["plugin"],
        of.get("plugin_instance"),
        of["type"] if of["type"] != of["plugin"] else "",
        of.get("type_instance"),
    ]
    for value, which in zip(of["values"], of["dsnames"], strict=True):
        name = ".".join(str(part) for part in [*kind, which if len(of["values"]) > 1 else ""] if part not in (None, ""))
        yield {"time": of["time"], "host": of["host"], "name": name, "value": value}


def otlp_records(value: bytes) -> list[bytes] | None:
    """The data points of an OTLP message of metrics: one record for each resource, attributes and time.

    Its keys: `time` (nanoseconds since 1970), `resource` (nested by the dots of its attributes), `series` (the data point's
    own attributes as `key=value`, `all` where it has none), and the metrics' names; of a histogram or summary its
    `<name>.count` and `<name>.sum`.
    """
    try:
        message = _ANY.decode(unframed(value))
        if "resourceMetrics" not in message:
            return None
        return [_encode(record) for record in _grouped(_otlp_values(message))]
    except (*_UNREADABLE, TypeError, ValueError, AttributeError, KeyError):
        return None


def _otlp_values(message: Any) -> Iterator[tuple[dict[str, Any], str, Any]]:
    for of_resource in message["resourceMetrics"]:
        resource = _nested(_attributes(of_resource.get("resource", {})))
        for scope in of_resource.get("scopeMetrics", ()):
            for metric in scope.get("metrics", ()):
                for point in _points(metric):
                    attributes = sorted(_attributes(point).items())
                    series = ",".join(f"{key}={_word(found)}" for key, found in attributes) or "all"
                    source = {"time": int(point["timeUnixNano"]), "resource": resource, "series": series}
                    for name, found in _measured(metric["name"], point):
                        yield source, name, found


def _points(metric: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for kind in ("gauge", "sum", "histogram", "exponentialHistogram", "summary"):
        yield from metric.get(kind, {}).get("dataPoints", ())


def _measured(name: str, point: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    if "asDouble" in point:
        yield name, point["asDouble"]
    elif "asInt" in point:
        yield name, int(point["asInt"])
    else:
        for part in ("count", "sum"):
            if part in point:
                yield f"{name}.{part}", float(point[part])


def _attributes(of: dict[str, Any]) -> dict[str, Any]:
    """OTLP's attributes, plain values alone."""
    found = {each["key"]: next(iter(each.get("value", {}).items()), ("", None)) for each in of.get("attributes", ())}
    return {key: found for key, (kind, found) in found.items() if kind not in ("arrayValue", "kvlistValue", "")}


def _nested(flat: dict[str, Any]) -> dict[str, Any]:
    """Keys with dots as nested objects, where no other key is in the way."""
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        level, steps = tree, key.split(".")
        for step in steps[:-1]:
            inner = level.setdefault(step, {})
            if not isinstance(inner, dict):
                break
            level = inner
        else:
            level.setdefault(steps[-1], value)
    return tree


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _grouped(values: Iterable[tuple[dict[str, Any], str, Any]]) -> list[dict[str, Any]]:
    """One record for each source, in the order they first come; of a name that comes twice the last value."""
    records: dict[bytes, dict[str, Any]] = {}
    for source, name, value in values:
        record = records.setdefault(_encode(source), dict(source))
        record.setdefault(name, value) if name in source else record.update({name: value})
    return list(records.values())
