"""What a message in long form says: of which features, and values as those features have them."""

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.record import Batch
from latentwatch.domain.schema import Feature, FeatureType, RecordSchema
from latentwatch.streams.decoding.cells import number_in, spelling_of
from latentwatch.streams.decoding.columns import shorten, words
from latentwatch.streams.decoding.json_decoding import keys_of
from latentwatch.streams.decoding.json_reasons import UNREADABLE, kind_of

Value = float | str
VALUE = "@value"
"""The column of a message's value, as it was sent."""
VALUES = "@values"
"""The column of an object of values, as the bytes that were sent."""
_NAME = "@name"
_NUMBERS = {float, int}
_NUMBERS_OR_TEXT = {float, int, str}
_LARGEST = float(np.finfo(np.float32).max)
_MOST_NAMES = 10_000
"""Names of messages that are remembered."""


def reading_schema(schema: RecordSchema) -> RecordSchema:
    """The fields of one message in long form: what it is of, and its value or values."""
    long = schema.long
    assert long is not None  # the caller has looked
    return RecordSchema(
        time=schema.time,
        day_first=schema.day_first,
        entity=schema.entity,
        where=schema.where,
        features=(
            *(
                Feature(name=f"{_NAME}:{place}", type=FeatureType.CATEGORY, path=field)
                for place, field in enumerate(long.names)
            ),
            Feature(name=VALUES if long.values else VALUE, type=FeatureType.TEXT, path=long.values or long.value or ""),
        ),
    )


def are_readings(schema: RecordSchema) -> bool:
    """Whether a batch of this schema holds messages in long form that are still to be aligned."""
    return schema.texts in ((VALUE,), (VALUES,))


class Misfit(NamedTuple):
    """Why a value cannot be its feature's."""

    reason: str
    feature: str = ""
    """Whose value is left out; empty where nothing can be known of a message."""


class ToldValues(NamedTuple):
    """What messages say, value by value: C values of features, in the order of their messages."""

    places: NDArray[np.intp]
    """[C] whose each is, rising."""
    columns: NDArray[np.intp]
    """[C] of which feature."""
    values: NDArray[np.float64]
    """[C] never NaN; of a category or text its place in `words`."""
    words: list[str]
    misfits: dict[int, str]
    """Places of messages of which nothing can be known, and why."""
    unread: list[tuple[int, Misfit]]
    """Values that are not told, and of which message each."""


class _ObjectKeys(NamedTuple):
    """The values of a message's object that are features, by their keys."""

    keys: dict[str, Feature]
    columns: NDArray[np.intp]
    """[K] of which features."""
    missing: list[tuple[int, float]]
    """Numbers that stand for no value, each with the place of its key."""
    decode: Callable[[Any], Any] | None
    """Reads an object's bytes where all are numbers; None where a look at each is needed, or nothing is a feature."""
    numbers: Callable[[Any], tuple[Any, ...]] | None
    """Gets the K numbers of what was read."""


