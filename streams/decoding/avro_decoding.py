"""Avro messages in the schema registry's wire format into columns. Messages -> Decoded.

A message is a zero byte, the four bytes of its writer's schema id, and the record. Each schema is compiled once into a
plan that reads whole batches without an object per record (`latentwatch.streams.decoding.avro_plan`, `latentwatch.streams.decoding.avro_machine`).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.clock import from_microseconds
from latentwatch.domain.record import Decoded, Numbers, number_type
from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.decoding import avro_machine as machine
from latentwatch.streams.decoding.avro_plan import ENTITY, TIME, Plan, UnreadableSchema, compile_plan, targets_of
from latentwatch.streams.decoding.columns import Columns, Faults, TimeBound, assemble, words
from latentwatch.streams.decoding.framing import HEADER_BYTES, foreign
from latentwatch.streams.decoding.schema_registry import SchemaRegistry, UnknownSchema
from latentwatch.streams.ports import Messages

_STATES = {
    machine.SHORT: "the message ends before its record does",
    machine.NUMBER: "a length or number in it cannot be",
    machine.BRANCH: "it names a branch of a union that the schema does not have",
    machine.SYMBOL_AWAY: "it names an enum's symbol that the schema does not have",
    machine.DEEP: "nested too deeply",
    machine.LONG_MESSAGE: "bytes are left over behind its record",
}


class AvroDecoder:
    """Reads one Avro record a message. Used by one thread.

    `decode` raises Unavailable while the registry is away and a schema is not known yet: nothing is lost by trying
    again. A schema id that the registry does not know makes dead letters.
    """

    def __init__(self, schema: RecordSchema, registry: SchemaRegistry, bound: TimeBound | None = None) -> None:
        self._schema = schema
        self._registry = registry
        self._bound = bound
        self._tree, self._slots = targets_of(schema)
        self._symbols: list[str] = []
        self._plans: dict[int, Plan | str] = {}

    def decode(self, messages: Messages) -> Decoded:
        """Every message ends either as a row of the batch, in order, or as a dead letter. Raises Unavailable."""
        faults = Faults()
        values = messages.values
        if None in values:
            values = [value or b"" for value in values]
        joined = b"".join(values)  # type: ignore[arg-type]
        ends = np.cumsum(np.fromiter(map(len, values), np.int64, count=len(values)))  # type: ignore[arg-type]
        starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)[: len(ends)]
        data = np.frombuffer(joined, np.uint8)
        rows = _Rows(
            data,
            joined,
            starts,
            ends,
            len(self._schema.numbers),
            number_type(self._schema),
            len(self._slots),
            self._symbols,
        )
        framed = self._framed(messages, rows, faults)
        # Schemas first, so that a registry that is away costs no work twice.
        ids = rows.ids(framed)
        for number in np.unique(ids).tolist():
            self._plan(number)
        for number in np.unique(ids).tolist():
            chosen, plan = framed[ids == number], self._plan(number)
            if isinstance(plan, str):
                faults.refused |= dict.fromkeys(chosen.tolist(), plan)
            else:
                rows.read(plan, chosen, number, faults)
        return assemble(self._schema, messages, self._columns(rows, faults), self._bound)

    def _framed(self, messages: Messages, rows: "_Rows", faults: Faults) -> NDArray[np.int64]:
        """The rows that begin as the wire format has it."""
        sound = rows.ends - rows.starts >= HEADER_BYTES
        sound[sound] = rows.data[rows.starts[sound]] == 0
        for row in np.flatnonzero(~sound).tolist():
            value = messages.values[row]
            if value is None:
                faults.refused[row] = "a tombstone: the message has no value"
            elif not value:
                faults.refused[row] = "an empty message"
            else:
                faults.refused[row] = f"not Avro as a schema registry frames it: {_instead(value)}"
        return np.flatnonzero(sound)

    def _plan(self, number: int) -> Plan | str:
        """The plan of a schema id, or why its messages cannot be read. Raises Unavailable."""
        known = self._plans.get(number)
        if known is not None:
            return known
        try:
            found = self._registry.schema(number)
            plan: Plan | str = compile_plan(found.schema, found.references, self._tree, self._symbols)
        except UnknownSchema as error:
            return str(error)  # the registry is asked again: it may learn of the schema yet
        except UnreadableSchema as error:
            plan = f"Avro schema {number} {error}"
        self._plans[number] = plan
        return plan

    def _columns(self, rows: "_Rows", faults: Faults) -> Columns:
        schema, slots = self._schema, self._slots
        categories = np.empty((len(rows), len(schema.categories)), object)
        for column, name in enumerate(schema.categories):
            categories[:, column] = words(rows.values(slots[name], f"field {name!r}", faults))
        texts = np.empty((len(rows), len(schema.texts)), object)
        for column, name in enumerate(schema.texts):
            texts[:, column] = words(rows.values(slots[name], f"field {name!r}", faults))
        return Columns(
            numbers=rows.numbers,
            categories=categories,
            texts=texts,
            times=rows.times(slots[TIME], f"time field {schema.time!r}", faults) if schema.time else None,
            entities=rows.values(slots[ENTITY], f"entity field {schema.entity!r}", faults)
            if schema.entity_fields
            else None,
            faults=faults,
        )


class _Rows:
    """N messages and what was read from them."""

    def __init__(
        self,
        data: NDArray[np.uint8],
        joined: bytes,
        starts: NDArray[np.int64],
        ends: NDArray[np.int64],
        width: int,
        kind: type[np.floating[Any]],
        slots: int,
        symbols: list[str],
    ) -> None:
        count = len(starts)
        self.data, self.starts, self.ends = data, starts, ends
        self._joined = joined
        self._symbols = symbols
        self.numbers: Numbers = np.full((count, width), np.nan, kind)
        self._kinds = np.zeros((count, slots), np.int8)
        self._firsts = np.zeros((count, slots), np.int64)
        self._lasts = np.zeros((count, slots), np.int64)
        self._reals = np.zeros((count, slots), np.float64)
        self._states = np.zeros(count, np.int64)

    def __len__(self) -> int:
        return len(self.starts)

    def ids(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The schema id of each of these rows."""
        begins = self.starts[rows]
        return sum((self.data[begins + 4 - place].astype(np.int64) << (8 * place) for place in range(4)), begins * 0)

    def read(self, plan: Plan, rows: NDArray[np.int64], number: int, faults: Faults) -> None:
        """Read rows of one schema; what cannot be read is refused, and holds nothing."""
        notes = np.zeros((len(self), len(plan.reasons)), bool)
        machine.read_rows(
            plan.code, self.data, self.starts + HEADER_BYTES, self.ends, rows,
            self.numbers, self._kinds, self._firsts, self._lasts, self._reals, self._states, notes,
        )  # fmt: skip
        for row, place in np.argwhere(notes).tolist():
            faults.leave_out(row, plan.unread[place], plan.reasons[place])
        states = self._states[rows]
        if not states.any():
            return
        for row, state in zip(rows[states != 0].tolist(), states[states != 0].tolist(), strict=True):
            if state >= machine.REFUSED:
                faults.refused[row] = plan.reasons[state - machine.REFUSED]
            else:
                faults.refused[row] = f"not a record of Avro schema {number}: {_STATES[state]}"
            self.numbers[row] = np.nan
            self._kinds[row] = machine.MISSING

    def values(self, slot: int, label: str, faults: Faults) -> list[Any]:
        """[N] what a slot holds, as JSON would have given it."""
        kinds = self._kinds[:, slot]
        firsts, lasts = self._firsts[:, slot].tolist(), self._lasts[:, slot].tolist()
        if (kinds == machine.WORD).all():
            joined, known = self._joined, dict[bytes, str]()
            found = []
            try:
                for first, last in zip(firsts, lasts, strict=True):
                    word = joined[first:last]
                    text = known.get(word)
                    if text is None:
                        text = known[word] = word.decode()
                    found.append(text)
            except UnicodeDecodeError:
                pass
            else:
                return found
        read = self._readers(slot)
        out: list[Any] = []
        for row, kind in enumerate(kinds.tolist()):
            try:
                out.append(read[kind](row))
            except UnicodeDecodeError as error:
                faults.refuse(row, f"{label} is not UTF-8 text: {error.reason} at byte {error.start}")
                out.append("?")
        return out

    def times(self, slot: int, label: str, faults: Faults) -> Any:
        """[N] times as `Columns` takes them; microseconds where the schema says what unit its numbers have."""
        kinds = self._kinds[:, slot]
        if (kinds == machine.MOMENT).all():
            return self._firsts[:, slot].copy()
        if (kinds == machine.INTEGER).all():
            return self._firsts[:, slot].tolist()
        return self.values(slot, label, faults)

    def _readers(self, slot: int) -> dict[int, Callable[[int], Any]]:
        firsts, lasts, reals = self._firsts[:, slot], self._lasts[:, slot], self._reals[:, slot]
        return {
            machine.MISSING: lambda row: None,
            machine.WORD: lambda row: self._joined[firsts[row] : lasts[row]].decode(),
            machine.INTEGER: lambda row: int(firsts[row]),
            machine.REAL: lambda row: float(reals[row]),
            machine.TRUTH: lambda row: bool(firsts[row]),
            machine.SYMBOL: lambda row: self._symbols[firsts[row]],
            machine.MOMENT: lambda row: _in_words(int(firsts[row])),
        }


def _instead(value: bytes) -> str:
    """What stands in the place of an Avro message."""
    if strange := foreign(value):
        return strange
    if value.lstrip()[:1] in (b"{", b"["):
        return "it looks like JSON; if the messages are, say format: json in the monitor's source"
    return f"it begins with {value[:HEADER_BYTES].hex(' ')} instead of a zero byte and four bytes of schema id"


def _in_words(microseconds: int) -> str:
    """A time that stands among values without a unit, so that its own is not guessed."""
    try:
        return from_microseconds(microseconds).isoformat()
    except OverflowError:
        return str(microseconds)
