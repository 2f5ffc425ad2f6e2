"""JSON messages into columns: a Struct compiled for the schema reads a whole batch, a careful second look names faults.

Messages -> Decoded. A schema registry's header before the JSON is passed over. Fields the schema does not name are ignored, null and absent fields are missing values. Text where
a number or a truth value belongs is read as a CSV's cell is. Dots in the time's, the entity's and a feature's path step
into nested objects, unless the message has a key of its own with those dots.
"""

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import chain, groupby
from operator import attrgetter, itemgetter
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.errors import InvalidMonitor
from latentwatch.domain.record import Decoded, Numbers, number_type
from latentwatch.domain.schema import FeatureType, RecordSchema
from latentwatch.streams.decoding.cells import Spelling, number_in, spelling_of
from latentwatch.streams.decoding.columns import Columns, Faults, TimeBound, assemble, joined, shorten, words
from latentwatch.streams.decoding.framing import HEADER_BYTES, is_framed, schema_id, unframed
from latentwatch.streams.decoding.json_reasons import UNREADABLE, shape_reason, spelled
from latentwatch.streams.ports import Messages

_KEYS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TIME, _ENTITY, _FEATURE = "time", "entity", "="
_NONE_FLAT = frozenset[str]()
_WORD = str | int | float | bool | None
_NUMBER, _TRUTH = float | None, bool | float | None


class JsonDecoder:
    """Reads one JSON object a message. Safe to share between threads."""

    def __init__(
        self, schema: RecordSchema, bound: TimeBound | None = None, as_sent: Mapping[str, Any] | None = None
    ) -> None:
        """`as_sent` are texts that stay what they are in a message, each with its type: `Any`, or `msgspec.Raw` for bytes."""
        self._schema = schema
        self._bound = bound
        self._as_sent = as_sent or {}
        paths = [path for _, path, _ in _fields_of(schema, self._as_sent) if len(path) > 1]
        self._dotted = frozenset(".".join(path) for path in paths)
        self._beginnings = [msgspec.json.encode(f"{first}.")[:-1] for first in dict.fromkeys(path[0] for path in paths)]
        self._readers = {_NONE_FLAT: _Reader(schema, _NONE_FLAT, self._as_sent)}

    def decode(self, messages: Messages) -> Decoded:
        """Every message ends either as a row of the batch, in order, or as a dead letter."""
        return assemble(self._schema, messages, self._columns(messages.values), self._bound)

    def _columns(self, values: list[bytes | None]) -> Columns:
        """What a reader finds; each stretch of messages with the same dotted keys has its own."""
        whole = b"\n".join(filter(None, values)) if self._dotted else b""
        if not any(beginning in whole for beginning in self._beginnings):
            return self._readers[_NONE_FLAT].read(values)
        flat = map(self._flat_keys, values)
        stretches = groupby(zip(flat, values, strict=True), key=itemgetter(0))
        return joined([self._reader(keys).read([value for _, value in pairs]) for keys, pairs in stretches])

    def _flat_keys(self, value: bytes | None) -> frozenset[str]:
        """Which of the dotted paths a message has as a key; a word with dots elsewhere in it is none."""
        try:
            return self._dotted.intersection(msgspec.json.decode(unframed(value or b""), type=dict[str, msgspec.Raw]))
        except UNREADABLE:  # whoever reads it says why
            return _NONE_FLAT

    def _reader(self, flat: frozenset[str]) -> "_Reader":
        if flat not in self._readers:
            self._readers[flat] = _Reader(self._schema, flat, self._as_sent)
        return self._readers[flat]


