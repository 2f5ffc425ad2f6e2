"""`latentwatch score` without `--input`: the scorer, put together from the settings and run until stopped."""

from dataclasses import replace
from pathlib import Path
from threading import Event

import structlog

from latentwatch.alerts.database import Engine
from latentwatch.alerts.heartbeats import Heartbeat
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.alerts.store import AlertStore
from latentwatch.console import counted, say
from latentwatch.detector.bundle import load_bundle
from latentwatch.detector.interface import Detector
from latentwatch.domain.clock import Clock, SystemClock
from latentwatch.domain.errors import InvalidInput, TopicRecreated, Unavailable
from latentwatch.domain.monitor import Monitor
from latentwatch.heartbeat import HeartbeatWriter
from latentwatch.learning import LearningNotice, learning_of
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

log = structlog.get_logger()


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
    say(in_words(totals, monitor))
    if monitor.source.file and not stop.is_set() and not totals.messages:
        say(f"{monitor.source.file.path} holds nothing new: what it has was scored before, and is not scored twice")


def in_words(totals: Totals, monitor: Monitor) -> str:
    """What a run came to: what became of every message."""
    over = f", {totals.passed:,} passed over" if monitor.record.where else ""
    filling = f", {totals.aligned:,} messages aligned into them" if monitor.record.long and monitor.source.kafka else ""
    scored, dead = counted(totals.records, "record"), counted(totals.dead_letters, "dead letter")
    without = f", {counted(totals.unread, 'value')} not read and left out" if totals.unread else ""
    return f"scored {scored}: {totals.flagged:,} flagged, {dead}{over}{filling}{without}"


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
    registry, heartbeat, totals = ModelRegistry(engine, clock), HeartbeatWriter(engine, monitor.name, clock), Totals()

    def load(bundle: str) -> Detector:
        return load_bundle(settings.bundles, bundle)

    learning = LearningNotice(lambda: learning_of(monitor, settings, clock), clock)
    try:
        # Before it joins its group, so that no partition is given to a process that cannot score it.
        model = wait_for_model(
            monitor,
            registry,
            load,
            clock,
            stop,
            health or HealthRecord(clock),
            lambda why: heartbeat.waiting(why or learning()),
        )
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
                beat=lambda scorer: heartbeat.scoring(scorer.totals.records, lambda beat: _completed(beat, scorer)),
            )
            scorer.totals = totals
            _warn_of_keys(monitor, settings)
            say(f"scoring {monitor.name} from {source.name} {'until stopped' if source.live else 'to its end'}")
            try:
                return scorer.run(stop)
            except TopicRecreated as error:
                say(f"begins again: {error}")
    finally:
        heartbeat.end()


def _warn_of_keys(monitor: Monitor, settings: Settings) -> None:
    """Say at the start where a topic in long form has an entity's values in several partitions; the stream is read all the same."""
    if monitor.record.long is None or monitor.source.kafka is None:
        return
    from latentwatch.streams.kafka.scattered_entities import scattered_in_words  # Kafka's client is not for files

    try:
        words = scattered_in_words(monitor, settings.kafka_access(), settings.registry_access())
    except (Unavailable, InvalidInput) as error:
        words = f"the topic's keys could not be looked at: {error}"
    if words:
        log.warning("rows may be torn", monitor=monitor.name, reason=words)


def _completed(heartbeat: Heartbeat, scorer: Scorer) -> Heartbeat:
    """A heartbeat with what the scorer knows of itself."""
    lag = scorer.lag()
    return replace(
        heartbeat,
        last_commit=scorer.last_commit,
        partitions=sorted(scorer.positions),
        model_version=scorer.serving.version if scorer.serving else None,
        lag=sum(lag.values()) if lag else None,
        state=scorer.state,
    )
