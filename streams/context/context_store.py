"""Per-entity context over the whole stream: state rows that outlive batches, snapshots and models.

`extend(Batch) -> Contexts`. Entities belong to partitions, so that a partition can move to another process whole.
The result depends on each partition's own records alone, however they are cut into batches: eviction too.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.corrected_readings import uncorrected
from latentwatch.detector.drift import PromiseState, recalibrated
from latentwatch.detector.interface import ContextEncoder, Contexts
from latentwatch.detector.steps.context import with_or_without_steps
from latentwatch.domain.clock import from_microseconds
from latentwatch.domain.outcome import ContextSnapshot, EntityState
from latentwatch.domain.record import Batch
from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.alignment.alignment import Alignment
from latentwatch.streams.context.context_blob import (
    CHUNK_BYTES,
    Chunks,
    ContextHead,
    EntityContexts,
    chunk_entities,
    damaged,
    pack_chunk,
    pack_head,
    unpack_chunk,
    unpack_head,
)
from latentwatch.streams.context.ledger import Ledger, grown
from latentwatch.streams.context.roster import Roster
from latentwatch.streams.context.run_gaps import RunGaps
from latentwatch.streams.segments import segments

MAX_ENTITIES = 200_000
"""Entities remembered in one partition; beyond it the longest silent eighth is forgotten and starts anew."""
_FORGOTTEN_SHARE = 8
_GROWTH = 1.5


class ContextStore:
    """The scorer's memory. Used by one thread."""

    def __init__(
        self,
        encoder: ContextEncoder,
        max_entities: int = MAX_ENTITIES,
        *,
        live: bool = False,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        """`live` keeps account of entities that speak again after they may have stopped, for `take_heard`;
        `chunk_bytes` is about how large a snapshot's chunks are."""
        self._live = live
        self._chunk_bytes = chunk_bytes
        self._encoder = encoder
        self._limit = max_entities
        self._states = np.zeros((0, encoder.state_size), np.float32)
        self.ledger = Ledger()
        self._rosters: dict[int, Roster] = {}
        self._stamps: dict[int, str] = {}
        self._reported: dict[int, int] = {}
        self._free: list[int] = []
        self.packed_bytes = 0
        """Of all chunks of snapshots so far, and of the rows in the making beside them."""
        self._heard: dict[str, int] = {}
        self._heard_partitions: dict[int, int] = {}
        self.promises: dict[int, PromiseState] = {}
        """Partition to what its scores have said of the promise, since the model that serves took over."""

        self.alignment: Alignment | None = None
        """The stream's rows in the making, where its messages hold one value each; they travel with the context."""
        self.run_gaps = RunGaps()

    def __len__(self) -> int:
        return sum(map(len, self._rosters.values()))

    @property
    def encoder(self) -> ContextEncoder:
        """The encoder that serves."""
        return self._encoder

    def extend(self, batch: Batch) -> Contexts:
        """Advance every record's entity, in row order. An encoder's error leaves the states as they were."""
        owners = self._own(batch, 0)
        if len(owners) == len(batch):
            return self._advance(owners, batch)
        before = self._memory()
        try:
            pieces = list(self._advance_in_pieces(owners, batch))
        except Exception:
            vars(self).update(before)
            raise
        return Contexts(
            np.concatenate([piece.features for piece in pieces]), np.concatenate([piece.seen for piece in pieces])
        )

    def _advance_in_pieces(self, owners: NDArray[np.intp], batch: Batch) -> Iterator[Contexts]:
        """A piece up to where entities must be forgotten, `owners` being those of the first, and on from there."""
        start = 0
        while len(owners):
            stop = start + len(owners)
            yield self._advance(owners, batch.take(slice(start, stop)))
            start, owners = stop, self._own(batch, stop)

    def _memory(self) -> dict[str, Any]:
        """A copy of all that advancing changes, by the attributes that hold it."""
        return {
            "_states": self._states.copy(),
            "ledger": self.ledger.copy(),
            "_rosters": {partition: roster.copy() for partition, roster in self._rosters.items()},
            "_free": self._free.copy(),
            "_heard": self._heard.copy(),
            "run_gaps": self.run_gaps.copy(),
            "_heard_partitions": self._heard_partitions.copy(),
        }

    def _advance(self, owners: NDArray[np.intp], piece: Batch) -> Contexts:
        touched, counts = np.unique(owners, return_counts=True)
        before = self._states[touched]
        try:
            contexts = self._encoder.extend(self._states, owners, piece)
        except Exception:
            self._states[touched] = before
            raise
        self._account(owners, touched, counts, piece)
        return contexts

    def _account(
        self, owners: NDArray[np.intp], touched: NDArray[np.intp], counts: NDArray[np.intp], piece: Batch
    ) -> None:
        """Note in the ledger that these records came; `touched` are the distinct owners, `counts` their records."""
        ledger = self.ledger
        self.run_gaps.note(ledger, owners, piece)
        ledger.records[touched] += counts
        ledger.last_time[owners] = piece.times  # a later row of the same entity overwrites an earlier one
        ledger.last_offset[owners] = piece.offsets
        ledger.fresh[touched] = ledger.changed[touched] = True
        if ledger.doubted[touched].any():
            for place in np.flatnonzero(ledger.doubted[owners]).tolist():
                self._heard.setdefault(piece.entities[place], int(piece.times[place]))
                self._heard_partitions.setdefault(int(piece.partitions[place]), int(piece.times[place]))
            ledger.doubted[touched] = False

    def _own(self, batch: Batch, start: int) -> NDArray[np.intp]:
        """State rows of the records from `start` on; fewer than all when a partition must forget entities first."""
        owners = np.empty(len(batch) - start, np.intp)
        names = batch.entities[start:].tolist()
        newcomers: list[tuple[str, int]] = []
        for partition, first, last in segments(batch.partitions[start:]):
            index = self._rosters.setdefault(partition, Roster()).rows
            try:
                owners[first:last] = [index[name] for name in names[first:last]]
            except KeyError:
                stop = self._admit(partition, names, first, last, owners, newcomers)
                if stop < last:
                    owners = owners[:stop]
                    break
        if newcomers:
            rows = [row for _, row in newcomers]
            self._states[rows] = self._encoder.fresh([name for name, _ in newcomers])
        return owners

    def _admit(
        self,
        partition: int,
        names: list[str],
        first: int,
        last: int,
        owners: NDArray[np.intp],
        newcomers: list[tuple[str, int]],
    ) -> int:
        """Fill `owners` where some entities are new; where it had to stop."""
        roster = self._rosters[partition]
        for row in range(first, last):
            known = roster.rows.get(names[row])
            if known is None:
                if len(roster) >= self._limit:
                    if row > 0:  # what came before must count before the longest silent are chosen
                        return row
                    self._forget_silent(partition)
                known = int(self._take_rows(1)[0])
                self.ledger.place[known] = roster.admit(names[row], known)
                newcomers.append((names[row], known))
            owners[row] = known
        return last

    def _take_rows(self, count: int) -> NDArray[np.intp]:
        """Rows of entities of which nothing is known yet."""
        if len(self._free) < count:
            used = len(self._states)
            capacity = max(64, int(used * _GROWTH), used + count - len(self._free))
            self._states = grown(self._states, capacity)
            self.ledger.grow(capacity)
            self._free = [*range(capacity - 1, used - 1, -1), *self._free]
        rows = np.array([self._free.pop() for _ in range(count)], np.intp)
        self.ledger.clear(rows)
        self.ledger.doubted[rows] = self._live  # they may have been here before, said to have stopped, and forgotten
        return rows

    def _forget_silent(self, partition: int) -> None:
        roster = self._rosters[partition]
        rows = np.fromiter(roster.rows.values(), np.intp, len(roster))
        silent = np.argsort(self.ledger.last_offset[rows], kind="stable")[: max(1, len(rows) // _FORGOTTEN_SHARE)]
        names = list(roster.rows)
        for place in silent.tolist():
            self._free.append(roster.forget(names[place], self.ledger))

    def take_heard(self) -> dict[str, datetime]:
        """Entities that spoke since the last call and may have been said to have stopped, with the event time."""
        heard, self._heard = self._heard, {}
        return {entity: from_microseconds(time) for entity, time in heard.items()}

    def take_heard_partitions(self) -> dict[int, datetime]:
        """Partitions of the entities of `take_heard`, since the last call of this: where a whole one stopped it sends again too."""
        heard, self._heard_partitions = self._heard_partitions, {}
        return {partition: from_microseconds(time) for partition, time in heard.items()}

    def members(self, partition: int) -> tuple[Mapping[str, int], NDArray[np.intp]]:
        """A partition's entities with their rows in the ledger, and the rows alone, in the same order."""
        index = self._rosters[partition].rows if partition in self._rosters else {}
        return index, np.fromiter(index.values(), np.intp, len(index))

    def drop(self, partition: int) -> None:
        """Forget a partition that others read from now on."""
        if partition in self._rosters:
            self._free.extend(self._rosters.pop(partition).rows.values())
        self.promises.pop(partition, None)
        self._stamps.pop(partition, None)
        self._reported.pop(partition, None)
        if self.alignment is not None:
            self.alignment.drop(partition)

    def follow(self, partition: int, stamp: str | None) -> None:
        """What the partition's next snapshot replaces: the stamp of the one that is stored, None where there is none."""
        self._stamps.pop(partition, None)
        if stamp is not None:
            self._stamps[partition] = stamp

    def snapshot(self, partition: int, offset: int, bundle: str) -> ContextSnapshot:
        """What changed since the snapshot before, or since `load`; the changes count as taken.

        Its chunks are packed when they are asked for, one at a time, so that a large context is never in memory twice:
        nothing may change until its commit has ended. Where the commit fails, the partition must be dropped.
        """
        roster, per = self._rosters.setdefault(partition, Roster()), self._chunk_entities
        count = -(-roster.places() // per)
        _, rows = roster.in_place()
        places = [*roster.take_left(), *self.ledger.place[rows[self.ledger.changed[rows]]].tolist()]
        self.ledger.changed[rows] = False
        recent = self._recent_packer(partition)

        def pack(number: int) -> bytes:
            chunk = pack_chunk(self._contexts_of(*roster.in_place(number * per, (number + 1) * per), recent))
            self.packed_bytes += len(chunk)
            return chunk

        stamp, follows = secrets.token_hex(8), self._stamps.get(partition)
        self._stamps[partition] = stamp
        chunks = Chunks(sorted({place // per for place in places} & set(range(count))), pack)
        open_rows = b"" if self.alignment is None else self.alignment.pack(partition)
        self.packed_bytes += len(open_rows)
        head = pack_head(self._head(partition, count), open_rows)
        return ContextSnapshot(partition, offset, bundle, stamp, follows, head, count, chunks)

    @property
    def _chunk_entities(self) -> int:
        return chunk_entities(self._encoder.state_size, self._chunk_bytes)

    def _head(self, partition: int, count: int) -> ContextHead:
        return ContextHead(count, self._chunk_entities, self.promises.get(partition, recalibrated()))

    def _contexts_of(
        self, names: list[str], rows: NDArray[np.intp], recent: Callable[[NDArray[np.intp]], bytes]
    ) -> EntityContexts:
        return EntityContexts(
            entities=tuple(names), states=self._states[rows], recent=recent(rows), **self.ledger.remembered(rows)
        )

    def _recent_packer(self, partition: int) -> Callable[[NDArray[np.intp]], bytes]:
        """Packs what else is kept of entities of a partition, given their rows by place."""
        return lambda rows: b""

    def load(
        self, partition: int, head: bytes, chunks: Iterable[bytes] = (), previous: ContextEncoder | None = None
    ) -> bool:
        """Take up a snapshot, head and chunks in order; `previous` is the encoder that wrote it, where another serves now.

        False, and every entity fresh, where the states do not fit. Raises InvalidInput for damaged bytes.
        """
        self.drop(partition)
        found = unpack_head(head)
        roster = self._rosters[partition] = Roster()
        as_written = previous is None and found.chunk_entities == self._chunk_entities
        parts = iter((found.entities,)) if found.entities is not None else map(unpack_chunk, chunks)
        number = -1
        for number, part in enumerate(parts):
            if self._recall(partition, roster, part, previous) is None:
                self.drop(partition)
                return False
            if as_written and (part.places // self._chunk_entities != number).any():
                raise damaged(f"chunk {number} holds the places of another")
        if found.entities is None and number + 1 != found.chunks:
            raise damaged(f"{number + 1} chunks where {found.chunks} were written")
        _, rows = self.members(partition)
        self.ledger.changed[rows] = not as_written
        self.promises[partition] = found.promise if previous is None else recalibrated()
        return True

    def _recall(
        self, partition: int, roster: Roster, part: EntityContexts, previous: ContextEncoder | None
    ) -> NDArray[np.intp] | None:
        """The rows of entities that are known again; None where their states do not fit."""
        states: NDArray[np.float32] | None = part.states
        if previous is not None:
            states = self._encoder.adopt(part.states, previous)
        elif states is not None:
            states = with_or_without_steps(states, self._encoder.state_size)
        if states is None or states.shape[1] != self._encoder.state_size:
            return None
        rows = self._take_rows(len(part.entities))
        try:
            roster.recall(part.entities, part.places, rows)
        except ValueError as error:
            raise damaged(error) from None
        self._states[rows] = states
        self.ledger.recall(rows, part.columns())
        return rows

    def swap(self, encoder: ContextEncoder, schema: RecordSchema) -> bool:
        """Go on with another model's encoder, and with records of `schema`; False where entities start anew because the
        encoder cannot continue the states.

        The other model has a promise of its own, of which nothing is known yet.
        """
        self.promises.clear()
        if self.alignment is not None:
            self.alignment.adopt(schema)
        names = [name for roster in self._rosters.values() for name in roster.rows]
        rows = self._all_rows()
        adopted = encoder.adopt(self._states[rows], uncorrected(self._encoder))
        self._encoder = encoder
        self._states = np.zeros((len(self._states), encoder.state_size), np.float32)
        self._states[rows] = encoder.fresh(names) if adopted is None else adopted
        self.ledger.changed[rows] = True
        return adopted is not None

    def reread(self, encoder: ContextEncoder, begin_anew: Callable[[str], bool]) -> None:
        """Go on with the same encoder under other exceptions; entities that were read otherwise before begin anew."""
        self._encoder = encoder
        named = [(name, row) for roster in self._rosters.values() for name, row in roster.rows.items()]
        anew = {row: name for name, row in named if begin_anew(name)}
        self._states[list(anew)] = encoder.fresh(list(anew.values()))
        self.ledger.changed[list(anew)] = True

    def _all_rows(self) -> NDArray[np.intp]:
        return np.array([row for roster in self._rosters.values() for row in roster.rows.values()], np.intp)

    def report(self, partitions: Sequence[int], limit: int | None = None) -> tuple[EntityState, ...]:
        """Entities heard of since they were last reported; with a limit about so many, those next in turn.

        Every partition has its share of the limit and goes on where it ended, so that all entities have their turn,
        however often the first of them speak.
        """
        share = 1.0 if limit is None else limit / max(1, sum(len(self._rosters.get(each, ())) for each in partitions))
        states: list[EntityState] = []
        for partition in partitions:
            if roster := self._rosters.get(partition):
                names, rows = roster.in_place()
                fresh = np.flatnonzero(self.ledger.fresh[rows])
                turn = np.searchsorted(self.ledger.place[rows[fresh]], self._reported.get(partition, 0))
                chosen = np.roll(fresh, -turn)[: int(np.ceil(share * len(roster)))]
                if len(chosen):
                    self._reported[partition] = int(self.ledger.place[rows[chosen[-1]]]) + 1
                    states += (self._state(partition, names[each], int(rows[each])) for each in chosen.tolist())
                    self.ledger.fresh[rows[chosen]] = False
        return tuple(states)

    def _state(self, partition: int, entity: str, row: int) -> EntityState:
        records = int(self.ledger.records[row])
        time = from_microseconds(int(self.ledger.last_time[row]))
        return EntityState(entity, partition, time, records, records < self._encoder.warm_after)
