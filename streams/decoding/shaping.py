"""Records of which a message's fields are only the beginning: those of one kind among others, entities of several fields.

Messages -> Decoded, by any format's own decoder. What `where` does not mean is passed over, so that a message of another kind is
never a dead letter for lacking a field.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.record import Batch, DeadLetter, Decoded, Passed, UnreadValue
from latentwatch.domain.schema import Feature, FeatureType, RecordSchema
from latentwatch.domain.shape import Condition
from latentwatch.streams.decoding.columns import OWN
from latentwatch.streams.ports import Decoder, Messages

_BETWEEN = " | "
"""Parts an entity's name; a bar within a part is doubled, so that no two entities share a name."""
_PART = f"{OWN}entity:"
_MOST_NAMES = 200_000
"""Entities' names that are remembered."""


def entity_name(parts: tuple[str, ...]) -> str:
    """What an entity of several fields is called.

    >>> entity_name(("web1", "cpu0")), entity_name(("a|b", "c"))
    ('web1 | cpu0', 'a||b | c')
    """
    return _BETWEEN.join(part.replace("|", "||") for part in parts)


class ShapedDecoder:
    """Reads messages by another decoder, made by `make` for the fields it is to read."""

    def __init__(self, schema: RecordSchema, make: Callable[[RecordSchema], Decoder]) -> None:
        self._schema = schema
        self._decoder = make(_plain(schema))
        self._kinds = [_spellings(condition) for condition in schema.where]
        self._sieve = make(_of_conditions(schema)) if schema.where else None
        self._names: dict[tuple[str | None, ...], str] = {}

    def decode(self, messages: Messages) -> Decoded:
        """Every message ends as a row of the batch, in order, as a dead letter, or passed over."""
        read = self._decoder.decode(messages)
        batch, letters, passed = read.batch, read.dead_letters, Passed()
        if self._sieve is not None:
            kinds = batch.categories[:, len(self._schema.categories) : len(self._schema.categories) + len(self._kinds)]
            wanted = self._wanted(kinds)
            over = Passed(batch.partitions[~wanted], batch.offsets[~wanted])
            letters, unread = self._of_the_kind(self._sieve, letters, messages)
            if len(over) or len(unread):
                passed = _in_order(over, unread, messages)
            if not wanted.all():
                batch = batch.take(wanted)
        if isinstance(self._schema.entity, tuple):
            batch, nameless = self._named(batch, messages)
            letters = tuple(sorted((*letters, *nameless), key=lambda letter: letter.position))
        there = _still_there(read.unread, batch) if read.unread else ()
        return Decoded(batch.narrowed(self._schema), letters, passed, unread=there)

    def _wanted(self, kinds: NDArray[np.object_]) -> NDArray[np.bool_]:
        """[N] which rows say what `where` asks."""
        wanted = np.ones(len(kinds), bool)
        for column, meant in zip(kinds.T.tolist(), self._kinds, strict=True):
            wanted &= np.fromiter(map(meant.__contains__, column), bool, count=len(column))
        return wanted

    def _of_the_kind(
        self, sieve: Decoder, letters: tuple[DeadLetter, ...], messages: Messages
    ) -> tuple[tuple[DeadLetter, ...], Passed]:
        """The dead letters that `where` means, or of which nobody can say so, and the messages that it does not mean.

        A tombstone says nothing, and so not what is asked.
        """
        if not letters:
            return letters, Passed()
        dead = np.isin(messages.offsets, [letter.position.offset for letter in letters])
        dead &= np.isin(messages.partitions, [letter.position.partition for letter in letters])
        suspects = messages.take(dead)
        looked = sieve.decode(suspects)
        away = ~self._wanted(looked.batch.categories)
        over = set(zip(looked.batch.partitions[away].tolist(), looked.batch.offsets[away].tolist(), strict=True))
        over |= {(partition, offset) for partition, offset, value, _ in suspects if value is None}
        kept = tuple(each for each in letters if (each.position.partition, each.position.offset) not in over)
        gone = [each.position for each in letters if (each.position.partition, each.position.offset) in over]
        return kept, Passed(
            np.array([position.partition for position in gone], np.int32),
            np.array([position.offset for position in gone], np.int64),
        )

    def _named(self, batch: Batch, messages: Messages) -> tuple[Batch, list[DeadLetter]]:
        """The batch with its entities' names; a record that lacks a part of it is a dead letter."""
        fields = self._schema.entity_fields
        parts = list(zip(*batch.categories[:, -len(fields) :].T.tolist(), strict=True))
        known = self._names
        nameless: dict[int, str] = {}
        names = [known.get(of) or self._name(of, row, nameless) for row, of in enumerate(parts)]
        entities = np.empty(len(batch), object)
        entities[:] = names
        batch = replace(batch, entities=entities)
        if not nameless:
            return batch, []
        payloads = {(partition, offset): value for partition, offset, value, _ in messages}
        letters = [
            DeadLetter(at, f"entity field {field!r} is missing", payloads[at.partition, at.offset] or b"")
            for at, field in ((batch.position(row), field) for row, field in nameless.items())
        ]
        whole = np.ones(len(batch), bool)
        whole[list(nameless)] = False
        return batch.take(whole), letters

    def _name(self, parts: tuple[str | None, ...], row: int, nameless: dict[int, str]) -> str:
        """What an entity is called that was not seen before; of one without a part, which part its row lacks is noted."""
        whole = [part for part in parts if part]
        if len(whole) < len(parts):
            nameless[row] = next(
                field for field, part in zip(self._schema.entity_fields, parts, strict=True) if not part
            )
            return ""
        if len(self._names) >= _MOST_NAMES:
            self._names.clear()
        return self._names.setdefault(parts, entity_name(tuple(whole)))


