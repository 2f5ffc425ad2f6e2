"""Which entities have stopped sending, told by what arrives, not by event time.

Every few seconds every entity's count is compared with that of the look before. An entity that was not heard of for ten times
its usual gap, and half a minute at least, has stopped sending, but only while others speak and the scorer reads what is new: a
broker, a database or a scorer that was away makes nobody stop, since time in which nothing at all came does not count.

Entities of one partition that stop together are told as one, the partition: something between them and the
topic failed. It ends with the partition's next record, from which on the clocks of the others run anew.
"""

from collections.abc import Iterable
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.clock import Clock, from_microseconds, to_microseconds
from latentwatch.domain.outcome import StoppedSending
from latentwatch.streams.context.context_store import ContextStore
from latentwatch.streams.context.ledger import GAPS_TO_LEARN
from latentwatch.streams.outcomes import Serving

_TIMES_USUAL = 10.0
_LEAST_SECONDS = 30.0
_LOOK_SECONDS = 3.0
_FADE = 0.98
"""What remains of a long gap with each shorter one after it."""
_DELAY_FADE = 0.9
"""The same of a long delay between event time and arrival, by which RunWatch waits."""
_UNSEEN_SECONDS = 10.0
_UNSEEN_TIMES_USUAL = 3.0
"""A pause of the whole stream longer than both is the source's, or ours, and no entity's."""
_TOGETHER_SECONDS = 10.0
"""How long one that stopped is kept back where the rest of its partition would have stopped too by then."""
SMALL_LAG = 1_000
"""Records behind the end up to which a partition counts as read to its end."""


