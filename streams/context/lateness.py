"""A context store in which event time orders an entity's records: one that comes late is put at its place.

`extend(Batch) -> Contexts`, as for any context store; what a late record changes in the contexts of those after it is
told by `take_moved`. Kept for it: each entity's records within the allowed lateness, and its context before the oldest
of them. Whether a record is late, or too late, depends on what its entity had sent before it, not on how batches are
cut. docs/decisions/late-records.md says why it is done so.
"""

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.corrected_readings import uncorrected
from latentwatch.detector.interface import ContextEncoder, Contexts
from latentwatch.domain.alert import Arrival
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.context.context_blob import CHUNK_BYTES, ContextHead, EntityContexts, unpack_head
from latentwatch.streams.context.context_store import MAX_ENTITIES, ContextStore
from latentwatch.streams.context.ledger import grown
from latentwatch.streams.context.placing import Placing, straying
from latentwatch.streams.context.recent import Recent, Shelved, join, matching, pack_recent, unjudged, unpack_recent
from latentwatch.streams.context.roster import Roster

MOST_AFTER = 4_096
"""Records of an entity that one late record may have scored again; where more came after it, it is too late."""
_PENDING = 4_096
"""Records that may wait, at least, before they are sorted in among the recent ones."""
_NEVER = np.iinfo(np.int64).min

Key = tuple[int, int]
"""Partition and offset."""


@dataclass(frozen=True, slots=True)
class Moved:
    """The context of a record that came before some late record and stands after it in event time."""

    features: NDArray[np.float32]
    """[D]"""
    seen: int
    cause: Key
    """The earliest of those late records, in event time."""


