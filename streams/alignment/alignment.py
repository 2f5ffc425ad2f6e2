"""Messages in long form into rows, partition by partition: between the decoder and the model.

Decoded(readings) -> Decoded(rows). What is open travels in the context's snapshot, which is written in the transaction that moves
the positions, so that a row is made once, whatever dies between its values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np

from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.record import Batch, DeadLetter, Decoded, Passed, UnreadValue
from latentwatch.domain.schema import RecordSchema
from latentwatch.domain.sources import TopicSettings
from latentwatch.streams.alignment.calm_stretches import take_all
from latentwatch.streams.alignment.made_rows import MadeRows, as_batch
from latentwatch.streams.alignment.open_rows import AlignedRow, OpenRows
from latentwatch.streams.alignment.readings import Misfit, ValueReader, are_readings
from latentwatch.streams.decoding.cells import has_decimal_commas
from latentwatch.streams.ports import Messages
from latentwatch.streams.segments import segments

_MICROSECONDS = 1_000_000


@dataclass(slots=True)
class Released:
    """What became of some messages; places are those of a decoded batch."""

    rows: list[MadeRows] = field(default_factory=list)
    """Together a row for each of `places`."""
    places: list[int] = field(default_factory=list)
    """Of the message that released each row."""
    filling: list[int] = field(default_factory=list)
    """Messages that released none."""
    misfits: list[tuple[int, Misfit]] = field(default_factory=list)
    """Messages of which nothing can be known, and those with a value that its feature cannot have."""
    letters: list[DeadLetter] = field(default_factory=list)
    """The former as dead letters."""
    unread: list[UnreadValue] = field(default_factory=list)
    """The values of the latter."""


@dataclass(slots=True)
class _Partition:
    """A partition's open rows, and what reads its values."""

    rows: OpenRows
    reader: ValueReader


class _Packed(msgspec.Struct, array_like=True):
    """A partition's open rows as bytes have them, with the fields they were made for."""

    schema: str
    rows: OpenRows


