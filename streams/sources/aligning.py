"""Records in long form, one value each, aligned into rows: one for each entity and tick of time.

Lines of a file -> rows as JSON objects. A row stands where the value came that completes it or that shows its tick to be over:
a later tick of its entity, or the file's end. So rows come in the same order however many lines are read at a time. What never
came is missing in it, unless an earlier value is young enough to stand for it.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import msgspec
import numpy as np

from latentwatch.domain.record import DeadLetter, Decoded, Position
from latentwatch.domain.schema import Feature, FeatureType, RecordSchema
from latentwatch.streams.decoding.cells import number_in
from latentwatch.streams.decoding.columns import shorten
from latentwatch.streams.decoding.json_decoding import JsonDecoder
from latentwatch.streams.decoding.sound_decoding import decode_sound
from latentwatch.streams.ports import Decoder, Messages
from latentwatch.streams.sources.file_records import Records

_TIME, _ENTITY = "@time", "@entity"
_LARGEST = float(np.finfo(np.float32).max)
_SECOND = 1_000_000
_encode = msgspec.json.Encoder().encode


def value_schema(schema: RecordSchema) -> RecordSchema:
    """The fields of one message in long form: what it is of, and its value, both as text."""
    assert schema.long is not None  # the caller has looked
    return RecordSchema(
        time=schema.time,
        day_first=schema.day_first,
        entity=schema.entity,
        where=schema.where,
        features=(
            Feature(name="@name", type=FeatureType.CATEGORY, path=schema.long.name),
            Feature(name="@value", type=FeatureType.TEXT, path=schema.long.value),
        ),
    )


class Refusal(NamedTuple):
    """A message that is no value, and why."""

    payload: bytes
    reason: str


@dataclass(slots=True)
class _Open:
    """An entity's row in the making, and the last value of each feature: at most as many as there are features."""

    tick: int
    values: dict[str, Any] = field(default_factory=dict)
    whole: bool = False
    former: dict[str, tuple[int, Any]] = field(default_factory=dict)
    """Time, microseconds since 1970 UTC, and value of each feature's last one."""


class Alignment:
    """Makes rows of values, in the order in which they come."""

    def __init__(self, schema: RecordSchema, decimal_commas: bool = False) -> None:
        assert schema.every is not None  # the schema has looked
        self._features = {feature.path or feature.name: feature for feature in schema.features}
        self._missing = {feature.name: schema.missing_words(feature.name) for feature in schema.features}
        self._missing_numbers = {feature.name: schema.missing_numbers(feature.name) for feature in schema.features}
        self._every = round(schema.every.total_seconds() * _SECOND)
        self._age = 0 if schema.age is None else round(schema.age.total_seconds() * _SECOND)
        self._commas = decimal_commas
        self._open: dict[str, _Open] = {}
        self.values = 0
        """Messages that were values, or could have been: what became of them is a row's part, or nothing where they came
        twice, too late, or of what is no feature."""
        self.rows = 0
        self.late = 0
        """Those of a tick that was over."""

    def take(self, decoded: Decoded, messages: Messages) -> Iterator[bytes | Refusal]:
        """The rows that the next messages complete, and refusals, each at its message's place."""
        batch = decoded.batch
        letters = {letter.position.offset: letter for letter in decoded.dead_letters}
        passed = set(decoded.passed.offsets.tolist())
        read = zip(
            batch.entities.tolist(),
            batch.times.tolist(),
            batch.categories[:, 0].tolist(),
            batch.texts[:, 0].tolist(),
            strict=True,
        )
        for offset, payload in zip(messages.offsets.tolist(), messages.values, strict=True):
            if offset in letters:
                yield Refusal(payload or b"", letters[offset].reason)
            elif offset not in passed:
                yield from self._value(*next(read), payload or b"")

    def rest(self) -> Iterator[bytes]:
        """The rows that no later tick has closed, at the end."""
        for entity, row in self._open.items():
            if row.values and not row.whole:
                yield self._row(entity, row)
        self._open.clear()

    def _value(
        self, entity: str, time: int, name: str | None, text: str | None, payload: bytes
    ) -> Iterator[bytes | Refusal]:
        feature = self._features.get(name or "")
        value: Any = None
        if feature is not None and text is not None:
            value = self._read(feature, text)
            if isinstance(value, Refusal):
                yield value._replace(payload=payload)
                return
        self.values += 1
        tick = time // self._every
        row = self._open.get(entity)
        if row is None:
            row = self._open[entity] = _Open(tick)
        elif tick > row.tick:
            if row.values and not row.whole:
                yield self._row(entity, row)
            row.tick, row.values, row.whole = tick, {}, False
        elif tick < row.tick:
            self.late += 1
            return
        if feature is None or value is None or row.whole:
            return
        row.values[feature.name] = value
        row.former[feature.name] = (time, value)
        if len(row.values) == len(self._features):
            row.whole = True
            yield self._row(entity, row)

    def _read(self, feature: Feature, text: str) -> Any:
        """A value as its feature has it; None where it is missing."""
        if not feature.is_number:
            return None if text.strip() in self._missing[feature.name] else text
        number = number_in(text, feature.type is FeatureType.BOOLEAN, self._commas, self._missing[feature.name])
        if number is None or abs(number) > _LARGEST:
            wanted = "true or false" if feature.type is FeatureType.BOOLEAN else "a number that 32 bits hold"
            return Refusal(b"", f"{feature.name!r} is {shorten(text)}, {wanted} belongs there")
        return None if math.isnan(number) or number in self._missing_numbers[feature.name] else number

    def _row(self, entity: str, row: _Open) -> bytes:
        self.rows += 1
        start = row.tick * self._every
        values = row.values
        if self._age and len(values) < len(self._features):
            oldest = start + self._every - self._age
            young = {name: value for name, (time, value) in row.former.items() if oldest <= time < start}
            values = young | values
        time = np.datetime_as_string(np.datetime64(start, "us"))
        return _encode({_TIME: f"{time}Z", _ENTITY: entity, **values})


