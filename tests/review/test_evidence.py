"""What convicts a record, and whether its verdict replays."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from latentwatch.detector.interface import Contexts
from latentwatch.domain.alert import FlaggedRecord
from latentwatch.domain.record import batch_from_columns
from latentwatch.domain.schema import Feature, FeatureType, RecordSchema
from latentwatch.domain.scores import Explanation
from latentwatch.review.evidence import expected_for, lines, surprises
from latentwatch.review.replay import replay
from latentwatch.streams.testing import FakeDetector
from tests.review.sketch import NOW, PUMP, flagged


def test_the_guilty_come_first_and_explain_nine_tenths():
    """Strongest first, at least three where there are, and nothing is left out."""
    record = flagged("rig-a", 1, NOW)
    shares = {f"f{n}": 10.0 / 2**n for n in range(12)}
    explained = replace(
        record,
        values=dict.fromkeys(shares, 1.0),
        explanation=Explanation(dict.fromkeys(shares, 0.5), shares, (), (), (0.0, 0.0)),
    )
    guilty, rest = lines(explained, None)
    assert [line.name for line in guilty] == ["f0", "f1", "f2", "f3"]
    assert sum(line.share for line in guilty) >= 0.9 * sum(shares.values())
    assert [line.name for line in (*guilty, *rest)] == list(shares)


def test_lines_compare_what_can_be_compared():
    """Numbers have a difference, words differ or not, missing values have neither."""
    by_name = {line.name: line for part in lines(flagged("rig-a", 1, NOW), PUMP.record) for line in part}
    assert (by_name["flow"].difference, by_name["flow"].unit) == (-40.0, "l/min")
    assert by_name["mode"].difference is None
    assert by_name["mode"].differs
    assert by_name["pressure"].difference is None


def test_every_component_is_named_once():
    """The whole first, both halves, then the others, never below zero."""
    record = replace(flagged("rig-a", 1, NOW), components={"density": 4.0, "dyn": 1.0, "odd_one": -0.5, "slow": 2.0})
    named = surprises(record)
    assert [one.name for one in named] == [
        "surprise",
        "reconstruction",
        "density",
        "slow change",
        "dynamics",
        "odd one",
    ]
    assert named[-1].value == 0.0


def test_a_forecast_is_for_a_time_by_the_clock_of_the_place():
    """Weekday and hour in the monitor's zone; a model without forecasts expects nothing of the clock."""
    record = replace(
        flagged("rig-a", 1, NOW), time=datetime(2026, 7, 4, 1, 30, tzinfo=UTC), components={"forecast": 4.0}
    )
    assert expected_for(record, "Europe/Berlin") == "for a Saturday, 3:30 am"
    assert expected_for(record, "America/New_York") == "for a Friday, 9:30 pm"
    assert expected_for(replace(record, components={}), "UTC") == ""


@pytest.fixture
def scored() -> tuple[FakeDetector, FlaggedRecord]:
    """A record as a detector scored it, with a missing value among the others."""
    schema = RecordSchema(
        features=(
            Feature(name="flow", type=FeatureType.NUMERIC),
            Feature(name="shut", type=FeatureType.BOOLEAN),
            Feature(name="pressure", type=FeatureType.NUMERIC),
        )
    )
    detector = FakeDetector(schema)
    batch = batch_from_columns(schema, {"flow": [7.5], "shut": [1.0], "pressure": [float("nan")]})
    contexts = Contexts(np.array([[2.0, 0.0, 1.0]], np.float32), np.array([9]))
    record = replace(
        flagged("", 1, NOW),
        surprise=float(detector.score(batch, contexts).surprise[0]),
        values=batch.values(0),
        context=contexts.features.astype("<f4").tobytes(),
    )
    return detector, record


def test_a_verdict_replays(scored: tuple[FakeDetector, FlaggedRecord]):
    """What was stored gives the stored score."""
    found = replay(*scored)
    assert found.stored == pytest.approx(5.5)
    assert found.agrees


def test_a_damaged_input_does_not_replay(scored: tuple[FakeDetector, FlaggedRecord]):
    """Another value or another context is noticed."""
    detector, record = scored
    assert not replay(detector, replace(record, values={**record.values, "flow": 7.6})).agrees
    other = np.array([2.1, 0.0, 1.0], "<f4").tobytes()
    assert not replay(detector, replace(record, context=other)).agrees
