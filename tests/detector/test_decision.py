"""What people say matters of a feature acts in the decision: limits always alarm, and what does not count is passed over."""

import numpy as np
import pytest
from pydantic import ValidationError

from latentwatch.detector.decision import decide
from latentwatch.detector.interface import Detector
from latentwatch.detector.training import learn
from latentwatch.domain.model_choice import ModelChoice
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.rules import Crossing, FeatureRules, Grounds
from latentwatch.domain.schema import RecordSchema
from tests.detector.checks import read

FEATURES = ("load", "temp", "vib", "flow")
SCHEMA = RecordSchema.model_validate({"time": "at", "features": dict.fromkeys(FEATURES, "numeric")})
THRESHOLD = 3.0
FAULT = slice(300, 360)


def records(count: int, seed: int, **shifted: float) -> Batch:
    """A load, what follows from it, and shifts of some sensors in `FAULT`."""
    rng = np.random.default_rng(seed)
    load = 50 + 10 * np.sin(np.arange(count) / 40) + np.convolve(rng.normal(size=count + 20), np.ones(21) / 4, "valid")
    columns = {
        "load": load,
        "temp": 30 + 0.6 * load + rng.normal(size=count) * 0.5,
        "vib": 1 + 0.02 * load + rng.normal(size=count) * 0.1,
        "flow": 100 - load + rng.normal(size=count),
    }
    for name, by in shifted.items():
        columns[name][FAULT] += by
    return batch_from_columns(SCHEMA, columns)


def rules(**temp: object) -> FeatureRules:
    """Of the temperature."""
    told = {**dict.fromkeys(FEATURES, "numeric"), "temp": {"type": "numeric", "unit": "°C", **temp}}
    return FeatureRules.of(RecordSchema.model_validate({"time": "at", "features": told}), SCHEMA)


@pytest.fixture(scope="module", params=[1, 16], ids=["alone", "with its past"])
def detector(request) -> Detector:
    """Both families of detectors."""
    return learn(records(3_000, 0), ModelChoice(), request.param)


def flagged(detector: Detector, of: FeatureRules, batch: Batch) -> dict[int, Grounds]:
    """Rows that are flagged, with their grounds."""
    contexts = read(detector, batch)
    rows, grounds, _ = decide(detector, of, THRESHOLD, batch, contexts, detector.score(batch, contexts))
    return dict(zip(rows.tolist(), grounds, strict=True))


def share(found: dict[int, Grounds]) -> float:
    """Of the fault's records, how many are flagged."""
    return len([row for row in found if FAULT.start <= row < FAULT.stop]) / (FAULT.stop - FAULT.start)


@pytest.mark.parametrize("shift", [{"temp": 6.0}, {"temp": -6.0, "flow": 9.0}, {"vib": 1.0}])
def test_what_has_ended_is_not_flagged(detector, shift):
    """Averages remember a fault for about a window; its alert ends sooner, and hardly a record of the fault is lost."""
    batch = records(600, 1, **shift)
    surprise = detector.score(batch, read(detector, batch)).surprise
    found = flagged(detector, FeatureRules(), batch)
    inside = np.flatnonzero(surprise[FAULT] >= THRESHOLD) + FAULT.start
    assert len(set(inside.tolist()) & set(found)) > 0.95 * len(inside)
    remembered = np.flatnonzero(surprise[FAULT.stop : FAULT.stop + 16] >= THRESHOLD) + FAULT.stop
    after = [row for row in found if FAULT.stop <= row < FAULT.stop + 16]
    if detector.context.width:
        assert len(remembered) >= 8
        assert len(after) <= 2 * len(remembered) / 3
    else:
        assert after == remembered.tolist()


@pytest.mark.parametrize(
    ("rule", "shift", "counts"),
    [
        ({"direction": "up"}, {"temp": -6.0}, False),
        ({"direction": "up"}, {"temp": 6.0}, True),
        ({"direction": "down"}, {"temp": 6.0}, False),
        ({"ignore_below": 8}, {"temp": 6.0}, False),
        ({"ignore_below": 8}, {"temp": -14.0}, True),
        ({"ignore_below": "20 %"}, {"temp": 6.0}, False),
        ({"ignore_below": "3 %"}, {"temp": 6.0}, True),
        ({"direction": "up", "ignore_below": 8}, {"temp": -6.0, "vib": 1.0}, True),
    ],
)
def test_deviations_that_do_not_count_flag_nothing(detector, rule, shift, counts):
    """Without the rule all are found; with it those that count, and another sensor's fault beside one that does not."""
    batch = records(600, 1, **shift)
    assert share(flagged(detector, FeatureRules(), batch)) > 0.9
    found = flagged(detector, rules(**rule), batch)
    assert share(found) > 0.9 if counts else share(found) < 0.05


def test_the_grounds_give_the_surprise_that_decided(detector):
    """Where a sensor is passed over and another convicts, the second score is kept, and can be had again."""
    batch = records(600, 1, temp=-6.0, vib=1.0)
    found = flagged(detector, rules(direction="up"), batch)
    grounds = found[FAULT.start + 30]
    assert grounds.discounted == ("temp",)
    assert grounds.remaining >= THRESHOLD
    contexts, row = read(detector, batch), np.array([FAULT.start + 30])
    alone = detector.score_without(batch.take(row), contexts.take(row), ["temp"], np.ones((1, 1), bool))
    assert alone.surprise[0] == pytest.approx(grounds.remaining, abs=1e-4)
    assert Grounds.from_json(grounds.to_json()) == grounds


def test_a_limit_always_alarms_and_says_so(detector):
    """Whatever the surprise says, at the limit itself not yet; what is missing crosses none."""
    batch = records(600, 1)
    highest = int(batch.numbers[:, 1].argmax())
    value = float(batch.numbers[highest, 1])
    without, limit = flagged(detector, rules(alarm_above=value), batch), value - 0.01
    assert highest not in without
    found = flagged(detector, rules(alarm_above=limit), batch)
    grounds = found.pop(highest)
    assert found == without
    assert grounds.crossed == (Crossing("temp", value, limit, "°C"),)
    assert grounds.in_words == (f"temp is {value:.6g} °C, above its limit of {limit:.6g} °C.",)
    batch.numbers[highest, 1] = np.nan
    assert not any(each.crossed for each in flagged(detector, rules(alarm_above=limit), batch).values())


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"type": "category", "direction": "up"}, "for numeric features"),
        ({"type": "numeric", "ignore_below": "much"}, "a share such as '5 %'"),
        ({"type": "numeric", "ignore_below": 0}, "positive number"),
        ({"type": "numeric", "alarm_above": 1, "alarm_below": 2}, "all is an alarm"),
    ],
)
def test_rules_that_mean_nothing_are_refused(told, why):
    """With a sentence that says what to write."""
    with pytest.raises(ValidationError, match=why):
        RecordSchema.model_validate({"features": {"x": told}})


def test_rules_change_nothing_of_what_a_model_reads():
    """The fingerprint stays, so that no change of a rule asks for a training."""
    told = {"type": "numeric", "direction": "up", "ignore_below": "5 %", "alarm_above": 3.0}
    bare, ruled = (RecordSchema.model_validate({"features": {"x": each}}) for each in ("numeric", told))
    assert bare.fingerprint() == ruled.fingerprint()
    assert not bare.compared_with(ruled).prevent_scoring