class ValueReader:
    """Reads names and values as a schema has them."""

    def __init__(self, schema: RecordSchema, decimal_commas: bool = False) -> None:
        assert schema.long is not None  # the caller has looked
        self.schema = schema
        self._values = schema.long.values
        self._commas = decimal_commas
        self._features = {feature.path or feature.name: feature for feature in schema.features}
        self._columns = {feature.name: column for column, feature in enumerate(schema.features)}
        self._plain: dict[str | None, int] = {
            path: self._columns[feature.name]
            for path, feature in self._features.items()
            if _is_plain(feature)
            and spelling_of(schema, feature.name).reads_plain
            and not schema.missing_words(feature.name)
        }
        """Columns of numbers of which no further word or number means "no value": most of them, and quickly read."""
        self._inside: dict[str | None, _ObjectKeys] = {}

    def read(self, batch: Batch) -> ToldValues:
        """What a batch's messages say."""
        names, sent = _joined(batch), batch.texts[:, 0].tolist()
        return self._read_each(names, sent) if self._values is None else self._read_objects(names, sent)

    def _read_each(self, names: list[str | None], sent: list[Any]) -> ToldValues:
        """Of messages that hold one value each."""
        columns = np.fromiter((self._plain.get(name, -1) for name in names), np.intp, count=len(names))
        numbers = _as_numbers(sent)
        plain = (columns >= 0) & (np.abs(numbers) <= _LARGEST)
        quick = np.flatnonzero(plain)
        careful = _Careful()
        for place in np.flatnonzero(~plain).tolist():
            careful.take(place, self._value_of(names[place], sent[place]), self._columns)
        return careful.beside(quick, columns[quick], numbers[quick])

    def _read_objects(self, names: list[str | None], sent: list[Any]) -> ToldValues:
        """Of messages that hold several values each, by name: those of one have the same keys."""
        named: dict[str | None, list[int]] = {}
        for place, name in enumerate(names):
            named.setdefault(name, []).append(place)
        careful, blocks, widths = _Careful(), list[_Block](), np.zeros(len(names), np.intp)
        for name, members in named.items():
            inside = self._known(name)
            if not inside.keys:
                continue
            found = _matrix(inside, [sent[place] for place in members])
            singly = members
            if found is not None:
                singly = []
                for column, missing in inside.missing:
                    found[found[:, column] == missing, column] = np.nan
                if (np.abs(found) > _LARGEST).any():
                    unsound = np.any(np.abs(found) > _LARGEST, axis=1)
                    singly = np.array(members)[unsound].tolist()
                    found[unsound] = np.nan
                blocks.append(_Block(np.array(members, np.intp), inside.columns, found))
                widths[members] = len(inside.columns)
            for place in singly:
                careful.take(place, self._values_of(inside, sent[place]), self._columns)
        return careful.beside(*_together(blocks, widths))

    def _value_of(self, name: str | None, sent: Any) -> dict[str, Value | Misfit]:
        """The value by its feature's name; nothing of what is no feature, and of a value that is missing."""
        feature = self._features.get(name or "")
        value = None if feature is None or sent is None else self._with_care(feature, sent)
        return {} if feature is None or value is None else {feature.name: value}

    def _values_of(self, inside: _ObjectKeys, sent: Any) -> dict[str, Value | Misfit] | Misfit:
        """The values of an object, by the features' names; `sent` are its bytes, or itself."""
        if isinstance(sent, msgspec.Raw):
            try:
                sent = msgspec.json.decode(sent)
            except UNREADABLE as error:
                return Misfit(f"field {self._values!r} cannot be read: {error}")
        if not isinstance(sent, dict):
            return (
                {}
                if sent is None
                else Misfit(f"field {self._values!r} is {_spelled(sent)}, an object of values belongs there")
            )
        found: dict[str, Value | Misfit] = {}
        for key, feature in inside.keys.items():
            value = sent.get(key)
            read = None if value is None else self._with_care(feature, value)
            if read is not None:
                found[feature.name] = read
        return found

    def _known(self, name: str | None) -> _ObjectKeys:
        """What a message so named holds of the features."""
        known = self._inside.get(name)
        if known is None:
            if len(self._inside) >= _MOST_NAMES:
                self._inside.clear()
            before = f"{name}." if name else ""
            keys = {path[len(before) :]: each for path, each in self._features.items() if path.startswith(before)}
            columns = np.array([self._columns[each.name] for each in keys.values()], np.intp)
            decode, numbers = None, None
            if keys and all(map(_is_plain, keys.values())):
                decode, numbers = _compiled(tuple(keys))
            missing = [
                (key, each)
                for key, feature in enumerate(keys.values())
                for each in self.schema.missing_numbers(feature.name)
            ]
            known = self._inside[name] = _ObjectKeys(keys, columns, missing, decode, numbers)
        return known

    def _with_care(self, feature: Feature, sent: Any) -> Value | Misfit | None:
        """A value as its feature has it; None where it is missing."""
        if isinstance(sent, dict | list):
            return Misfit(f"field {feature.name!r} is {_spelled(sent)}, one value belongs there", feature.name)
        missing, text = self.schema.missing_words(feature.name), words([sent])[0] or ""
        if not feature.is_number:
            return None if text.strip() in missing else text
        number = number_in(text, spelling_of(self.schema, feature.name, self._commas))
        if number is None or abs(number) > _LARGEST:
            wanted = "true or false" if feature.type is FeatureType.BOOLEAN else "a number that 32 bits hold"
            return Misfit(f"field {feature.name!r} is {_spelled(sent)}, {wanted} belongs there", feature.name)
        return None if math.isnan(number) or number in self.schema.missing_numbers(feature.name) else number


class _Careful:
    """What messages say that were looked at one by one."""

    def __init__(self) -> None:
        self._places: list[int] = []
        self._columns: list[int] = []
        self._values: list[float] = []
        self._words: list[str] = []
        self._misfits: dict[int, str] = {}
        self._unread: list[tuple[int, Misfit]] = []

    def take(self, place: int, found: dict[str, Value | Misfit] | Misfit, columns: Mapping[str, int]) -> None:
        """Put down the values of a message, by their features."""
        if isinstance(found, Misfit):
            self._misfits[place] = found.reason
            return
        for name, value in found.items():
            if isinstance(value, Misfit):
                self._unread.append((place, value))
                continue
            self._places.append(place)
            self._columns.append(columns[name])
            self._values.append(coded(value, self._words))

    def beside(self, places: NDArray[np.intp], columns: NDArray[np.intp], values: NDArray[np.float64]) -> ToldValues:
        """All of it among what was read many at once, in the order of the messages."""
        if self._places:
            places = np.concatenate([places, self._places])
            order = np.argsort(places, kind="stable")
            places = places[order]
            columns = np.concatenate([columns, self._columns])[order]
            values = np.concatenate([values, self._values])[order]
        return ToldValues(places, columns, values, self._words, self._misfits, self._unread)


