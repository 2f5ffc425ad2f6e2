"""A database as the scorer, the judge and people leave it: a real plant, a real detector, real commits.

Run as a program it serves the scene, to look at the pages: `python -m tests.review.scene FOLDER [PORT] [--live | --empty]`.
"""

import sys
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from sqlalchemy import Engine

from latentwatch.alerts import reviewing
from latentwatch.alerts.database import migrate, open_database
from latentwatch.alerts.heartbeats import Heartbeat, beat
from latentwatch.alerts.incident_review import put_together
from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.reading import AlertFilter, inbox, incident_inbox
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.alerts.silences import add_silence
from latentwatch.alerts.store import AlertStore
from latentwatch.detector.bundle import load_bundle, save_bundle
from latentwatch.detector.evaluation import evaluate
from latentwatch.detector.faults import FaultKind
from latentwatch.detector.interface import Detector
from latentwatch.detector.judging import judge
from latentwatch.detector.training import learn
from latentwatch.domain.alert import Verdict
from latentwatch.domain.clock import ManualClock, SystemClock, from_microseconds, to_microseconds
from latentwatch.domain.model import Judgement
from latentwatch.domain.model_choice import ModelChoice
from latentwatch.domain.monitor import Monitor
from latentwatch.domain.outcome import OffsetMove, Outcome
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.record import Batch, DeadLetter, Position
from latentwatch.domain.silence import Silence
from latentwatch.domain.sources import FileSettings, SourceSettings, TopicSettings
from latentwatch.incident_placing import place_incidents_of
from latentwatch.plant import Plant, plant_schema
from latentwatch.review.app import create_app, server
from latentwatch.review.config import ReviewConfig
from latentwatch.review.excepting import accept, propose
from latentwatch.review.room import BundleCache
from latentwatch.streams.context.context_store import ContextStore
from latentwatch.streams.group_counting import GroupCounter
from latentwatch.streams.outcomes import Scored, Serving, count_minutes, describe, flagged_rows
from latentwatch.streams.watching.traces import TraceSampler

NOW = datetime(2026, 11, 20, 22, 40, tzinfo=UTC)
DAY_ONE = datetime(2026, 11, 2, 6, tzinfo=UTC)
"""Where the plant's history begins; what follows is drawn from there and moved to now, so that every scene is alike."""
PERIOD_SECONDS = 30
SHORT_HISTORY, LONG_HISTORY = 400, 4320
"""Records of each rig's history: enough for a detector, and a day and a half, enough for a good one."""
PLANT = Monitor(
    name="plant",
    source=SourceSettings(kafka=TopicSettings(topic="plant.rigs")),
    record=plant_schema(),
    model=ModelChoice(effort="light"),
    alert=AlertPolicy(false_alarms_per_day=2.0),
)
KILN = PLANT.model_copy(update={"name": "kiln", "source": SourceSettings(file=FileSettings(path="kiln.csv"))})
ODD_ENTITY = '<img src=x onerror="document.title=1">'
"""An entity whose name would run as a program if a page did not escape it."""


@dataclass(frozen=True)
class Scene:
    """Where the scene lies."""

    database: str
    bundles: str
    clock: ManualClock


def empty_scene(folder: Path, now: datetime = NOW) -> Scene:
    """A prepared database with nothing in it."""
    scene = Scene(f"sqlite:///{folder}/review.db", f"{folder}/bundles", ManualClock(now))
    engine = open_database(scene.database)
    migrate(engine)
    engine.dispose()
    return scene


def full_scene(folder: Path, now: datetime = NOW, history: int = SHORT_HISTORY) -> Scene:
    """Two monitors: a plant that is watched, with alerts and labels, and a kiln that waits for its first model."""
    scene = empty_scene(folder, now)
    engine = open_database(scene.database)
    plant = Plant(seed=7, rigs=4, period_seconds=PERIOD_SECONDS)
    register_monitor(engine, PLANT, scene.clock)
    register_monitor(engine, KILN, scene.clock)
    detector = train_and_promote(engine, scene, plant, history)
    commit_stream(engine, scene, plant, detector, history)
    dead_letters(engine, scene)
    heartbeat(engine, scene.clock.now())
    people(engine, scene)
    engine.dispose()
    return scene


