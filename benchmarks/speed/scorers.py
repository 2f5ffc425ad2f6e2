"""The scorer as the command line builds it, run step by step, with the processor time of each of its stages."""

import sys
import time
from collections.abc import Callable
from threading import Event
from typing import Any
from uuid import uuid4

import numpy as np

from benchmarks.speed.stream import monitor, sample
from benchmarks.speed.timing import CLOCK, RunSettings, Step
from latentwatch.alerts.database import migrate, open_database
from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.alerts.store import AlertStore
from latentwatch.detector.bundle import load_bundle
from latentwatch.detector.drift import PromiseState, watch
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.model import Judgement
from latentwatch.streams.context.context_store import ContextStore
from latentwatch.streams.decoding.columns import TimeBound
from latentwatch.streams.decoding.json_decoding import JsonDecoder
from latentwatch.streams.kafka.access import KafkaAccess
from latentwatch.streams.kafka.record_batches import scan
from latentwatch.streams.ports import Source
from latentwatch.streams.scorer import Scorer
from latentwatch.streams.sources.opening import open_member
from latentwatch.streams.watching.metrics import ScorerMetrics


class ProcessorClock(SystemClock):
    """Counts the processor time of the thread that asks, so that a stage's time is its own on a busy machine."""

    def monotonic(self) -> float:
        """Seconds of this thread."""
        return time.thread_time()


class AtThreshold:
    """A detector whose threshold is given; everything else is its own."""

    def __init__(self, detector: Any, threshold: float) -> None:
        self._detector = detector
        self._threshold = threshold

    def __getattr__(self, name: str) -> Any:
        return getattr(self._detector, name)

    def threshold(self, policy: Any) -> float:
        """The one given."""
        return self._threshold


def build_scorer(
    settings: RunSettings,
    reach: Callable[[Any], None] = lambda step: None,
    around: Callable[[Source], Any] = lambda source: source,
) -> Scorer:
    """The scorer as the command line builds it; only the threshold is set, so that the flagged share is known.

    `around` may wrap its source.
    """
    watched = monitor(settings.variant)
    engine = open_database(settings.database)
    migrate(engine)
    register_monitor(engine, watched)
    registry = ModelRegistry(engine, CLOCK)
    if registry.champion(watched.name) is None:
        candidate = registry.register(watched.name, settings.bundle, "speed", 0, None, None, None)
        registry.judge(watched.name, candidate.version, Judgement(True, ("the benchmark's own",)))
    topic = watched.source.kafka
    assert topic is not None
    source = open_member(
        topic.model_copy(update={"topic": settings.topic}),
        KafkaAccess(settings.servers),
        settings.group or f"speed-{uuid4().hex[:8]}",
        settings.client,
        CLOCK,
    )
    return Scorer(
        watched,
        around(source),
        lambda schema: JsonDecoder(schema, TimeBound(CLOCK)),
        AlertStore(engine, watched.name, CLOCK, durable=False),
        registry,
        lambda bundle: AtThreshold(load_bundle(settings.bundles, bundle), settings.threshold),
        clock=CLOCK,
        metrics=ScorerMetrics(watched.name, ProcessorClock()),
        reach=reach,
    )


def warm_up(settings: RunSettings) -> None:
    """Load the compiled loops that a scorer of these settings needs, or compile them."""
    detector = load_bundle(settings.bundles, settings.bundle)
    records = sample(settings.variant, 256)
    contexts = ContextStore(detector.context).extend(records)
    scores = detector.score(records, contexts)
    detector.explain(records, contexts, scores)
    watch(PromiseState(), scores.surprise)
    scan(np.frombuffer(b"", np.uint8), 0, np.empty((4, 0), np.int64))


def stepwise(settings: RunSettings) -> Step:
    """A step of the scorer: every record of it is in the database when it ends, nothing is on its way."""
    built, stop = build_scorer(settings), Event()
    built.begin(stop)

    def step(count: int) -> dict[str, Any]:
        before, stages = (built.totals.records, built.totals.flagged, built.totals.batches), _stages(built)
        while built.totals.records - before[0] < count:
            built.turn(stop)
        built.finish(stop)
        records = built.totals.records - before[0]
        return {
            "records": records,
            "flagged": built.totals.flagged - before[1],
            "batches": built.totals.batches - before[2],
            "stages": {name: seconds - stages.get(name, 0.0) for name, seconds in _stages(built).items()},
            "torch_loaded": "torch" in sys.modules,
        }

    return step


def _stages(built: Scorer) -> dict[str, float]:
    return {
        sample.labels["stage"]: sample.value
        for family in built.metrics.registry.collect()
        for sample in family.samples
        if sample.name == "latentwatch_stage_seconds_sum"
    }