class _Reader:
    """Reads messages whose keys with dots are known: `flat` are the paths that are one key."""

    def __init__(self, schema: RecordSchema, flat: frozenset[str], as_sent: Mapping[str, Any]) -> None:
        self._schema = schema
        self._as_sent = as_sent
        fields = [
            (role, (".".join(path),) if ".".join(path) in flat else path, kind)
            for role, path, kind in _fields_of(schema, as_sent)
        ]
        self._record, places = _compile(fields)
        self._fields = [(role, path, _written(kind)) for role, path, kind in fields]
        # Slower, for messages that write numbers as text.
        self._written_record, _ = _compile(self._fields)
        self._decode_written: Callable[[Any], Any] = msgspec.json.Decoder(self._written_record).decode
        self._cells = [
            _Cell(
                role.removeprefix(_FEATURE),
                places[role],
                _label(role, path),
                spelling_of(schema, role.removeprefix(_FEATURE)),
            )
            for role, path, kind in fields
            if kind in (_NUMBER, _TRUTH)
        ]
        # A tombstone's None raises TypeError and sends its batch down the careful path.
        self._decode: Callable[[Any], Any] = msgspec.json.Decoder(self._record).decode
        self._numbers = _getter([places[_FEATURE + name] for name in schema.numbers])
        self._words = {name: attrgetter(places[_FEATURE + name]) for name in (*schema.categories, *schema.texts)}
        self._time = attrgetter(places[_TIME]) if schema.time else None
        self._entity = attrgetter(places[_ENTITY]) if schema.entity_fields else None
        self._empty = self._record()

    def read(self, values: list[bytes | None]) -> Columns:
        """The fields of each message, and why some cannot be read."""
        faults = Faults()
        try:
            records = list(map(self._decode, values))
        except (*UNREADABLE, TypeError):
            records = self._read_all(values, faults)
        return self._columns(records, faults)

    def _read_all(self, values: list[bytes | None], faults: Faults) -> list[Any]:
        """Messages that are not all plain records: without registry headers, if that was all, else with care."""
        bare = [None if value is None else unframed(value) for value in values]
        if bare != values:
            with suppress(*UNREADABLE, TypeError):
                return list(map(self._decode, bare))
        records = [self._read(row, value, faults) for row, value in enumerate(bare)]
        for row in faults.refused:
            value = values[row] or b""
            if is_framed(value) and not value[HEADER_BYTES:].lstrip().startswith((b"{", b"[")):
                faults.refused[row] = (
                    f"not valid JSON: behind a schema registry's header (schema {schema_id(value)}) stands none; if the"
                    " messages are Avro, say format: avro in the monitor's source"
                )
        return records

    def _columns(self, records: list[Any], faults: Faults) -> Columns:
        schema, count = self._schema, len(records)
        try:
            numbers = self._matrix(records)
        except (TypeError, OverflowError):  # an integer beyond any float
            rows = [self._matrix_of_one(row, record, faults) for row, record in enumerate(records)]
            numbers = np.concatenate([*rows, np.empty((0, len(schema.numbers)), number_type(schema))])
        categories = np.empty((count, len(schema.categories)), object)
        for column, name in enumerate(schema.categories):
            categories[:, column] = words(list(map(self._words[name], records)))
        texts = np.empty((count, len(schema.texts)), object)
        for column, name in enumerate(schema.texts):
            values = list(map(self._words[name], records))
            texts[:, column] = _each(values) if name in self._as_sent else words(values)
        return Columns(
            numbers=numbers,
            categories=categories,
            texts=texts,
            times=list(map(self._time, records)) if self._time else None,
            entities=list(map(self._entity, records)) if self._entity else None,
            faults=faults,
        )

    def _matrix(self, records: list[Any]) -> Numbers:
        width, kind = len(self._schema.numbers), number_type(self._schema)
        with np.errstate(over="ignore"):
            flat = np.fromiter(chain.from_iterable(map(self._numbers, records)), kind, count=len(records) * width)
        return flat.reshape(len(records), width)

    def _matrix_of_one(self, row: int, record: Any, faults: Faults) -> Numbers:
        try:
            return self._matrix([record])
        except (TypeError, OverflowError):
            faults.refuse(row, "a number is too large to hold; send null if it is missing")
            return np.zeros((1, len(self._schema.numbers)), number_type(self._schema))

    def _read(self, row: int, value: bytes | None, faults: Faults) -> Any:
        """One message with care: a record, or an empty one and the reason."""
        if value is None:
            faults.refuse(row, "a tombstone: the message has no value")
            return self._empty
        with suppress(*UNREADABLE):
            return self._decode(value)
        try:
            found = self._decode_written(value)
        except UNREADABLE as error:
            found = self._examine(row, value, faults, error)
        if isinstance(found, str):
            faults.refuse(row, found)
            return self._empty
        self._read_cells(row, found, faults)
        return found

    def _read_cells(self, row: int, record: Any, faults: Faults) -> None:
        """Put numbers in the place of the text that writes them, and leave out what writes none."""
        for cell in self._cells:
            value = cell.get(record)
            if not isinstance(value, str):
                continue
            number = number_in(value, cell.spelling)
            if number is None:
                wanted = "true or false" if cell.spelling.boolean else "a number"
                faults.leave_out(row, cell.feature, f"{cell.label} is text ({shorten(value)}), {wanted} belongs there")
                number = math.nan
            setattr(cell.owner(record), cell.attribute, number)

    def _examine(self, row: int, value: bytes, faults: Faults, error: Exception) -> Any:
        """Why a message cannot be read; or its record, where a null stood in the place of a nested object, and without what
        its features cannot have."""
        try:
            tree = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
        except UNREADABLE:
            return shape_reason(value)
        leaves: dict[str, Any] = {}
        for role, path, kind in self._fields:
            label = _label(role, path)
            raw = _walk(tree, path)
            if raw is None:
                continue
            if isinstance(raw, str):
                reason = f"{label}: {raw}"
            else:
                try:
                    leaves[role] = msgspec.json.decode(raw, type=kind)
                    continue
                except UNREADABLE:
                    reason = f"{label} {_value_reason(raw, kind)}"
            if not role.startswith(_FEATURE):
                return reason
            faults.leave_out(row, role.removeprefix(_FEATURE), reason)
        try:
            return msgspec.convert(_nest(self._fields, leaves), self._written_record)
        except UNREADABLE:
            return f"cannot be read: {error}"


