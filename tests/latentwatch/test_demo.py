"""The demo's plant, what is counted of it, and that it empties no folder but its own; the whole loop runs in services."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from latentwatch.demo import run_demo
from latentwatch.demo_plant import FIRST_DAYS, LEAD_DAYS, RIGS, Feed, tally, write_history
from latentwatch.detector.faults import FaultKind, PlantedFault
from latentwatch.domain.alert import Alert, AlertKind, AlertStatus, Severity
from latentwatch.domain.errors import InvalidInput
from latentwatch.history import read_history
from latentwatch.plant import plant_schema

_BEGINS = datetime(2026, 5, 1, tzinfo=UTC)
_GRACE = timedelta(minutes=30)


@pytest.fixture(scope="module")
def feed() -> Feed:
    """Half a day of the plant, live."""
    return Feed(seed=1, begins=_BEGINS, days=0.5)


def test_history_ends_where_the_stream_begins(feed: Feed, tmp_path: Path):
    """No record is in both, none is missing between, and the archive's file reads back as history."""
    history = feed.history(-LEAD_DAYS, FIRST_DAYS - LEAD_DAYS)
    assert len(history) == round(FIRST_DAYS * 8_640) * RIGS
    latest = feed.history(-0.01, 0)
    first = next(feed.lines())
    assert first.time == _BEGINS
    assert latest.time(len(latest) - 1) == _BEGINS - timedelta(seconds=2.5)
    write_history(latest, tmp_path / "h.parquet")
    back = read_history(plant_schema(), [str(tmp_path / "h.parquet")])
    np.testing.assert_array_equal(back.numbers, latest.numbers)
    assert back.times.tolist() == latest.times.tolist()
    assert back.categories.tolist() == latest.categories.tolist()


def test_the_stream_is_in_time_order_with_some_messages_broken(feed: Feed):
    """Every good line is a record of a rig; the broken ones are extra."""
    lines = list(feed.lines())
    assert all(a.time <= b.time for a, b in pairwise(lines))
    good = [json.loads(line.payload) for line in lines if not line.broken]
    assert len(good) == feed.records
    assert {record["rig"] for record in good} == {f"rig-{number + 1}" for number in range(RIGS)}
    assert 0 < len(lines) - len(good) < feed.records // 1_000


def _fault(rig: str, start: int, end: int) -> PlantedFault:
    minute = timedelta(minutes=1)
    return PlantedFault(
        FaultKind.DRIFT, rig, _BEGINS + start * minute, _BEGINS + end * minute, (), np.zeros(0, np.intp)
    )


def _alert(rig: str, start: int, end: int) -> Alert:
    minute = timedelta(minutes=1)
    return Alert(
        id=1,
        monitor="plant",
        entity=rig,
        kind=AlertKind.ANOMALY,
        status=AlertStatus.OPEN,
        severity=Severity.LOW,
        started=_BEGINS + start * minute,
        ended=_BEGINS + end * minute,
        records=1,
        peak_surprise=5.0,
        threshold=4.0,
        model_version=1,
        features=(),
        verdict=None,
    )


def test_alerts_are_held_against_the_faults_that_were_planted():
    """A fault is found by an alert of its own rig while it lasts; what belongs to no fault is false."""
    faults = [_fault("r1", 10, 20), _fault("r2", 10, 20), _fault("r1", 200, 220)]
    alerts = [_alert("r1", 15, 30), _alert("r1", 45, 46), _alert("r1", 100, 101), _alert("r3", 15, 16)]
    found = tally(alerts, faults, _BEGINS + timedelta(minutes=60), _GRACE)
    assert (found.faults_planted, found.faults_found, found.false_alarms) == (2, 1, 2)


def test_a_folder_that_is_not_the_demos_is_left_alone(tmp_path: Path):
    """Somebody's files are never deleted."""
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InvalidInput, match="not the demo's"):
        run_demo(tmp_path, duration="1s", browser=False, as_json=True, seed=0, port=0)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