class SendingWatch:
    """Watches the entities of a context store."""

    def __init__(self, contexts: ContextStore, source: str, clock: Clock) -> None:
        """`source` is the name by which the partitions are told."""
        self._contexts = contexts
        self._source = source
        self._clock = clock
        self._looked = clock.monotonic()
        self._usual_pause = _LOOK_SECONDS
        self._seen: set[int] = set()

    def look(self, lag: dict[int, int], serving: Serving) -> tuple[StoppedSending, ...]:
        """Entities that stopped, as this look finds. Call it often; `lag` tells of the partitions read now."""
        ledger, now = self._contexts.ledger, self._clock.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return ()
        members = {partition: self._contexts.members(partition) for partition in lag}
        if not any((ledger.records[rows] != ledger.counted[rows]).any() for _, rows in members.values()):
            return ()
        pause, self._looked = now - self._looked, now
        seeing = pause <= max(_UNSEEN_SECONDS, _UNSEEN_TIMES_USUAL * self._usual_pause)
        self._usual_pause = max(self._usual_pause * _FADE, pause)
        stops: list[StoppedSending] = []
        for partition, (index, rows) in members.items():
            if partition not in self._seen:  # what was not looked at for a while is looked at anew
                ledger.heard[rows] = np.nan
            near = lag[partition] <= SMALL_LAG
            watched = seeing and near
            if near:
                self._learn_delays(rows)
            due = self._listen(rows, now, pause, watched)
            names = list(index) if due.any() else []
            for place in np.flatnonzero(due).tolist():
                due[place] = not speaks_elsewhere(self._contexts, names[place], int(rows[place]), lag)
            if not due.any():
                continue
            if self._may_be_together(rows, now):
                if self._all_due(rows, now):
                    told = rows[self._regular(rows)]
                    stops.append(self._stopped(partition_name(self._source, partition), partition, rows, serving))
                    ledger.stopped[told] = ledger.together[told] = True
                    ledger.doubted[rows] = True  # whoever speaks first ends it
                continue
            for place in np.flatnonzero(due).tolist():
                row = rows[place : place + 1]
                stops.append(self._stopped(names[place], partition, row, serving))
                ledger.stopped[row] = ledger.doubted[row] = True
        self._seen = set(members)
        return tuple(stops)

    def take_heard(self) -> dict[str, datetime]:
        """Entities, and partitions by name, that may send again since the last call, with the event time."""
        partitions = self._contexts.take_heard_partitions()
        named = {partition_name(self._source, partition): time for partition, time in partitions.items()}
        return named | self._contexts.take_heard()

    def _stopped(self, name: str, partition: int, rows: NDArray[np.intp], serving: Serving) -> StoppedSending:
        """These rows as one, from the last record of any."""
        ledger = self._contexts.ledger
        last = rows[np.argmax(ledger.last_offset[rows])]
        return StoppedSending(
            entity=name,
            partition=partition,
            offset=int(ledger.last_offset[last]),
            since=from_microseconds(int(ledger.last_time[last])),
            model_version=serving.version,
            threshold=serving.threshold,
        )

    def _regular(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which of them are waited for: their cadence is known, and that they stopped was not told yet."""
        ledger = self._contexts.ledger
        return (ledger.gaps[rows] >= GAPS_TO_LEARN) & ~ledger.stopped[rows]

    def _limits(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Seconds without a record after which each has stopped."""
        return np.maximum(_TIMES_USUAL * self._contexts.ledger.usual_gap[rows], _LEAST_SECONDS)

    def _may_be_together(self, rows: NDArray[np.intp], now: float) -> bool:
        """Whether at least two are waited for, and all of the partition have stopped or may have shortly."""
        waited = rows[self._regular(rows)]
        unheard = now + _TOGETHER_SECONDS - self._contexts.ledger.heard
        return (
            len(waited) > 1
            and bool((unheard[waited] > self._limits(waited)).all())
            and bool((unheard[rows] > _LEAST_SECONDS).all())
        )

    def _all_due(self, rows: NDArray[np.intp], now: float) -> bool:
        """Whether all that are waited for have stopped, and nothing else of the partition came meanwhile."""
        waited, heard = rows[self._regular(rows)], self._contexts.ledger.heard
        return bool((now - heard[waited] > self._limits(waited)).all() and (now - heard[rows] > _LEAST_SECONDS).all())

    def _learn_delays(self, rows: NDArray[np.intp]) -> None:
        """How long after their event time the records of those that spoke arrived; RunWatch waits so much longer."""
        ledger = self._contexts.ledger
        spoke = rows[(ledger.records[rows] != ledger.counted[rows]) & ~np.isnan(ledger.heard[rows])]
        late = to_microseconds(self._clock.now()) - ledger.newest_time[spoke]
        ledger.delay[spoke] = np.fmax(ledger.delay[spoke] * _DELAY_FADE, late / 1e6)
        ledger.changed[spoke] = True

    def _listen(self, rows: NDArray[np.intp], now: float, pause: float, watched: bool) -> NDArray[np.bool_]:
        """Learn from those that spoke; which of the others [len(rows)] have stopped and were not told so yet."""
        ledger = self._contexts.ledger
        new = np.isnan(ledger.heard[rows])
        spoke = (ledger.records[rows] != ledger.counted[rows]) & ~new
        ledger.counted[rows] = ledger.records[rows]
        ledger.heard[rows[new]] = now
        if watched:
            heard = rows[spoke & ~ledger.stopped[rows]]
            ledger.usual_gap[heard] = np.maximum(ledger.usual_gap[heard] * _FADE, now - ledger.heard[heard])
            ledger.gaps[heard] += 1
            ledger.changed[heard] = True
        else:
            ledger.heard[rows[~spoke & ~new]] += pause
        ledger.heard[rows[spoke]] = now
        ledger.stopped[rows[spoke]] = False
        if (spoke | new).any():
            waited_anew = rows[ledger.together[rows]]
            ledger.stopped[waited_anew] = ledger.together[waited_anew] = False
            ledger.heard[waited_anew] = now
        return self._regular(rows) & (now - ledger.heard[rows] > self._limits(rows)) & watched


def speaks_elsewhere(contexts: ContextStore, entity: str, row: int, partitions: Iterable[int]) -> bool:
    """Whether a producer that spreads an entity over partitions has sent it to another one since; `row` is its ledger's."""
    ledger = contexts.ledger
    others = (contexts.members(partition)[0].get(entity) for partition in partitions)
    return any(other is not None and ledger.heard[other] > ledger.heard[row] for other in others)


def partition_name(source: str, partition: int) -> str:
    """How a partition is called where an entity would be named.

    >>> partition_name("plant.pump", 0)
    'plant.pump[0]'
    """
    return f"{source}[{partition}]"
