"""What the scorer tells Prometheus. One list, conventional names, base units."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from latentwatch.domain.clock import Clock
from latentwatch.domain.outcome import Outcome

_STAGE_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_BATCH_BUCKETS = (1, 4, 16, 64, 256, 1_024, 4_096, 16_384)


class ScorerMetrics:
    """The scorer's instruments, labelled with its monitor."""

    def __init__(self, monitor: str, clock: Clock, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._clock = clock
        self._label = {"monitor": monitor}

        def counter(name: str, what: str) -> Counter:
            return Counter(f"latentwatch_{name}", what, ["monitor"], registry=self.registry).labels(monitor)

        def gauge(name: str, what: str) -> Gauge:
            return Gauge(f"latentwatch_{name}", what, ["monitor"], registry=self.registry).labels(monitor)

        # Records on their way through; consumed = scored + dead-lettered + passed over + aligned + re-read.
        self.consumed = counter("consumed_records_total", "Messages received from the source")
        self.decoded = counter("decoded_records_total", "Messages that became records")
        self.reread = counter("reread_records_total", "Messages read again to rebuild context, not scored")
        self.scored = counter("scored_records_total", "Records scored and committed")
        self.flagged = counter("flagged_records_total", "Records at or above the threshold")
        self.dead_lettered = counter("dead_lettered_records_total", "Messages that could not become records")
        self.unread = counter("unread_values_total", "Values left out because their features cannot have them")
        self.passed = counter("passed_over_records_total", "Messages that the monitor's `where` passes over")
        self.aligned = counter("aligned_records_total", "Messages in long form that released no row")
        self.late = counter("late_records_total", "Records that came late and were put at their place in event time")
        self.too_late = counter("too_late_records_total", "Records later than allowed, scored without their past")
        self.amended = counter("amended_verdicts_total", "Verdicts on flagged records that late records changed")
        # Work.
        self.batch_records = Histogram(
            "latentwatch_batch_records", "Messages in a batch", ["monitor"], buckets=_BATCH_BUCKETS,
            registry=self.registry,
        ).labels(monitor)  # fmt: skip
        self._stage_seconds = Histogram(
            "latentwatch_stage_seconds", "Time a batch spends in a stage of the loop", ["monitor", "stage"],
            buckets=_STAGE_BUCKETS, registry=self.registry,
        )  # fmt: skip
        # State.
        self._lag = Gauge(
            "latentwatch_lag_records", "Records between the next delivery and the end", ["monitor", "partition"],
            registry=self.registry,
        )  # fmt: skip
        self.entities = gauge("context_entities", "Entities with context in memory")
        self.model_version = gauge("model_version", "Version of the model that scores")
        self.threshold = gauge("threshold_surprise", "Surprise from which a record is flagged")
        self.promise_broken = gauge(
            "promise_broken", "1 when live scores have left the regime they were calibrated on: recalibrate"
        )
        self.models_refused = counter("models_refused_total", "Promoted models whose bundle could not be served")
        self.partitions_lost = counter(
            "partitions_lost_total", "Commits refused because another process owns the partition"
        )
        self.stalls = counter("stalled_partitions_total", "Times a partition stood still while records waited in it")
        self.last_commit = gauge("last_commit_timestamp_seconds", "When the last batch was committed, epoch seconds")
        self._stages = {
            stage: self._stage_seconds.labels(monitor, stage)
            for stage in ("poll", "decode", "context", "score", "describe", "commit")
        }

    def received(self, messages: int, decoded: int, reread: int) -> None:
        """Count a batch as it came from the source."""
        self.batch_records.observe(messages)
        self.consumed.inc(messages)
        self.decoded.inc(decoded)
        self.reread.inc(reread)

    def committed(self, outcome: Outcome) -> None:
        """Count what the database has taken."""
        self.scored.inc(sum(count.scored for count in outcome.counts))
        self.flagged.inc(len(outcome.flagged))
        self.amended.inc(len(outcome.amendments))
        self.passed.inc(outcome.passed)
        self.aligned.inc(outcome.aligned)
        self.dead_lettered.inc(len(outcome.dead_letters))
        self.unread.inc(len(outcome.unread))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time one stage of the loop."""
        started = self._clock.monotonic()
        yield
        self._stages[name].observe(self._clock.monotonic() - started)

    def lag(self, records: dict[int, int]) -> None:
        """Set the lag of the partitions now read, and drop those of others."""
        self._lag.clear()
        for partition, behind in records.items():
            self._lag.labels(self._label["monitor"], str(partition)).set(behind)
