"""`latentwatch score` without `--input`: the scorer, put together from the settings and run until stopped."""

import os
import secrets
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event

import structlog

from latentwatch.alerts.database import Engine
from latentwatch.alerts.heartbeats import Heartbeat, beat, farewell
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.alerts.store import AlertStore
from latentwatch.console import say
from latentwatch.detector.bundle import load_bundle
from latentwatch.detector.interface import Detector
from latentwatch.domain.clock import Clock, SystemClock
from latentwatch.domain.errors import TopicRecreated, Unavailable
from latentwatch.domain.monitor import Monitor
from latentwatch.logs import log_as_lines
from latentwatch.metrics_server import serve_health
from latentwatch.notifying import stop_on_signals
from latentwatch.settings import Settings, load_settings
from latentwatch.streams.scorer import Scorer
from latentwatch.streams.serving import wait_for_model
from latentwatch.streams.sources.opening import open_source
from latentwatch.streams.waiting import Stopped
from latentwatch.streams.watching.health import HealthRecord
from latentwatch.streams.watching.metrics import ScorerMetrics
from latentwatch.streams.watching.totals import Totals
from latentwatch.wiring import ready_database, registered_to_serve, tell_added

_BEAT_SECONDS = 2.0


def score_stream(monitor_file: Path) -> None:
    """Score the monitor's own source into the database until SIGTERM or Ctrl-C, or until a file ends."""
    settings, clock = load_settings(), SystemClock()
    log_as_lines(settings.log_level)
    engine = ready_database(settings, clock, patience_seconds=None)
    stop = stop_on_signals()  # until here nothing is begun that would have to be finished: a signal ends it at once
    monitor = registered_to_serve(monitor_file, settings, engine)
    metrics, health = ScorerMetrics(monitor.name, clock), HealthRecord(clock)
    if settings.metrics_port:
        serve_health(settings.metrics_host, settings.metrics_port, metrics.registry, health)
    try:
        totals = run_scorer(monitor, settings, engine, clock, stop, metrics, health)
    except Stopped:
        say("stopped while waiting; nothing was scored")
        return
    over = f", {totals.passed:,} passed over" if monitor.record.where else ""
    say(f"scored {totals.records:,} records: {totals.flagged:,} flagged, {totals.dead_letters:,} dead letters{over}")
    if monitor.source.file and not stop.is_set() and not totals.records + totals.dead_letters + totals.passed:
        say(f"{monitor.source.file.path} holds nothing new: what it has was scored before, and is not scored twice")


def run_scorer(
    monitor: Monitor,
    settings: Settings,
    engine: Engine,
    clock: Clock,
    stop: Event,
    metrics: ScorerMetrics | None = None,
    health: HealthRecord | None = None,
) -> Totals:
    """Run one scorer, and another in its place where the topic was made anew and the monitor says to go on.

    Raises StreamRefused, InvalidInput, and Stopped when told to stop before model and source were there.
    """
    registry, pulse, totals = ModelRegistry(engine, clock), Pulse(engine, monitor.name, clock), Totals()

    def load(bundle: str) -> Detector:
        return load_bundle(settings.bundles, bundle)

    try:
        # Before it joins its group, so that no partition is given to a process that cannot score it.
        model = wait_for_model(monitor, registry, load, clock, stop, health or HealthRecord(clock), pulse.waiting)
        tell_added(model.detector, model.version, monitor)
        while True:
            source, decode_as = open_source(
                monitor,
                clock,
                stop,
                kafka=settings.kafka_access(),
                registry=settings.registry_access(),
                client=settings.kafka_client,
            )
            scorer = Scorer(
                monitor,
                source,
                decode_as,
                AlertStore(engine, monitor.name, clock, durable=False),
                registry,
                load,
                clock=clock,
                metrics=metrics,
                health=health,
                beat=pulse,
            )
            scorer.totals = totals
            say(f"scoring {monitor.name} from {source.name} {'until stopped' if source.live else 'to its end'}")
            try:
                return scorer.run(stop)
            except TopicRecreated as error:
                say(f"begins again: {error}")
    finally:
        pulse.end()


class Pulse:
    """Writes a scorer's heartbeat every few seconds; a database that is away costs a beat, never the scorer."""

    def __init__(self, engine: Engine, monitor: str, clock: Clock) -> None:
        self._engine = engine
        self._monitor = monitor
        self._clock = clock
        self._id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._started = clock.now()
        self._last = float("-inf")
        self._records = 0

    def __call__(self, scorer: Scorer) -> None:
        """Say how it goes, unless that was said a moment ago."""
        elapsed = self._due()
        if not elapsed:
            return
        rate = 0.0 if elapsed == float("inf") else (scorer.totals.records - self._records) / elapsed
        self._records = scorer.totals.records
        self._attempt(lambda: beat(self._engine, self._heartbeat(scorer, rate)))

    def waiting(self, reason: str) -> None:
        """Say why nothing is scored here yet, unless that was said a moment ago."""
        if reason and self._due():
            self._attempt(lambda: beat(self._engine, self._silent(reason)))

    def _due(self) -> float:
        """Seconds since the last beat; 0 where it is too early for another."""
        now = self._clock.monotonic()
        elapsed = now - self._last
        if elapsed < _BEAT_SECONDS:
            return 0.0
        self._last = now
        return elapsed

    def end(self) -> None:
        """Say goodbye."""
        self._attempt(lambda: farewell(self._engine, self._id, self._clock.now()))

    def _heartbeat(self, scorer: Scorer, rate: float) -> Heartbeat:
        lag = scorer.lag()
        return replace(
            self._silent(scorer.state),
            last_commit=scorer.last_commit,
            partitions=sorted(scorer.positions),
            model_version=scorer.serving.version if scorer.serving else None,
            lag=sum(lag.values()) if lag else None,
            records=scorer.totals.records,
            records_per_second=round(rate, 1),
        )

    def _silent(self, state: str) -> Heartbeat:
        """The heartbeat of a process that has scored nothing."""
        return Heartbeat(
            id=self._id,
            monitor=self._monitor,
            host=socket.gethostname(),
            pid=os.getpid(),
            started=self._started,
            seen=self._clock.now(),
            last_commit=None,
            partitions=[],
            model_version=None,
            lag=None,
            records=0,
            records_per_second=0.0,
            state=state,
        )

    def _attempt(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Unavailable as error:
            structlog.get_logger().warning("heartbeat not written", reason=str(error))
