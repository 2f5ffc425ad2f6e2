"""What convicts a record, and whether its verdict replays."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from latentwatch.detector.component_words import OF_PARTS
from latentwatch.detector.interface import Contexts
from latentwatch.detector.recipes import ALONE, SEQUENCE
from latentwatch.domain.alert import FlaggedRecord
from latentwatch.domain.record import batch_from_columns
from latentwatch.domain.schema import Feature, FeatureType, RecordSchema
from latentwatch.domain.scores import Explanation
from latentwatch.review.evidence import expected_for, lines, parts
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
    assert sum(line.share for line in guilty) >= 0.9 * record.surprise
    assert [line.name for line in (*guilty, *rest)] == list(shares)


def test_lines_compare_what_can_be_compared():
    """Numbers have a difference, words differ or not, missing values have neither."""
    by_name = {line.name: line for part in lines(flagged("rig-a", 1, NOW), PUMP.record) for line in part}
    assert (by_name["flow"].difference, by_name["flow"].unit) == (-40.0, "l/min")
    assert by_name["mode"].difference is None
    assert by_name["mode"].differs
    assert by_name["pressure"].difference is None


def _told(parts: dict[str, float], **fields: float) -> FlaggedRecord:
    record = flagged("rig-a", 1, NOW)
    return replace(record, explanation=replace(record.explanation, parts=parts), **fields)


def test_parts_are_named_and_sum_to_the_surprise():
    """Most first; a component is called as people call it."""
    named = parts(_told({"reconstruction": 1.0, "density": 0.5, "dyn": 3.0, "odd_one": 0.0}, surprise=4.5))
    assert [(one.name, one.value) for one in named] == [
        ("dynamics", 3.0),
        ("reconstruction", 1.0),
        ("density", 0.5),
        ("odd one", 0.0),
    ]


def test_parts_of_former_releases_never_exceed_the_surprise():
    """They kept each component's own surprise, and the halves beside them: 11.4 and more under a whole of 5.6."""
    record = _told({"slow": 2.0, "dyn": -0.5}, surprise=5.6, reconstruction=11.4, density=0.6)
    named = {one.name: one.value for one in parts(record)}
    assert list(named) == ["reconstruction", "slow change", "density", "dynamics"]
    assert sum(named.values()) == pytest.approx(5.6)
    assert named["dynamics"] == 0.0


def test_shares_of_features_sum_to_the_surprise():
    """Those of former releases, which summed to the reconstruction half, too."""
    record = replace(flagged("rig-a", 1, NOW), surprise=2.0, reconstruction=11.4)
    shown = [line for part in lines(record, PUMP.record) for line in part]
    assert sum(line.share for line in shown) == pytest.approx(2.0)


def test_every_part_of_a_recipe_has_words():
    """And no word is left of a component that is gone."""
    alone = {
        name
        for component, _ in ALONE.weighted
        for name in (
            *component.calibrated,
            *([component.name] if len(component.calibrated) < len(component.scores) else []),
        )
    }
    assert {*OF_PARTS} == {*SEQUENCE.weights, *alone, "novelty", "forecast"}


def test_a_forecast_is_for_a_time_by_the_clock_of_the_place():
    """Weekday and hour in the monitor's zone; a model without forecasts expects nothing of the clock."""
    record = replace(_told({"forecast": 4.0}), time=datetime(2026, 7, 4, 1, 30, tzinfo=UTC))
    assert expected_for(record, "Europe/Berlin") == "for a Saturday, 3:30 am"
    assert expected_for(record, "America/New_York") == "for a Friday, 9:30 pm"
    assert expected_for(replace(_told({}), time=record.time), "UTC") == ""


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