class _Block(NamedTuple):
    """Numbers of N messages, K each."""

    places: NDArray[np.intp]
    """[N] of the messages, rising."""
    columns: NDArray[np.intp]
    """[K] of which features."""
    values: NDArray[np.float64]
    """[N, K] NaN where there is none."""


def _together(
    blocks: list[_Block], widths: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Places, columns and values of blocks in the order of the messages, of which `widths` says how many each has."""
    ends = np.cumsum(widths)
    total = int(ends[-1]) if len(ends) else 0
    places, columns, values = np.repeat(np.arange(len(widths)), widths), np.empty(total, np.intp), np.empty(total)
    for block in blocks:
        width = len(block.columns)
        at = (ends[block.places] - width)[:, None] + np.arange(width)
        columns[at], values[at] = block.columns, block.values
    given = ~np.isnan(values)
    return (places, columns, values) if given.all() else (places[given], columns[given], values[given])


def coded(value: Value, words: list[str]) -> float:
    """A value as a number; a word is put down among others, and its place stands for it."""
    if isinstance(value, str):
        words.append(value)
        return len(words) - 1
    return value


def _is_plain(feature: Feature) -> bool:
    """Whether a feature's values are numbers of any kind."""
    return feature.type in (FeatureType.NUMERIC, FeatureType.COUNTER)


def _compiled(keys: tuple[str, ...]) -> tuple[Callable[[Any], Any], Callable[[Any], tuple[Any, ...]]]:
    """What reads an object's numbers by their keys, and what gets them out."""
    attributes: list[tuple[str, Any, Any]] = [(f"f{place}", float | None, math.nan) for place in range(len(keys))]
    rename = {f"f{place}": key for place, key in enumerate(keys)}
    record = msgspec.defstruct("Values", attributes, rename=rename, gc=False)
    get = attrgetter(*(f"f{place}" for place in range(len(keys))))
    return msgspec.json.Decoder(record).decode, get if len(keys) > 1 else lambda each: (get(each),)


def _matrix(inside: _ObjectKeys, sent: list[Any]) -> NDArray[np.float64] | None:
    """[N, K] numbers of N objects' bytes, NaN where one lacks one; None where each needs a look."""
    if inside.decode is None or inside.numbers is None:
        return None
    width = len(inside.columns)
    with suppress(*UNREADABLE, TypeError, OverflowError):
        records = map(inside.numbers, map(inside.decode, sent))
        return np.fromiter(chain.from_iterable(records), np.float64, count=len(sent) * width).reshape(-1, width)
    return None


def _spelled(sent: Any) -> str:
    """As every decoder has it, so that a type that moved is known by its dead letters."""
    return f"{kind_of(sent)} ({shorten(sent)})"


def names_of(readings: Batch) -> set[str]:
    """What messages in long form are called; of those that hold several values, what each value is."""
    names: set[str] = set()
    for name, sent in zip(_joined(readings), readings.texts[:, 0].tolist(), strict=True):
        if isinstance(sent, dict | msgspec.Raw):
            keys = keys_of(sent) if isinstance(sent, msgspec.Raw) else sent
            names.update(f"{name}.{key}" if name else key for key in keys)
        elif name:
            names.add(name)
    return names


def _joined(batch: Batch) -> list[str | None]:
    """What each message is called: the parts of its name that it has."""
    if batch.categories.shape[1] == 1:
        names: list[str | None] = batch.categories[:, 0].tolist()
        return names
    said = list(zip(*batch.categories.T.tolist(), strict=True))
    known = {parts: ".".join(filter(None, parts)) or None for parts in set(said)}
    return [known[parts] for parts in said]


def _as_numbers(sent: list[Any]) -> NDArray[np.float64]:
    """[N] numbers, whether sent as such or as text; NaN where a second look is needed."""
    if set(map(type, sent)) <= _NUMBERS_OR_TEXT:
        with suppress(ValueError, OverflowError):
            return np.fromiter(map(float, sent), np.float64, count=len(sent))
    return np.fromiter(map(_as_number, sent), np.float64, count=len(sent))


def _as_number(sent: Any) -> float:
    if type(sent) in _NUMBERS_OR_TEXT:
        with suppress(ValueError, OverflowError):
            return float(sent)
    return math.nan
