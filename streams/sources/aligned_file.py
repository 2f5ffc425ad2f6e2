"""A file in long form as a file of rows: lines, one value each -> rows as JSON objects, one for each entity and tick of time.

Rows come in the same order however many lines are read at a time; at the file's end those that are open come as they are.
"""

from collections import deque
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np

from latentwatch.domain.record import DeadLetter, Decoded, Position, UnreadValue
from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.alignment.alignment import Alignment
from latentwatch.streams.alignment.open_rows import AlignedRow
from latentwatch.streams.decoding.json_decoding import JsonDecoder
from latentwatch.streams.decoding.sound_decoding import decode_sound
from latentwatch.streams.ports import Decoder, Messages
from latentwatch.streams.sources.file_records import Records

_TIME, _ENTITY = "@time", "@entity"
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Unsound:
    """What could not be read of a file in long form, by the places of what is given."""

    refused: dict[int, str] = field(default_factory=dict)
    """Why a line that is given as it is was not read."""
    unread: dict[int, list[UnreadValue]] = field(default_factory=dict)
    """With each row the values that their features cannot have, of its lines and those since the row before."""


class Aligned:
    """A file's values as rows. What cannot be read is a record of its own, and `unsound` says why, by its place."""

    filling: int = 0
    """Lines that released no row."""

    def __init__(
        self, records: Records, decoder: Decoder, alignment: Alignment, unsound: Unsound, more: bool = False
    ) -> None:
        """With `more`, the rows that are open at the end are left to the file that follows."""
        self._records = records
        self._decoder = decoder
        self._alignment = alignment
        self._unsound = unsound
        self._left_out: list[UnreadValue] = []
        """Values that their features cannot have, until a row is given that may lack them."""
        self._more = more
        self._ready: deque[bytes] = deque()
        self._read = self._made = 0
        self._ended = False

    def read(self, count: int, timeout_seconds: float) -> list[bytes] | None:
        """The next rows."""
        while len(self._ready) < count and not self._ended:
            found = self._records.read(count, timeout_seconds)
            if found is None:
                self._ended = True
                for row in [] if self._more else self._alignment.rest():
                    self._give_row(row)
                    self.filling -= 1  # a line that has filled it stands for it
                for value in self._left_out:  # no row came after it
                    self._unsound.refused[self._made] = value.reason
                    self._give(value.payload)
                    self.filling -= 1
            elif not found:
                break
            else:
                messages = _messages(self._read, found)
                self._read += len(found)
                self._take(decode_sound(self._decoder, messages), messages)
        taken = [self._ready.popleft() for _ in range(min(count, len(self._ready)))]
        return None if not taken and self._ended else taken

    def _take(self, decoded: Decoded, messages: Messages) -> None:
        """Rows and refusals, each at its line's place."""
        made = self._alignment.release(decoded, messages)
        self.filling += len(made.filling)
        left_out = deque(sorted(made.unread, key=lambda value: value.position.offset))
        offsets, listed = decoded.batch.offsets, [row for part in made.rows for row in part.listed()]
        rows = {int(offsets[place]): row for place, row in zip(made.places, listed, strict=True)}
        letters = {letter.position.offset: letter for letter in (*decoded.dead_letters, *made.letters)}
        for place in sorted(rows.keys() | letters.keys()):
            if place in letters:
                self._unsound.refused[self._made] = letters[place].reason
                self._give(letters[place].payload)
                continue
            while left_out and left_out[0].position.offset <= place:
                self._left_out.append(left_out.popleft())
            self._give_row(rows[place])
        self._left_out += left_out

    def _give_row(self, row: AlignedRow) -> None:
        """A row, and with it the values that were left out since the one before."""
        if self._left_out:
            self._unsound.unread[self._made], self._left_out = self._left_out, []
        self._give(_as_json(row))

    def _give(self, record: bytes) -> None:
        self._ready.append(record)
        self._made += 1

    def close(self) -> None:
        """Close the file."""
        self._records.close()


class RowDecoder:
    """Reads aligned rows as a model's schema has them."""

    def __init__(self, schema: RecordSchema, unsound: Unsound) -> None:
        self._schema = schema
        self._unsound = unsound
        plain = RecordSchema(
            time=_TIME,
            entity=_ENTITY if schema.entity_fields else schema.entity,
            features=tuple(feature.model_copy(update={"path": "", "missing": ()}) for feature in schema.features),
        )
        self._decoder = JsonDecoder(plain)

    def decode(self, messages: Messages) -> Decoded:
        """Every message ends either as a row of the batch, in order, or as a dead letter."""
        unsound = self._unsound
        refused = np.array([offset in unsound.refused for offset in messages.offsets.tolist()], bool)
        read = self._decoder.decode(messages.take(~refused) if refused.any() else messages)
        letters = list(read.dead_letters)
        for partition, offset, value, _ in messages.take(refused):
            position = Position(messages.source, partition, offset)
            letters.append(DeadLetter(position, unsound.refused[offset], value or b""))
        letters.sort(key=lambda letter: letter.position)
        left_out = tuple(
            replace(value, position=Position(messages.source, partition, offset))
            for partition, offset in zip(messages.partitions.tolist(), messages.offsets.tolist(), strict=True)
            for value in unsound.unread.get(offset, ())
        )
        return Decoded(replace(read.batch, schema=self._schema), tuple(letters), unread=(*left_out, *read.unread))


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


def _as_json(row: AlignedRow) -> bytes:
    time = np.datetime_as_string(np.datetime64(row.time, "us"))
    return _encode({_TIME: f"{time}Z", _ENTITY: row.entity, **row.values})