def train_and_promote(engine: Engine, scene: Scene, plant: Plant, records: int) -> Detector:
    """A real detector, version 2 of the monitor; version 1 was the same, a day earlier."""
    start, history = DAY_ONE, plant.history(DAY_ONE, records)
    detector = learn(history, PLANT.model, window=30)
    bundle = save_bundle(detector, scene.bundles)
    seen = evaluate(detector, plant.history(start + timedelta(seconds=PERIOD_SECONDS * records), 400), PLANT.alert)
    registry = ModelRegistry(engine, ManualClock(scene.clock.now() - timedelta(days=1)))
    for champion in (None, replace(seen, faults_found=max(0, seen.faults_found - 2))):
        version = registry.register(
            PLANT.name, bundle, detector.kind, len(history), start, start + timedelta(hours=2), champion or seen
        )
        verdict = judge(seen, champion)
        registry.judge(PLANT.name, version.version, replace(verdict, promote=True))
    held = registry.register(PLANT.name, bundle, "linear", 500, start, start + timedelta(hours=1), seen)
    reason = f"The challenger found {seen.faults_found - 5} faults, the champion {seen.faults_found}: held."
    registry.judge(PLANT.name, held.version, Judgement(promote=False, reasons=(reason,)))
    return replace(detector, bundle=bundle)


def commit_stream(engine: Engine, scene: Scene, plant: Plant, detector: Detector, records: int) -> None:
    """Seven hours of the plant with planted faults, scored and committed as the scorer does."""
    kinds = (FaultKind.VALVE_CLOSING, FaultKind.BEARING_WEAR, FaultKind.CAVITATION, FaultKind.LEAK, FaultKind.SPIKE)
    rows = 900
    start = DAY_ONE + timedelta(seconds=PERIOD_SECONDS * records)
    batch, _ = plant.stream(start, rows, kinds, spacing_records=300)
    shift = to_microseconds(scene.clock.now()) - int(batch.times[-1]) - 5_000_000
    batch = replace(batch, times=batch.times + shift)
    names = {name: name for name in np.unique(batch.entities)} | {"rig-4": ODD_ENTITY}
    batch = replace(batch, entities=np.array([names[name] for name in batch.entities], object), source="plant.rigs")
    store = AlertStore(engine, PLANT.name, scene.clock)
    store.claim("plant.rigs", 0, 0)
    feed = Feed(store, detector)
    for first in range(0, len(batch), 600):
        feed.commit(batch.take(slice(first, first + 600)))


class Feed:
    """The scorer's straight line, without a source."""

    def __init__(self, store: AlertStore, detector: Detector) -> None:
        self.store = store
        self.contexts = ContextStore(detector.context)
        self.serving = Serving(detector, 2, detector.threshold(PLANT.alert), groups=GroupCounter(2))
        self.sampler = TraceSampler(SystemClock(), points_per_second=1e9)

    def commit(self, batch: Batch) -> None:
        """Score and commit one batch."""
        contexts = self.contexts.extend(batch)
        scored = Scored(batch, self.serving.detector.score(batch, contexts), contexts)
        rows = flagged_rows(scored, self.serving)
        first, last = int(batch.offsets[0]), int(batch.offsets[-1])
        self.store.commit(
            Outcome(
                monitor=PLANT.name,
                source="plant.rigs",
                moves=(OffsetMove(0, first, last + 1),),
                flagged=describe(scored.take(rows), self.serving),
                counts=count_minutes(scored, rows, self.serving),
                groups=self.serving.groups.count(batch),
                trace=self.sampler.sample(batch, scored.scores, rows),
                entities=self.contexts.report([0]),
            )
        )


def dead_letters(engine: Engine, scene: Scene) -> None:
    """Three messages that were no records."""
    store = AlertStore(engine, PLANT.name, scene.clock)
    store.claim("plant.rigs", 1, 0)
    letters = (
        DeadLetter(Position("plant.rigs", 1, 0), "not JSON: unexpected end of input at byte 17", b'{"rig": "rig-1", '),
        DeadLetter(Position("plant.rigs", 1, 1), "field 'flow': 'fast' is not a number", b'{"flow": "fast"}'),
        DeadLetter(Position("plant.rigs", 1, 2), "field 'time' is missing", b"<script>alert(1)</script>\xff\x00"),
    )
    store.commit(Outcome(PLANT.name, "plant.rigs", (OffsetMove(1, 0, 3),), dead_letters=letters))