class Aligned:
    """A file's values as rows. What cannot be read is a record of its own, and `refused` says why, by its place."""

    def __init__(self, records: Records, decoder: Decoder, alignment: Alignment, refused: dict[int, str]) -> None:
        self._records = records
        self._decoder = decoder
        self.alignment = alignment
        self._refused = refused
        self._ready: deque[bytes] = deque()
        self._read = self._made = 0
        self._ended = False

    def read(self, count: int, timeout_seconds: float) -> list[bytes] | None:
        """The next rows."""
        while len(self._ready) < count and not self._ended:
            found = self._records.read(count, timeout_seconds)
            if found is None:
                self._ended = True
                self._take(self.alignment.rest())
            elif not found:
                break
            else:
                messages = _messages(self._read, found)
                self._read += len(found)
                self._take(self.alignment.take(decode_sound(self._decoder, messages), messages))
        taken = [self._ready.popleft() for _ in range(min(count, len(self._ready)))]
        return None if not taken and self._ended else taken

    def _take(self, made: "Iterator[bytes] | Iterator[bytes | Refusal]") -> None:
        for each in made:
            if isinstance(each, Refusal):
                self._refused[self._made] = each.reason
                self._ready.append(each.payload)
            else:
                self._ready.append(each)
            self._made += 1

    def close(self) -> None:
        """Close the file."""
        self._records.close()


class RowDecoder:
    """Reads aligned rows as a model's schema has them."""

    def __init__(self, schema: RecordSchema, refused: dict[int, str]) -> None:
        self._schema = schema
        self._refused = refused
        plain = RecordSchema(
            time=_TIME,
            entity=_ENTITY if schema.entity_fields else schema.entity,
            features=tuple(feature.model_copy(update={"path": "", "missing": ()}) for feature in schema.features),
        )
        self._decoder = JsonDecoder(plain)

    def decode(self, messages: Messages) -> Decoded:
        """Every message ends either as a row of the batch, in order, or as a dead letter."""
        refused = np.array([offset in self._refused for offset in messages.offsets.tolist()], bool)
        read = self._decoder.decode(messages.take(~refused) if refused.any() else messages)
        letters = list(read.dead_letters)
        for partition, offset, value, _ in messages.take(refused):
            position = Position(messages.source, partition, offset)
            letters.append(DeadLetter(position, self._refused[offset], value or b""))
        letters.sort(key=lambda letter: letter.position)
        return Decoded(replace(read.batch, schema=self._schema), tuple(letters))


def _messages(first: int, values: list[bytes]) -> Messages:
    """Lines of a file as messages, whatever it is called: their places count."""
    count = len(values)
    return Messages(
        "lines",
        np.zeros(count, np.int32),
        np.arange(first, first + count, dtype=np.int64),
        np.zeros(count, np.int64),
        list(values),
    )
