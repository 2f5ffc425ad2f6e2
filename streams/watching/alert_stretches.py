"""Which records are kept whole around flagged ones: what led up to an alert, its course, and the recovery after it.

Scored records -> Stretches. Whatever the batches: an entity's course begins with a flagged record and goes on while its
records are no further than the group gap behind the last flagged one, which is when the alert is over. What leads up to it is taken
from the latest records of the whole stream, as far as they are remembered. A process that starts anew remembers none; the
store fills in from the live trace then.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.entities import EntityRows
from latentwatch.domain.outcome import Stretch
from latentwatch.domain.record import Batch, concatenate
from latentwatch.domain.scores import Scores, scores_together
from latentwatch.streams.outcomes import ScoredBatch

REMEMBERED_RECORDS = 65_536
"""Latest records of the stream from which what leads up to an alert is taken, however they are shared among entities."""
REMEMBERED_BYTES = 32 * 2**20
"""Of wide records fewer are remembered."""
MOST_LEADING_UP = 3_168
"""Records that are taken of one entity; the store thins them, the more the further back."""
MOST_WATCHED = 20_000
"""Entities in a course at a time; beyond it those whose course began first are let go."""
_BYTES_BESIDE = 100
"""Of a record, beside its features: entity, time, position and scores."""


@dataclass(slots=True)
class _Piece:
    """Some scored records that are remembered, and the rows of each entity once somebody asked."""

    batch: Batch
    scores: Scores
    flagged: NDArray[np.bool_]
    _rows: EntityRows | None = None

    @property
    def rows(self) -> EntityRows:
        """The rows of each entity."""
        if self._rows is None:
            self._rows = EntityRows(self.batch.entities)
        return self._rows


@dataclass(slots=True)
class _Course:
    """From an entity's first flagged record to its latest, in microseconds of event time."""

    began: int
    last: int


@dataclass(slots=True)
class _Memory:
    """The latest records of the stream."""

    limit: int
    pieces: deque[_Piece] = field(default_factory=deque)
    held: int = 0

    def take_in(self, piece: _Piece) -> None:
        self.pieces.append(piece)
        self.held += len(piece.batch)
        while self.held - len(self.pieces[0].batch) - len(piece.batch) >= self.limit:
            self.held -= len(self.pieces.popleft().batch)

    def before(self, entity: str, upto: int, until: int) -> tuple[Batch, Scores, NDArray[np.bool_]] | None:
        """The entity's records of before that time, in microseconds, among those before the `upto`th from the end of what is held."""
        found, wanted, seen = [], MOST_LEADING_UP, 0
        for piece in reversed(self.pieces):
            end = seen + len(piece.batch)
            # Only records before the one that opens, and not more than the limit behind it: whatever the batches.
            first, stop = max(0, end - upto - self.limit), max(0, end - upto)
            seen = end
            rows = piece.rows.of(entity)
            rows = rows[(rows >= first) & (rows < stop)]
            rows = rows[piece.batch.times[rows] < until][-wanted:]
            if len(rows):
                found.append((piece.batch.take(rows), piece.scores.take(rows), piece.flagged[rows]))
                wanted -= len(rows)
            if not wanted or end - upto >= self.limit:
                break
        if not found:
            return None
        found.reverse()
        batch = concatenate(part for part, _, _ in found)
        scores = scores_together([part for _, part, _ in found])
        flagged = np.concatenate([part for *_, part in found])
        _, last = np.unique(batch.offsets[::-1], return_index=True)  # what was read again stands twice
        if len(last) == len(batch):
            return batch, scores, flagged
        rows = np.sort(len(batch) - 1 - last)
        return batch.take(rows), scores.take(rows), flagged[rows]


class AlertStretches:
    """Sees every scored batch. Used by one thread."""

    def __init__(self, remembered: int = REMEMBERED_RECORDS) -> None:
        self._remembered = remembered
        self._memory: _Memory | None = None
        self._courses: dict[str, _Course] = {}

    def take(self, scored: ScoredBatch, flagged: NDArray[np.intp], gap: timedelta) -> tuple[Stretch, ...]:
        """The stretches of a batch of which some rows are flagged; entities in the order of their first record in it. `gap` is
        how long an entity is normal before its alert is over."""
        gap_us = round(gap.total_seconds() * 1e6)
        batch, is_flagged = scored.batch, np.zeros(len(scored.batch), bool)
        if not len(batch):
            return ()
        is_flagged[flagged] = True
        memory = self._memory_for(batch)
        piece = _Piece(batch, scored.scores, is_flagged)
        memory.take_in(piece)
        if not len(flagged) and not self._courses:
            return ()
        watched = self._courses.keys() | set(batch.entities[flagged].tolist())
        found: list[Stretch] = []
        for entity in piece.rows.names:
            if entity in watched:
                found += self._of(entity, piece.rows.of(entity), scored, is_flagged, gap_us, memory)
        while len(self._courses) > MOST_WATCHED:
            del self._courses[next(iter(self._courses))]
        return tuple(found)

    def _of(
        self,
        entity: str,
        rows: NDArray[np.intp],
        scored: ScoredBatch,
        is_flagged: NDArray[np.bool_],
        gap_us: int,
        memory: _Memory,
    ) -> list[Stretch]:
        times, flags = scored.batch.times[rows], is_flagged[rows].nonzero()[0]
        course = self._courses.get(entity)
        found: list[Stretch] = []
        kept: list[NDArray[np.intp]] = []
        # Between two flagged records the course stands still.
        for place, stop in pairwise([-1, *flags.tolist(), len(rows)]):
            if place >= 0:
                row, time = int(rows[place]), int(times[place])
                if course is None or time - course.last > gap_us:
                    found += self._course(entity, kept, scored, is_flagged)
                    kept = []
                    before = memory.before(entity, len(scored.batch) - row, time)
                    if before is not None:
                        found.append(Stretch(entity, *before, leads_up=True))
                    course = self._courses[entity] = _Course(time, time)
                else:
                    course.began, course.last = min(course.began, time), max(course.last, time)
            if course is not None:
                here = slice(max(place, 0), stop)
                within = (times[here] >= course.began) & (times[here] <= course.last + gap_us)
                kept.append(rows[here][within])
        found += self._course(entity, kept, scored, is_flagged)
        if course is not None and times[-1] - course.last > gap_us:
            self._courses.pop(entity, None)
        return found

    def _course(
        self, entity: str, kept: list[NDArray[np.intp]], scored: ScoredBatch, is_flagged: NDArray[np.bool_]
    ) -> list[Stretch]:
        chosen = np.concatenate(kept) if kept else np.zeros(0, np.intp)
        if not len(chosen):
            return []
        batch, scores = scored.batch.take(chosen), scored.scores.take(chosen)
        return [Stretch(entity, batch, scores, is_flagged[chosen], leads_up=False)]

    def _memory_for(self, batch: Batch) -> _Memory:
        """Of records that are as wide as these; of others, as after another model, nothing is remembered."""
        memory = self._memory
        if memory is None or (memory.pieces and memory.pieces[-1].batch.schema != batch.schema):
            width = _BYTES_BESIDE + batch.numbers.itemsize * batch.numbers.shape[1]
            width += 60 * (batch.categories.shape[1] + batch.texts.shape[1])
            memory = self._memory = _Memory(max(1, min(self._remembered, REMEMBERED_BYTES // width)))
        return memory
