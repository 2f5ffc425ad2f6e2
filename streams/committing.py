"""Committing an outcome against a database that may go away: pause, keep the partitions, find out, try again."""

from threading import Event

import structlog

from domain.clock import Clock
from domain.errors import PartitionLost, Unavailable
from domain.outcome import Outcome, Receipt
from streams.ports import Source, Store
from streams.waiting import Backoff, Stopped

log = structlog.get_logger()


class Committer:
    """Writes outcomes one after the other, each exactly once."""

    def __init__(self, store: Store, source: Source, clock: Clock) -> None:
        self._store = store
        self._source = source
        self._clock = clock

    def commit(self, outcome: Outcome, stop: Event) -> Receipt:
        """Returns once the outcome is in the database.

        Raises PartitionLost where another process moved a partition: nothing was written. Raises Stopped when the
        process is to stop while the database is away: what was not written will be read again.
        """
        try:
            return self._store.commit(outcome)
        except Unavailable as error:
            log.warning("database away, stream paused", reason=str(error))
        self._source.pause()
        try:
            receipt = self._insist(outcome, stop)
        finally:
            self._source.resume()
        log.info("database back, stream goes on")
        return receipt

    def _insist(self, outcome: Outcome, stop: Event) -> Receipt:
        backoff = Backoff()
        while not stop.is_set():
            delay = backoff.next()
            deadline = self._clock.monotonic() + delay
            while (left := deadline - self._clock.monotonic()) > 0 and not stop.is_set():
                self._source.poll(1, min(left, 1.0))  # paused: brings nothing, but keeps the partitions
            try:
                # The failed COMMIT may have reached the database before the connection broke.
                if self._landed(outcome):
                    return Receipt()
                return self._store.commit(outcome)
            except Unavailable as error:
                log.warning("database still away", reason=str(error), next_attempt_seconds=round(delay, 1))
        raise Stopped

    def _landed(self, outcome: Outcome) -> bool:
        """Whether an outcome whose acknowledgement was lost is in the database."""
        stored = self._store.positions(outcome.source)
        steps = [move for move in outcome.moves if move.start != move.end]
        if steps and all(stored.get(move.partition) == move.end for move in steps):
            return True
        strangers = tuple(move.partition for move in outcome.moves if stored.get(move.partition) != move.start)
        if strangers:
            raise PartitionLost(
                f"{outcome.source}: another process moved partitions {strangers} while the database was away", strangers
            )
        return False