def _still_there(unread: tuple[UnreadValue, ...], batch: Batch) -> tuple[UnreadValue, ...]:
    """Those of a batch's records."""
    there = set(zip(batch.partitions.tolist(), batch.offsets.tolist(), strict=True))
    return tuple(value for value in unread if (value.position.partition, value.position.offset) in there)


def _in_order(one: Passed, other: Passed, messages: Messages) -> Passed:
    """Both, a partition's together and rising, as the messages are."""
    both = set(zip(one.partitions.tolist(), one.offsets.tolist(), strict=True))
    if not len(other):
        return one
    both |= set(zip(other.partitions.tolist(), other.offsets.tolist(), strict=True))
    places = zip(messages.partitions.tolist(), messages.offsets.tolist(), strict=True)
    rows = np.array([place in both for place in places], bool)
    return Passed(messages.partitions[rows], messages.offsets[rows])


def _plain(schema: RecordSchema) -> RecordSchema:
    """The fields of one message's record alone. Behind the features stand what `where` looks at and the parts of an entity's
    name, words like others."""
    parts = schema.entity_fields if isinstance(schema.entity, tuple) else ()
    return RecordSchema(
        time=schema.time,
        day_first=schema.day_first,
        entity=None if parts else schema.entity,
        missing=schema.missing,
        features=(
            *schema.features,
            *_looked_at(schema),
            *(Feature(name=f"{_PART}{name}", type=FeatureType.CATEGORY, path=name) for name in parts),
        ),
    )


def _of_conditions(schema: RecordSchema) -> RecordSchema:
    """The fields that `where` looks at alone."""
    return RecordSchema(features=_looked_at(schema))


def _looked_at(schema: RecordSchema) -> tuple[Feature, ...]:
    return tuple(
        Feature(name=f"{OWN}where:{number}", type=FeatureType.CATEGORY, path=condition.field)
        for number, condition in enumerate(schema.where)
    )


def _spellings(condition: Condition) -> set[str]:
    """The values as text, truth values also as JSON and CSV spell them."""
    return {*condition.values, *(value.lower() for value in condition.values if value in ("True", "False"))}