def _getter(places: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    if not places:
        return lambda _: ()
    if len(places) == 1:
        single = attrgetter(places[0])
        return lambda record: (single(record),)
    return attrgetter(*places)


class _Cell:
    """Where a number stands in a record, for a look at whether it is written as text."""

    def __init__(self, feature: str, place: str, label: str, spelling: Spelling) -> None:
        self.feature = feature
        owner, _, self.attribute = place.rpartition(".")
        self.owner: Callable[[Any], Any] = attrgetter(owner) if owner else lambda record: record
        self.get = attrgetter(place)
        self.label = label
        self.spelling = spelling


_Field = tuple[str, tuple[str, ...], Any]
"""Role (a feature's name, or time or entity), path, and type."""


def _fields_of(schema: RecordSchema, as_sent: Mapping[str, Any]) -> list[_Field]:
    fields: list[_Field] = []
    if schema.time:
        fields.append((_TIME, tuple(schema.time.split(".")), str | int | float | None))
    fields += [(_ENTITY, tuple(field.split(".")), str | int | None) for field in schema.entity_fields]
    for feature in schema.features:
        kind: Any = _NUMBER
        if feature.name in as_sent:
            kind = as_sent[feature.name]
        elif feature.type is FeatureType.BOOLEAN:
            kind = _TRUTH
        elif not feature.is_number:
            kind = _WORD
        fields.append(
            (_FEATURE + feature.name, tuple(feature.path.split(".")) if feature.path else (feature.name,), kind)
        )
    return fields


def _written(kind: Any) -> Any:
    """The kind that takes text as well where a number belongs."""
    return kind | str if kind in (_NUMBER, _TRUTH) else kind


def _compile(fields: list[_Field]) -> tuple[Any, dict[str, str]]:
    """A Struct that reads the fields' paths, and where each feature, the time and the entity stand in it."""
    places: dict[str, str] = {}

    def build(level: list[_Field], depth: int, prefix: str) -> Any:
        attributes: list[tuple[str, Any, Any]] = []
        names: dict[str, str] = {}
        groups: dict[str, list[_Field]] = {}
        for field in level:
            groups.setdefault(field[1][depth], []).append(field)
        for number, (key, members) in enumerate(groups.items()):
            attribute = f"f{number}"
            names[attribute] = key
            nested = [field for field in members if len(field[1]) > depth + 1]
            if nested and len(nested) < len(members):
                raise InvalidMonitor(
                    f"field {key!r} is both a value and an object with fields; correct one of the paths"
                )
            if nested:
                inner = build(nested, depth + 1, f"{prefix}{attribute}.")
                attributes.append((attribute, inner, msgspec.field(default_factory=inner)))
            else:
                role, _, kind = members[0]
                attributes.append((attribute, kind, float("nan") if kind in (_NUMBER, _written(_NUMBER)) else None))
            for role, path, _ in members:
                if len(path) == depth + 1:
                    places[role] = f"{prefix}{attribute}"
        # gc=False: flat records without cycles; the collector need not walk a batch of them.
        return msgspec.defstruct(f"Record{depth}", attributes, rename=names, gc=False)

    return build(fields, 0, ""), places


def _each(values: list[Any]) -> NDArray[np.object_]:
    """As they are, lists too, of which numpy would make further dimensions."""
    return np.fromiter(values, object, count=len(values))


def keys_of(value: msgspec.Raw | bytes) -> list[str]:
    """The keys of an object's bytes; none of what is no object."""
    try:
        return list(_KEYS.decode(value))
    except UNREADABLE:
        return []


def _walk(tree: dict[str, msgspec.Raw], path: tuple[str, ...]) -> msgspec.Raw | str | None:
    """The raw value at a path; None where it is absent; a reason where the way is blocked."""
    level = tree
    for step, key in enumerate(path):
        raw = level.get(key)
        if raw is None or bytes(raw) == b"null":
            return None
        if step == len(path) - 1:
            return raw
        try:
            level = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        except UNREADABLE:
            return f"{key!r} {spelled(raw)}, an object belongs there"
    return None


def _nest(fields: list[_Field], leaves: dict[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for role, path, _ in fields:
        if role in leaves:
            level = tree
            for key in path[:-1]:
                level = level.setdefault(key, {})
            level[path[-1]] = leaves[role]
    return tree


def _label(role: str, path: tuple[str, ...]) -> str:
    kind = "field" if role.startswith(_FEATURE) else f"{role} field"
    return f"{kind} {'.'.join(path)!r}"


def _value_reason(raw: msgspec.Raw, kind: Any) -> str:
    wanted = {_written(_NUMBER): "a number", _written(_TRUTH): "true or false"}.get(kind, "text")
    return f"{spelled(raw)}, {wanted} belongs there"
