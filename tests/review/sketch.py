"""A small database made by hand through the real store: exact values, no detector, made in a fraction of a second."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from sqlalchemy import Engine

from latentwatch.alerts.database import migrate, open_database
from latentwatch.alerts.heartbeats import Heartbeat, beat
from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.alerts.store import AlertStore
from latentwatch.domain.alert import FlaggedRecord
from latentwatch.domain.clock import Clock, SystemClock
from latentwatch.domain.model import Evaluation, Judgement
from latentwatch.domain.monitor import Monitor
from latentwatch.domain.outcome import EntityState, MinuteCount, OffsetMove, Outcome, TracePoint
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.record import DeadLetter, Position
from latentwatch.domain.schema import Feature, FeatureType, RecordSchema
from latentwatch.domain.scores import Explanation, Neighbour
from latentwatch.domain.sources import FileSettings, SourceSettings
from latentwatch.review.app import create_app, server
from latentwatch.review.config import ReviewConfig

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BUNDLE = "b" * 64
EVIL = "<script>document.title='owned'</script>"
PUMP = Monitor(
    name="pump",
    source=SourceSettings(file=FileSettings(path="pump.csv")),
    record=RecordSchema(
        time="time",
        entity="rig",
        features=(
            Feature(name="flow", type=FeatureType.NUMERIC, unit="l/min"),
            Feature(name="pressure", type=FeatureType.NUMERIC, unit="bar"),
            Feature(name="mode", type=FeatureType.CATEGORY),
        ),
    ),
    alert=AlertPolicy(false_alarms_per_day=2.0),
)
EVALUATION = Evaluation(
    promised_rate=0.001,
    realised_rate=0.0008,
    realised_interval=(0.0002, 0.002),
    holdout_records=5000,
    faults_planted=24,
    faults_found=20,
    recall_by_fault={"stuck": 0.75, "spike": 1.0},
)


def flagged(entity: str, offset: int, time: datetime, surprise: float = 5.0, flow: float = 80.0) -> FlaggedRecord:
    """A flagged record with a full explanation."""
    return FlaggedRecord(
        position=Position("pump.csv", 0, offset),
        entity=entity,
        time=time,
        surprise=surprise,
        reconstruction=2.5,
        density=4.0,
        extrapolated=False,
        warming=False,
        threshold=3.0,
        model_version=1,
        bundle=BUNDLE,
        values={"flow": flow, "pressure": None, "mode": EVIL},
        context=np.zeros(2, "<f4").tobytes(),
        seen=offset,
        explanation=Explanation(
            expected={"flow": 120.0, "pressure": 3.0, "mode": "eco"},
            contributions={"flow": 0.8 * surprise, "mode": 0.2 * surprise, "pressure": 0.0},
            neighbours=(Neighbour(0.7, {"flow": 119.0, "pressure": 3.1, "mode": "eco"}),),
            code=(0.1, 0.2),
            place=(1.0, -1.0),
            parts={"neighbours": 0.5 * surprise, "reconstruction": 0.3 * surprise, "density": 0.2 * surprise},
        ),
    )


def trace_point(entity: str, time: datetime, offset: int, surprise: float = 0.4) -> TracePoint:
    """A sampled record."""
    values = {"flow": 120.0 + offset % 7, "pressure": 3.0, "mode": "eco"}
    return TracePoint(entity, time, offset, 0, surprise, 0.3, 0.2, surprise >= 3.0, values)


def draw(engine: Engine, clock: Clock) -> None:
    """One monitor with a champion, two hours of counts and traces, three alerts, dead letters and a live scorer.

    Alerts by id: 1 rig-a (one mild record), 2 of an entity with a hostile name, 3 rig-a again (twenty strange records).
    """
    now = clock.now()
    register_monitor(engine, PUMP, clock)
    registry = ModelRegistry(engine, clock)
    registry.register("pump", BUNDLE, "denoising", 9000, now - timedelta(days=9), now - timedelta(days=2), EVALUATION)
    registry.judge("pump", 1, Judgement(True, ("It keeps its promise.", "It is the first model and is let in.")))
    store = AlertStore(engine, "pump", clock)
    store.claim("pump.csv", 0, 0)
    start = now - timedelta(hours=2)
    minutes = tuple(
        MinuteCount(start + timedelta(minutes=m), 1, 60, 1 if m % 60 == 0 else 0, (6, 1, 0, 0)) for m in range(120)
    )
    store.commit(
        Outcome(
            monitor="pump",
            source="pump.csv",
            moves=(OffsetMove(0, 0, 7200),),
            flagged=(
                flagged("rig-a", 10, start + timedelta(minutes=10), 3.2),
                flagged(EVIL, 11, start + timedelta(minutes=30), 4.5),
                *(flagged("rig-a", 100 + n, start + timedelta(minutes=90, seconds=n), 6.0) for n in range(20)),
            ),
            dead_letters=(
                DeadLetter(Position("pump.csv", 0, 50), "field 'flow': 'fast' is not a number", EVIL.encode()),
            ),
            counts=minutes,
            trace=tuple(trace_point("rig-a", now - timedelta(seconds=n), 7200 - n) for n in range(400, 0, -1)),
            entities=(
                EntityState("rig-a", 0, now - timedelta(seconds=1), 7000, False),
                EntityState(EVIL, 0, now - timedelta(minutes=90), 200, True),
            ),
        )
    )
    beat(
        engine,
        Heartbeat("s-1", "pump", "edge-1", 1, start, now, now, [0], 1, 42, 7200, 60.0, "scoring"),
    )


def main() -> None:
    """Serve the drawing, for a browser: `python -m tests.review.sketch FOLDER PORT`."""
    folder, port, clock = Path(sys.argv[1]), int(sys.argv[2]), SystemClock()
    engine = open_database(f"sqlite:///{folder}/review.db")
    migrate(engine)
    draw(engine, clock)
    config = ReviewConfig(port=port)
    server(create_app(engine, config, f"{folder}/bundles", clock), config).run()


if __name__ == "__main__":
    main()