class Alignment:
    """Makes rows of a stream's values, for the fields of one model after the other. Used by one thread."""

    def __init__(self, schema: RecordSchema, decimal_commas: bool = False) -> None:
        """`schema` has `long` and `every`; of CSV, whether it writes numbers with a decimal comma."""
        self._commas = decimal_commas
        self._reader = ValueReader(schema, decimal_commas)
        self._partitions: dict[int, _Partition] = {}

    def take(self, decoded: Decoded, messages: Messages, positions: Mapping[int, int] | None = None) -> Decoded:
        """What the next messages come to: rows in the place of readings. Anything else passes as it is.

        `positions` are the first offsets of which nothing was scored. What is read again from before them is read with the fields
        of the model that scored it, so that the same messages release the same rows.
        """
        batch = decoded.batch
        if not are_readings(batch.schema):
            return decoded
        made = self.release(decoded, messages, positions)
        dead = tuple(sorted((*decoded.dead_letters, *made.letters), key=lambda letter: letter.position))
        aligned = Passed(batch.partitions[made.filling], batch.offsets[made.filling])
        rows = as_batch(self._reader.schema, made.rows, batch, made.places)
        return Decoded(rows, dead, decoded.passed, aligned, tuple(made.unread))

    def release(self, decoded: Decoded, messages: Messages, positions: Mapping[int, int] | None = None) -> "Released":
        """The same as rows and what became of each of the decoded batch's messages."""
        batch, made = decoded.batch, Released()
        for partition, first, last in segments(batch.partitions):
            found = self._partitions.get(partition) or self._begin(partition)
            if found.reader is not self._reader:
                known = first + int(np.searchsorted(batch.offsets[first:last], (positions or {}).get(partition, 0)))
                self._release(found, batch, range(first, known), made)
                first = known
                if first < last:
                    self._adopt(found)
            self._release(found, batch, range(first, last), made)
        if made.misfits:
            payloads = {(partition, offset): value for partition, offset, value, _ in messages}
            for place, misfit in made.misfits:
                at = batch.position(place)
                payload = payloads.get((at.partition, at.offset)) or b""
                if misfit.feature:
                    made.unread.append(UnreadValue(at, misfit.feature, misfit.reason, payload))
                else:
                    made.letters.append(DeadLetter(at, misfit.reason, payload))
        return made

    def _release(self, found: _Partition, batch: Batch, span: range, made: "Released") -> None:
        """Some of a partition's messages, in order."""
        part = batch.take(slice(span.start, span.stop))
        told = found.reader.read(part)
        entities, times = part.entities.tolist(), part.times
        sound = np.arange(len(part))
        if told.misfits:
            sound = np.delete(sound, list(told.misfits))
            entities, times = [entities[place] for place in sound.tolist()], times[sound]
            told = told._replace(places=np.searchsorted(sound, told.places))
        filling = np.ones(len(part), bool)
        filling[list(told.misfits)] = False
        for places, rows in take_all(found.rows, found.reader.schema, entities, times, told):
            at = sound[places]
            filling[at] = False
            made.places += (span.start + at).tolist()
            made.rows.append(rows)
        made.misfits += [(span.start + place, Misfit(reason)) for place, reason in told.misfits.items()]
        made.misfits += [(span.start + place, misfit) for place, misfit in told.unread]
        made.filling += (span.start + np.flatnonzero(filling)).tolist()

    def adopt(self, schema: RecordSchema) -> None:
        """Go on with the fields of another model."""
        self._reader = ValueReader(schema, self._commas)
        for found in self._partitions.values():
            self._adopt(found)

    def _adopt(self, found: _Partition) -> None:
        found.reader = self._reader
        fresh = _open_rows(self._reader.schema)
        kinds = {feature.name: float if feature.is_number else str for feature in self._reader.schema.features}
        found.rows.adopt(kinds, fresh.every, fresh.age)

    def _begin(self, partition: int) -> _Partition:
        found = self._partitions[partition] = _Partition(_open_rows(self._reader.schema), self._reader)
        return found

    def rest(self) -> list[AlignedRow]:
        """Every row that is open, where nothing more will come."""
        return [row for _, found in sorted(self._partitions.items()) for row in found.rows.rest()]

    def drop(self, partition: int) -> None:
        """Forget a partition that others read from now on."""
        self._partitions.pop(partition, None)

    def pack(self, partition: int) -> bytes:
        """What is open in a partition, for `unpack`."""
        found = self._partitions.get(partition) or self._begin(partition)
        packed = _Packed(found.reader.schema.model_dump_json(), found.rows)
        # The same bytes however messages were cut into batches, which is in what order values were put down.
        return msgspec.msgpack.encode(packed, order="deterministic")

    def unpack(self, partition: int, packed: bytes) -> bool | None:
        """Take up what was open; whether it was written for the fields that are read now, None where nothing was written.

        Raises InvalidInput for other bytes.
        """
        self.drop(partition)
        if not packed:  # of a time when the stream was not aligned
            return None
        try:
            found = msgspec.msgpack.decode(packed, type=_Packed)
            schema = RecordSchema.model_validate_json(found.schema)
        except ValueError as error:  # pydantic's and msgspec's are
            raise InvalidInput(f"rows in the making cannot be read ({error})") from None
        same = schema.fingerprint() == self._reader.schema.fingerprint()
        self._partitions[partition] = _Partition(
            found.rows, self._reader if same else ValueReader(schema, self._commas)
        )
        return same


def alignment_of(schema: RecordSchema, topic: TopicSettings | None) -> Alignment | None:
    """What makes rows of a topic's or of a file's messages; None where each is a record."""
    if schema.long is None:
        return None
    return Alignment(schema, topic is not None and topic.format == "csv" and has_decimal_commas(topic.delimiter))


def _open_rows(schema: RecordSchema) -> OpenRows:
    assert schema.every is not None  # the schema has looked
    every = round(schema.every.total_seconds() * _MICROSECONDS)
    age = 0 if schema.age is None else round(schema.age.total_seconds() * _MICROSECONDS)
    return OpenRows(every, age, len(schema.features))