def heartbeat(engine: Engine, now: datetime, records: int = 3600) -> None:
    """One scorer that is alive."""
    beat(
        engine,
        Heartbeat(
            id="scorer-1",
            monitor=PLANT.name,
            host="edge-1",
            pid=4711,
            started=now - timedelta(hours=5),
            seen=now,
            last_commit=now,
            partitions=[0, 1],
            model_version=2,
            lag=12,
            records=records,
            records_per_second=40.0,
            state="scoring",
        ),
    )


def people(engine: Engine, scene: Scene) -> None:
    """Somebody looked at the older alerts."""
    alerts = inbox(engine, AlertFilter(monitor=PLANT.name), "recent").alerts
    older = sorted(alerts, key=lambda alert: alert.started)[: max(1, len(alerts) // 2)]
    said = ((Verdict.TRUE, "valve", "Strainer cleaned, valve 4 replaced."), (Verdict.FALSE, "", "Maintenance run."))
    for number, alert in enumerate(older):
        verdict, cause, note = said[number % 2]
        reviewing.label(engine, alert.id, verdict, "Ada", cause, note, clock=scene.clock)


def decisions(scene: Scene) -> None:
    """And somebody planned work, called an alert normal and put two incidents together; at night all were placed."""
    engine = open_database(scene.database)
    now = scene.clock.now()
    add_silence(
        engine,
        Silence(PLANT.name, "Bearings are exchanged.", "Ada", "rig-3", start=now, end=now + timedelta(hours=4)),
        scene.clock,
    )
    alerts = inbox(engine, AlertFilter(monitor=PLANT.name), "recent").alerts
    load = BundleCache(scene.bundles).detector
    harmless = next(
        proposal
        for alert in alerts
        for proposal in propose(engine, load, PLANT, [alert.id], scene.clock)
        if not proposal.preview.confirmed
    )
    accept(engine, load, PLANT.name, harmless.id, author="Ada", note="A new valve.", clock=scene.clock)
    incidents = incident_inbox(engine, AlertFilter(monitor=PLANT.name)).incidents
    put_together(engine, [incident.id for incident in incidents[:2]], "Ada", scene.clock)
    place_incidents_of(engine, PLANT.name)
    engine.dispose()


def main() -> None:
    """Serve the scene for people to look at; a folder that holds one already is served as it is."""
    folder, port = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 8484
    clock = SystemClock()
    if not folder.exists():
        folder.mkdir(parents=True)
        if "--empty" in sys.argv:
            empty_scene(folder)
        else:
            decisions(full_scene(folder, clock.now(), LONG_HISTORY))
    scene = Scene(f"sqlite:///{folder}/review.db", f"{folder}/bundles", ManualClock(clock.now()))
    engine = open_database(scene.database)
    config = ReviewConfig(port=port)
    if "--live" in sys.argv:
        threading.Thread(target=_live, args=(engine, scene), daemon=True).start()
    server(create_app(engine, config, scene.bundles), config).run()


def _live(engine: Engine, scene: Scene) -> None:
    """Go on streaming: every rig sends a record a second."""
    clock = SystemClock()
    champion = ModelRegistry(engine).champion(PLANT.name)
    assert champion is not None
    feed = Feed(AlertStore(engine, PLANT.name), load_bundle(scene.bundles, champion.bundle))
    plant = Plant(seed=7, rigs=4, period_seconds=PERIOD_SECONDS)
    batch, _ = plant.stream(DAY_ONE + timedelta(days=2), 20_000, spacing_records=240)
    stored = feed.store.positions("plant.rigs")[0]
    begin = to_microseconds(clock.now())
    batch = replace(
        batch,
        source="plant.rigs",
        offsets=batch.offsets + stored,
        times=begin + (batch.times - batch.times[0]) // PERIOD_SECONDS,
    )
    for first in range(0, len(batch), 4):
        part = batch.take(slice(first, first + 4))
        clock.sleep(max(0.0, (from_microseconds(int(part.times[0])) - clock.now()).total_seconds()))
        feed.commit(part)
        if first % 20 == 0:
            heartbeat(engine, clock.now(), stored + first)


if __name__ == "__main__":
    main()
