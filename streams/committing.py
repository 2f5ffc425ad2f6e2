"""Committing outcomes beside the loop, against a database that may go away: pause, keep the partitions, try again.

One outcome at a time is on its way while the loop fetches and decodes what comes next. Nothing else happens meanwhile:
whoever changes the context or asks where a partition stands first hears how the commit ended.
"""

from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from threading import Event

import structlog

from latentwatch.domain.clock import Clock
from latentwatch.domain.errors import PartitionLost, Unavailable
from latentwatch.domain.outcome import Outcome
from latentwatch.streams.ports import Source, Store
from latentwatch.streams.waiting import Backoff, Stopped
from latentwatch.streams.watching.health import HealthRecord
from latentwatch.streams.watching.metrics import ScorerMetrics

log = structlog.get_logger()

_PATIENT_SECONDS = 2.0
"""How long a commit may take before the stream is polled, and therefore paused, to keep its partitions."""
_SLICE_SECONDS = 0.2


class Committer:
    """Writes outcomes one after the other, each exactly once. Used by one thread; the database is met in another."""

    def __init__(
        self,
        store: Store,
        source: Source,
        clock: Clock,
        metrics: ScorerMetrics,
        health: HealthRecord,
        executor: Executor | None = None,
    ) -> None:
        """`executor` runs the commits; a thread of its own if none is given."""
        self._store = store
        self._source = source
        self._clock = clock
        self._metrics = metrics
        self._health = health
        self._executor = executor or ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._sent: tuple[Outcome, Future[None]] | None = None
        self.disturbed = 0
        """Commits that failed at first or took long. With each the stream may have been moved or polled."""

    @property
    def busy(self) -> bool:
        """Whether an outcome is on its way."""
        return self._sent is not None

    def send(self, outcome: Outcome) -> None:
        """Set an outcome on its way; `arrive` must have told how the one before it ended."""
        assert self._sent is None
        self._sent = outcome, self._executor.submit(self._commit, outcome)

    def arrive(self, stop: Event) -> tuple[Outcome, tuple[int, ...]]:
        """Wait until the outcome on its way is in the database, or is known never to get there.

        Returns it with the partitions that another process had moved; if there are any, nothing was written. Raises
        Stopped when the process is to stop while the database is away: what was not written will be read again.
        """
        assert self._sent is not None
        (outcome, future), self._sent = self._sent, None
        try:
            self._hear(outcome, future, stop)
        except PartitionLost as error:
            self.disturbed += 1
            log.warning("partitions lost, nothing of this batch was written", reason=str(error))
            return outcome, error.partitions
        if outcome.dead_letters:
            first = outcome.dead_letters[0]
            log.warning(
                "dead letters written",
                count=len(outcome.dead_letters),
                partition=first.position.partition,
                offset=first.position.offset,
                reason=first.reason,
            )
        return outcome, ()

    def _hear(self, outcome: Outcome, future: Future[None], stop: Event) -> None:
        try:
            future.result(_PATIENT_SECONDS)
            return
        except TimeoutError:
            log.warning("database slow, stream paused", seconds=_PATIENT_SECONDS)
        except Unavailable:
            pass  # told in a moment
        self.disturbed += 1
        self._source.pause()
        try:
            self._insist(outcome, future, stop)
        finally:
            self._source.resume()
        log.info("database back, stream goes on")

    def close(self) -> None:
        """Wait for what is on its way, however it ends: positions in the database tell the next process."""
        self._executor.shutdown()

    def _commit(self, outcome: Outcome) -> None:
        with self._metrics.stage("commit"):
            self._store.commit(outcome)
        self._health.database_answered()

    def _insist(self, outcome: Outcome, attempt: Future[None], stop: Event) -> None:
        """Hear how an attempt ends, and make others until one succeeds; the stream is paused."""
        backoff, finding = Backoff(), "database away, stream paused"
        while True:
            try:
                self._outwait(attempt)
                return
            except Unavailable as error:
                delay = backoff.next()
                log.warning(finding, reason=str(error), next_attempt_seconds=round(delay, 1))
                finding = "database still away"
            deadline = self._clock.monotonic() + delay
            while (left := deadline - self._clock.monotonic()) > 0 and not stop.is_set():
                self._keep_partitions(min(left, 1.0))
            if stop.is_set():
                raise Stopped
            attempt = self._executor.submit(self._commit_unless_landed, outcome)

    def _outwait(self, attempt: Future[None]) -> None:
        """Hear how an attempt ends, however long it takes: the store has a limit of its own."""
        while not attempt.done():
            self._keep_partitions(0.0)
            wait([attempt], _SLICE_SECONDS)
        attempt.result()

    def _keep_partitions(self, seconds: float) -> None:
        self._source.poll(1, seconds)  # paused: brings nothing
        self._health.sign()

    def _commit_unless_landed(self, outcome: Outcome) -> None:
        """The failed COMMIT may have reached the database before the connection broke."""
        if not self._landed(outcome):
            self._commit(outcome)

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