class LateContexts(ContextStore):
    """The scorer's memory where late records are allowed. Used by one thread."""

    def __init__(
        self,
        encoder: ContextEncoder,
        allowed: timedelta,
        schema: RecordSchema,
        source: str,
        max_entities: int = MAX_ENTITIES,
        *,
        live: bool = False,
        most_after: int = MOST_AFTER,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        """`schema` and `source` are those of the records, which snapshots do not repeat."""
        super().__init__(encoder, max_entities, live=live, chunk_bytes=chunk_bytes)
        self._allowed = allowed // timedelta(microseconds=1)
        self._schema = schema
        self._source = source
        self._most_after = most_after
        self._bases = np.zeros((0, encoder.state_size), np.float32)
        self._recent: Recent | None = None
        self._pending: list[Recent] = []
        self._judged = 0
        """How many of the pending ones have their decisions."""
        self._stirred = False
        """Whether records without a decision were sorted in among the recent ones."""
        self._gone: set[int] = set()
        self._moved: dict[Key, Moved] = {}
        self._arrivals: dict[Key, Arrival] = {}
        self.foreign: set[int] = set()
        """Partitions whose decisions up to where the database stands may be those of a model that no longer serves."""

    def take_moved(self) -> dict[Key, Moved]:
        """The records whose context a late record has changed since the last call, whether their decision is known yet
        or not, with the context they have now."""
        moved, self._moved = self._moved, {}
        return moved

    def take_arrivals(self) -> dict[Key, Arrival]:
        """The records since the last call that did not come in order."""
        arrivals, self._arrivals = self._arrivals, {}
        return arrivals

    def kept(self, keys: Sequence[Key]) -> tuple[Recent, NDArray[np.intp]]:
        """Those of these records that are recent still, with the place of each, by which `judge` knows it."""
        recent = self._settled()
        places = np.flatnonzero(np.isin(recent.batch.offsets, [offset for _, offset in keys]))
        wanted, batch = set(keys), recent.batch
        positions = zip(batch.partitions[places].tolist(), batch.offsets[places].tolist(), strict=True)
        places = places[[position in wanted for position in positions]]
        return recent.take(places), places

    def judge(
        self,
        places: NDArray[np.intp],
        surprise: NDArray[np.float32],
        flagged: NDArray[np.bool_],
        version: NDArray[np.int32],
    ) -> None:
        """Other decisions on recent records, by the places that `kept` gave."""
        recent = self._settled()
        recent.surprise[places], recent.flagged[places], recent.version[places] = surprise, flagged, version
        self.ledger.changed[recent.owners[places]] = True

    def judge_new(
        self, batch: Batch, surprise: NDArray[np.float32], flagged: NDArray[np.bool_], version: NDArray[np.int32]
    ) -> None:
        """The first decisions on the records that came since this was called last."""
        parts = self._pending[self._judged :]
        if self._stirred and self._recent is not None:
            parts.append(self._recent)
        for part in parts:
            if part.batch is batch:
                part.surprise[:], part.flagged[:], part.version[:] = surprise, flagged, version
            else:
                rows, places = matching(part.batch, batch)
                part.surprise[rows], part.flagged[rows] = surprise[places], flagged[places]
                part.version[rows] = version[places]
        stirred, self._judged, self._stirred = self._stirred, len(self._pending), False
        # Not sooner: a record that this batch has moved may be too old for the next, but is still to be judged anew.
        if stirred or sum(map(len, self._pending)) > max(_PENDING, 0 if self._recent is None else len(self._recent)):
            self._forget_old()

    def _advance(self, owners: NDArray[np.intp], piece: Batch) -> Contexts:
        if not self._encoder.state_size or not len(piece):
            return super()._advance(owners, piece)
        self._let_go()
        self._grow_bases()
        before = self._newest(owners)
        strays = straying(owners, piece.times, before)
        if not len(strays):
            self._begin(owners)
            contexts = super()._advance(owners, piece)
            self._pending.append(unjudged(piece, owners))
            return contexts
        return self._place(owners, piece, np.isin(owners, strays))

    def _memory(self) -> dict[str, Any]:
        return {
            **super()._memory(),
            "_bases": self._bases.copy(),
            "_recent": self._recent,
            "_pending": self._pending.copy(),
            "_judged": self._judged,
            "_stirred": self._stirred,
            "_gone": self._gone.copy(),
            "_moved": self._moved.copy(),
            "_arrivals": self._arrivals.copy(),
        }

    def _newest(self, owners: NDArray[np.intp]) -> NDArray[np.int64]:
        """[N] the newest event time of each owner; _NEVER where it has sent nothing yet."""
        ledger = self.ledger
        return np.where(ledger.records[owners] > 0, ledger.last_time[owners], _NEVER)

    def _begin(self, owners: NDArray[np.intp]) -> None:
        """Entities that have sent nothing yet: their past begins here."""
        new = owners[self.ledger.records[owners] == 0]
        self._bases[new] = self._states[new]

    def _place(self, owners: NDArray[np.intp], piece: Batch, straying: NDArray[np.bool_]) -> Contexts:
        """Advance the entities of which every record came in order as ever, and work out the others' past anew."""
        recent = self._settled()
        self._begin(owners)
        theirs = np.isin(recent.owners, owners[straying])
        placing = self._sort_out(owners, piece, straying, recent.take(theirs))
        accepted = np.array(placing.accepted, np.intp)
        joined = join([recent.take(theirs), unjudged(piece.take(accepted), owners[accepted], placing.is_late)])
        origin = np.concatenate([np.full(int(theirs.sum()), -1, np.intp), accepted])
        order = np.lexsort((joined.batch.offsets, joined.batch.times, joined.owners))
        joined, origin = joined.take(order), origin[order]

        distinct, local = np.unique(joined.owners, return_inverse=True)
        states = self._bases[distinct]
        contexts = self._encoder.extend(states, local.astype(np.intp), joined.batch)
        alone = np.array(placing.too_late, np.intp)
        apart = self._apart(piece.take(alone))
        rest = np.flatnonzero(~straying)
        orderly = super()._advance(owners[rest], piece.take(rest))  # restores what it changed where it fails

        self._states[distinct] = states
        self._account(owners[straying], *np.unique(owners[straying], return_counts=True), piece.take(straying))
        for owner, time in placing.newest.items():
            self.ledger.last_time[owner] = time
        features = np.empty((len(piece), self._encoder.width), np.float32)
        seen = np.empty(len(piece), np.int64)
        new = origin >= 0
        for rows, found in (
            (rest, orderly), (alone, apart), (origin[new], contexts.take(new))
        ):  # fmt: skip
            features[rows], seen[rows] = found.features, found.seen
        self._note_moved(joined, origin, contexts, placing.late, piece)
        self._recent = join([recent.take(~theirs), joined, unjudged(piece.take(rest), owners[rest])])
        self._stirred = True
        return Contexts(features, seen)

    def _sort_out(self, owners: NDArray[np.intp], piece: Batch, straying: NDArray[np.bool_], recent: Recent) -> Placing:
        """Which of these records are late and which too late, each judged by what its entity had sent before it."""
        placing = Placing()
        times: dict[int, list[int]] = {}
        recent = recent.in_order()
        for owner, time in zip(recent.owners.tolist(), recent.batch.times.tolist(), strict=True):
            times.setdefault(owner, []).append(time)
        rows = np.flatnonzero(straying)
        for row, owner, time, before in zip(
            rows.tolist(),
            owners[rows].tolist(),
            piece.times[rows].tolist(),
            self._newest(owners[rows]).tolist(),
            strict=True,
        ):
            known, newest = times.setdefault(owner, []), placing.newest.get(owner, before)
            if time < newest:
                key = int(piece.partitions[row]), int(piece.offsets[row])
                after = len(known) - bisect_right(known, time)
                if time < newest - self._allowed or after >= self._most_after:
                    placing.too_late.append(row)
                    self._arrivals[key] = Arrival.TOO_LATE
                    placing.newest[owner] = newest
                    continue
                self._arrivals[key] = Arrival.LATE
                placing.late_rows.add(row)
                earliest = placing.late.get(owner)
                if earliest is None or time < piece.times[earliest]:
                    placing.late[owner] = row
            placing.accepted.append(row)
            placing.newest[owner] = max(newest, time)
            insort(known, time)
        return placing

    def _apart(self, batch: Batch) -> Contexts:
        """Contexts of records that came too late: those of entities never heard of."""
        scratch = self._encoder.fresh(batch.entities.tolist())
        return self._encoder.extend(scratch, np.arange(len(batch)), batch)

    def _note_moved(
        self, joined: Recent, origin: NDArray[np.intp], contexts: Contexts, late: dict[int, int], piece: Batch
    ) -> None:
        """Remember the contexts of records that came before a late one and stand after it now."""
        batch = joined.batch
        for place in np.flatnonzero((origin < 0) & np.isin(joined.owners, list(late))).tolist():
            row = late[int(joined.owners[place])]
            if batch.times[place] > piece.times[row]:
                cause = int(piece.partitions[row]), int(piece.offsets[row])
                key = int(batch.partitions[place]), int(batch.offsets[place])
                self._moved[key] = Moved(contexts.features[place], int(contexts.seen[place]), cause)

    def _settled(self) -> Recent:
        """The recent records, those that were pending among them."""
        if self._recent is None or self._pending:
            parts = ([] if self._recent is None else [self._recent]) + self._pending
            self._stirred |= self._judged < len(self._pending)
            self._pending, self._judged = [], 0
            self._recent = (
                join(parts) if parts else unjudged(_nothing(self._schema, self._source), np.zeros(0, np.intp))
            )
        return self._recent

    def _forget_old(self) -> Recent:
        """The recent records, sorted, after the bases have advanced over what no late record can stand before."""
        recent = self._settled().in_order()
        ends = np.flatnonzero(np.diff(recent.owners, append=-1))
        after = np.repeat(ends, np.diff(ends, prepend=-1)) - np.arange(len(recent))
        old = (recent.batch.times < self._newest(recent.owners) - self._allowed) | (after >= self._most_after)
        if old.any():
            self._encoder.extend(self._bases, recent.owners[old], recent.batch.take(old))
            recent = recent.take(~old)
        self._recent = recent
        return recent

    def _grow_bases(self) -> None:
        if len(self._bases) < len(self._states):
            self._bases = grown(self._bases, len(self._states))

    def _forget_silent(self, partition: int) -> None:
        free = len(self._free)
        super()._forget_silent(partition)
        self._gone.update(self._free[free:])

    def drop(self, partition: int) -> None:
        """Forget a partition that others read from now on."""
        free = len(self._free)
        super().drop(partition)
        self._gone.update(self._free[free:])
        self.foreign.discard(partition)
        self._let_go()

    def _let_go(self) -> None:
        """Forget the records of entities that were forgotten, before their rows serve others."""
        if self._gone:
            gone, self._gone = list(self._gone), set()
            kept = [part.take(~np.isin(part.owners, gone)) for part in self._pending]
            self._pending = kept
            if self._recent is not None:
                self._recent = self._recent.take(~np.isin(self._recent.owners, gone))

    def _head(self, partition: int, count: int) -> ContextHead:
        return replace(super()._head(partition, count), foreign=partition in self.foreign)

    def _recent_packer(self, partition: int) -> Callable[[NDArray[np.intp]], bytes]:
        self._let_go()
        self._grow_bases()
        recent, (_, rows) = self._forget_old(), self.members(partition)
        mine = np.flatnonzero(np.isin(recent.owners, rows))
        mine = mine[np.argsort(self.ledger.place[recent.owners[mine]], kind="stable")]
        places = self.ledger.place[recent.owners[mine]]

        def pack(rows: NDArray[np.intp]) -> bytes:
            theirs = self.ledger.place[rows]
            first, last = np.searchsorted(places, theirs[[0, -1]] + [0, 1]) if len(rows) else (0, 0)
            owners = np.searchsorted(theirs, places[first:last])
            return pack_recent(
                Shelved(self._bases[rows], replace(recent.take(mine[first:last]), owners=owners.astype(np.intp)))
            )

        return pack

    def load(
        self, partition: int, head: bytes, chunks: Iterable[bytes] = (), previous: ContextEncoder | None = None
    ) -> bool:
        """Take up a snapshot with its recent records; one of a store without lateness begins with none."""
        if not super().load(partition, head, chunks, previous):
            return False
        if unpack_head(head).foreign or previous is not None:
            self.foreign.add(partition)
        return True

    def _recall(
        self, partition: int, roster: Roster, part: EntityContexts, previous: ContextEncoder | None
    ) -> NDArray[np.intp] | None:
        rows = super()._recall(partition, roster, part, previous)
        if rows is None:
            return None
        self._grow_bases()
        self._bases[rows] = self._states[rows]
        if not part.recent:
            return rows
        shelved = unpack_recent(part.recent, self._schema, self._source, partition, part.entities)
        bases: NDArray[np.float32] | None = shelved.bases
        if previous is not None:
            bases = self._encoder.adopt(shelved.bases, previous)
        if bases is None or bases.shape[1] != self._encoder.state_size:
            return rows
        self._bases[rows] = bases
        if shelved.foreign:
            self.foreign.add(partition)
        if shelved.recent is not None:
            found = shelved.recent
            self._pending.append(replace(found, owners=rows[found.owners]))
        return rows

    def reread(self, encoder: ContextEncoder, begin_anew: Callable[[str], bool]) -> None:
        """Go on under other exceptions; no record stands before now, since decisions on earlier ones are of before."""
        self._let_go()
        self._grow_bases()
        if self._encoder.state_size:
            self._settled()
        super().reread(encoder, begin_anew)
        self._bases = self._states.copy()
        self._recent, self._pending, self._judged = None, [], 0
        self.foreign.update(self._rosters)

    def swap(self, encoder: ContextEncoder, schema: RecordSchema) -> bool:
        """Go on with another model's encoder; where it cannot continue the states, no record stands before now."""
        self._let_go()
        self._grow_bases()
        if self._encoder.state_size:
            self._settled()
        rows = self._all_rows()
        bases = encoder.adopt(self._bases[rows], uncorrected(self._encoder))
        continued = super().swap(encoder, schema)
        self._schema = schema
        self._bases = self._states.copy()
        if continued and bases is not None:
            self._bases[rows] = bases
        else:
            self._recent, self._pending, self._judged = None, [], 0
        self.foreign.update(self._rosters)
        return continued


def _nothing(schema: RecordSchema, source: str) -> Batch:
    return batch_from_columns(schema, dict.fromkeys(schema.names, ()), source=source)
