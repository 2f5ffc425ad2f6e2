"""Per-entity context over the whole stream: state rows that outlive batches, snapshots and models.

`extend(Batch) -> Contexts`. Entities belong to partitions, so that a partition can move to another process whole.
The result depends on each partition's own records alone, however they are cut into batches: eviction too.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.drift import PromiseState, recalibrated
from latentwatch.detector.interface import ContextEncoder, Contexts
from latentwatch.domain.clock import from_microseconds
from latentwatch.domain.outcome import EntityState
from latentwatch.domain.record import Batch
from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.context.context_blob import PartitionContext, pack, unpack
from latentwatch.streams.context.ledger import Ledger, grown

MAX_ENTITIES = 200_000
"""Entities remembered in one partition; beyond it the longest silent eighth is forgotten and starts anew."""
_FORGOTTEN_SHARE = 8
_GROWTH = 1.5


class ContextStore:
    """The scorer's memory. Used by one thread."""

    def __init__(self, encoder: ContextEncoder, max_entities: int = MAX_ENTITIES, *, live: bool = False) -> None:
        """`live` keeps account of entities that speak again after what may have been a silence, for `take_heard`."""
        self._live = live
        self._encoder = encoder
        self._limit = max_entities
        self._states = np.zeros((0, encoder.state_size), np.float32)
        self.ledger = Ledger()
        self._index: dict[int, dict[str, int]] = {}
        self._free: list[int] = []
        self._heard: dict[str, int] = {}
        self.promises: dict[int, PromiseState] = {}
        """Partition to what its scores have said of the promise, since the model that serves took over."""

    def __len__(self) -> int:
        return sum(map(len, self._index.values()))

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
            "_index": {partition: index.copy() for partition, index in self._index.items()},
            "_free": self._free.copy(),
            "_heard": self._heard.copy(),
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
        ledger.records[touched] += counts
        ledger.last_time[owners] = piece.times  # a later row of the same entity overwrites an earlier one
        ledger.last_offset[owners] = piece.offsets
        ledger.fresh[touched] = True
        if ledger.doubted[touched].any():
            for place in np.flatnonzero(ledger.doubted[owners]).tolist():
                self._heard.setdefault(piece.entities[place], int(piece.times[place]))
            ledger.doubted[touched] = False

    def _own(self, batch: Batch, start: int) -> NDArray[np.intp]:
        """State rows of the records from `start` on; fewer than all when a partition must forget entities first."""
        owners = np.empty(len(batch) - start, np.intp)
        names = batch.entities[start:].tolist()
        newcomers: list[tuple[str, int]] = []
        for partition, first, last in segments(batch.partitions[start:]):
            index = self._index.setdefault(partition, {})
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
        index = self._index[partition]
        for row in range(first, last):
            known = index.get(names[row])
            if known is None:
                if len(index) >= self._limit:
                    if row > 0:  # what came before must count before the longest silent are chosen
                        return row
                    self._forget_silent(partition)
                known = self._take_row()
                index[names[row]] = known
                newcomers.append((names[row], known))
            owners[row] = known
        return last

    def _take_row(self) -> int:
        if not self._free:
            used = len(self._states)
            capacity = max(64, int(used * _GROWTH))
            self._states = grown(self._states, capacity)
            self.ledger.grow(capacity)
            self._free = list(range(capacity - 1, used - 1, -1))
        row = self._free.pop()
        self.ledger.clear(row)
        self.ledger.doubted[row] = self._live  # it may have been here before, called silent and forgotten
        return row

    def _forget_silent(self, partition: int) -> None:
        index = self._index[partition]
        rows = np.fromiter(index.values(), np.intp, len(index))
        silent = np.argsort(self.ledger.last_offset[rows], kind="stable")[: max(1, len(rows) // _FORGOTTEN_SHARE)]
        names = list(index)
        for place in silent.tolist():
            self._free.append(index.pop(names[place]))

    def take_heard(self) -> dict[str, datetime]:
        """Entities that spoke since the last call and may have been called silent before, with the event time."""
        heard, self._heard = self._heard, {}
        return {entity: from_microseconds(time) for entity, time in heard.items()}

    def members(self, partition: int) -> tuple[Mapping[str, int], NDArray[np.intp]]:
        """A partition's entities with their rows in the ledger, and the rows alone, in the same order."""
        index = self._index.get(partition, {})
        return index, np.fromiter(index.values(), np.intp, len(index))

    def drop(self, partition: int) -> None:
        """Forget a partition that others read from now on."""
        self._free.extend(self._index.pop(partition, {}).values())
        self.promises.pop(partition, None)

    def snapshot(self, partition: int) -> bytes:
        """A partition's states as bytes that `load` reads back to the bit."""
        return pack(self._packed(partition))

    def _packed(self, partition: int) -> PartitionContext:
        index = self._index.get(partition, {})
        rows = np.fromiter(index.values(), np.intp, len(index))
        ledger = self.ledger
        return PartitionContext(
            entities=tuple(index),
            states=self._states[rows],
            records=ledger.records[rows],
            last_time=ledger.last_time[rows],
            last_offset=ledger.last_offset[rows],
            usual_gap_ms=ledger.learned_gaps_ms(rows),
            promise=self.promises.get(partition, recalibrated()),
        )

    def load(self, partition: int, blob: bytes, previous: ContextEncoder | None = None) -> bool:
        """Take up a snapshot; `previous` is the encoder that wrote it, where another one serves now.

        False, and every entity fresh, where the states do not fit. Raises InvalidInput for a damaged blob.
        """
        self.drop(partition)
        stored = unpack(blob)
        states: NDArray[np.float32] | None = stored.states
        if previous is not None:
            states = self._encoder.adopt(stored.states, previous)
        if states is None or states.shape[1] != self._encoder.state_size:
            return False
        index = self._index[partition] = {}
        for name in stored.entities:
            index[name] = self._take_row()
        rows = np.fromiter(index.values(), np.intp, len(index))
        self._states[rows] = states
        self.ledger.records[rows] = stored.records
        self.ledger.last_time[rows] = stored.last_time
        self.ledger.last_offset[rows] = stored.last_offset
        self.ledger.recall_gaps(rows, stored.usual_gap_ms)
        self.promises[partition] = stored.promise if previous is None else recalibrated()
        return True

    def swap(self, encoder: ContextEncoder, schema: RecordSchema) -> bool:
        """Go on with another model's encoder, and with records of `schema`; False where entities start anew because the
        encoder cannot continue the states.

        The other model has a promise of its own, of which nothing is known yet.
        """
        self.promises.clear()
        names = [name for index in self._index.values() for name in index]
        rows = np.array([row for index in self._index.values() for row in index.values()], np.intp)
        adopted = encoder.adopt(self._states[rows], self._encoder)
        self._encoder = encoder
        self._states = np.zeros((len(self._states), encoder.state_size), np.float32)
        self._states[rows] = encoder.fresh(names) if adopted is None else adopted
        return adopted is not None

    def report(self, partitions: Sequence[int], limit: int = 1_000) -> tuple[EntityState, ...]:
        """Entities heard of since they were last reported, at most `limit`; the rest waits for the next call."""
        ledger = self.ledger
        states: list[EntityState] = []
        for partition in partitions:
            index = self._index.get(partition, {})
            rows = np.fromiter(index.values(), np.intp, len(index))
            places = np.flatnonzero(ledger.fresh[rows])[: limit - len(states)]
            names = list(index) if len(places) else []
            for place in places.tolist():
                row = rows[place]
                states.append(
                    EntityState(
                        entity=names[place],
                        partition=partition,
                        last_time=from_microseconds(int(ledger.last_time[row])),
                        records=int(ledger.records[row]),
                        warming=bool(ledger.records[row] < self._encoder.warm_after),
                    )
                )
            ledger.fresh[rows[places]] = False
        return tuple(states)


def segments(partitions: NDArray[np.int32]) -> list[tuple[int, int, int]]:
    """Runs of equal partitions: (partition, first row, row after the last).

    >>> segments(np.array([3, 3, 1], np.int32))
    [(3, 0, 2), (1, 2, 3)]
    """
    if not len(partitions):
        return []
    bounds = [0, *(np.flatnonzero(np.diff(partitions)) + 1).tolist(), len(partitions)]
    return [(int(partitions[first]), first, last) for first, last in pairwise(bounds)]
