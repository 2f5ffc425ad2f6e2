"""Late records from the stream to the database and the review room: a real detector, the real store, the real reading."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sqlalchemy import Engine, func, select

from latentwatch.alerts.database import migrate, open_database
from latentwatch.alerts.reading import alert_detail
from latentwatch.alerts.reading.flagged import flagged_records
from latentwatch.alerts.session import reading
from latentwatch.alerts.store import AlertStore
from latentwatch.alerts.tables import AlertRow, MinuteCountRow
from latentwatch.detector.training import learn
from latentwatch.domain.alert import AlertStatus
from latentwatch.domain.model_choice import ModelChoice
from latentwatch.domain.record import batch_from_columns
from latentwatch.review.flagged_schemas import FormerDecisionOut
from latentwatch.review.replay import replay
from latentwatch.review.schemas import AlertDetailOut
from latentwatch.review.templating import render
from tests.streams.stage import START, Stage, monitor
from tests.streams.test_late_records import ALLOWED, Sent, spike

Payloads = list[tuple[float, bytes]]
"""Event time and payload."""


@pytest.fixture(scope="module")
def detector():
    """Learned on calm rigs of the stage's monitor."""
    torch.set_num_threads(1)
    random = np.random.default_rng(5)
    steps = random.normal(size=(1_600, 2)) * 0.1
    walk = np.stack([np.sin(np.arange(1_600) / 9), np.cos(np.arange(1_600) / 9)], axis=1) + steps
    names = [f"rig-{number % 2}" for number in range(1_600)]
    times = (START + np.arange(1_600)) * 1_000_000
    columns = {"a": walk[:, 0], "b": walk[:, 1]}
    batch = batch_from_columns(monitor().record, columns, entities=names, times=times)
    return learn(batch, ModelChoice(), window=12).named("real")


@pytest.fixture
def open_store(tmp_path: Path) -> Callable[[Stage, str], Engine]:
    """Gives a stage a migrated SQLite database."""

    def give(stage: Stage, name: str) -> Engine:
        engine = open_database(f"sqlite:///{tmp_path}/{name}.db")
        migrate(engine)
        stage.store = AlertStore(engine, stage.monitor.name, stage.clock)  # type: ignore[assignment]
        return engine

    return give


def walk(count: int, seed: int) -> Payloads:
    """Two rigs as the detector knows them, with jumps now and then."""
    random = np.random.default_rng(seed)
    lines = []
    for number in range(count):
        jump = 3.0 if random.random() < 0.06 else 0.0
        a, b = np.sin(number / 9) + random.normal() * 0.1 + jump, np.cos(number / 9) + random.normal() * 0.1
        at = START + 5_000 + number
        lines.append(
            (float(at), json.dumps({"at": at, "rig": f"rig-{number % 2}", "a": float(a), "b": float(b)}).encode())
        )
    return lines


def stored(engine: Engine) -> tuple[dict[tuple[str, float], float], dict[object, tuple[int, ...]]]:
    """Flagged records with their surprise, and the minutes' counts."""
    row = MinuteCountRow
    numbers = (row.scored, row.flagged, row.exceeding_1, row.exceeding_2, row.exceeding_3, row.exceeding_4)
    with reading(engine) as session:
        found = session.execute(select(row.minute, *map(func.sum, numbers)).group_by(row.minute))
        counts: dict[object, tuple[int, ...]] = {minute: tuple(map(int, sums)) for minute, *sums in found}
    return {(one.entity, one.time.timestamp()): one.surprise for one in flagged_records(engine, "pump")}, counts


@pytest.mark.parametrize("size", [1, 7, 400])
def test_the_database_says_in_the_end_what_event_time_says(detector, open_store, size: int) -> None:
    """Flagged records, counts and alerts are those of the ordered stream, and every amended verdict replays."""
    lines = walk(240, 3)
    delays = np.random.default_rng(8).integers(0, ALLOWED, len(lines)) * (np.random.default_rng(9).random(240) < 0.3)
    late, ordered = Stage(late_seconds=ALLOWED), Stage()
    engines = []
    for stage, order in ((late, np.argsort(np.arange(240) + delays, kind="stable")), (ordered, np.arange(240))):
        stage.bundles.detectors["real"] = detector
        stage.registry.promote("real")
        engines.append(open_store(stage, f"stage-{len(engines)}"))
        for place in order.tolist():
            stage.broker.produce(lines[place][1])
        stage.run(records=size)
    (found, counts), (expected, expected_counts) = map(stored, engines)
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, abs=1e-4)
    assert counts == expected_counts
    verdicts = list(flagged_records(engines[0], "pump"))
    assert len(verdicts) > 5
    assert all(replay(detector, one).agrees for one in verdicts)
    with reading(engines[0]) as session:
        amended = sum(one.revision for one in verdicts)
        assert session.scalar(select(func.sum(AlertRow.records))) == len(verdicts)
    assert (amended > 0) == (size < 400)
    for engine in engines:
        engine.dispose()


def test_people_see_that_a_verdict_was_withdrawn(open_store) -> None:
    """The alert is closed; its page and the API say what was said before, what is said now, and because of what."""
    stage = Stage(late_seconds=ALLOWED)
    engine = open_store(stage, "seen")
    spike(stage, Sent(0, 50, 4.0), Sent(0, 45, 3.3))
    detail = alert_detail(engine, 1)
    assert detail is not None
    assert (detail.alert.status, detail.alert.records, detail.peak) == (AlertStatus.CLOSED, 0, None)
    assert not any(point.flagged for point in detail.trace)
    side = render(
        "alert_side.html", alert=detail.alert, peak=None, previous=(), events=detail.events, labels=(),
        opened=detail.opened, former=detail.former,
    )  # fmt: skip
    assert "Amended decisions" in side
    assert "memory[0]@41" in side
    assert "withdrawn by late records" in side
    assert "withdrawn when late records arrived" in render("alert_head.html", alert=detail.alert, peak=None, others=0)
    (former,) = AlertDetailOut.of(detail).former
    assert isinstance(former, FormerDecisionOut)
    assert (former.flagged, former.flagged_since, former.cause) == (True, False, "memory[0]@41")
    engine.dispose()
