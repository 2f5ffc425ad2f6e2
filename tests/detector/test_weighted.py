"""A muted number leaves score, memory and explanation, whatever it shows; a weight takes off a part."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from latentwatch.detector.decision import decide
from latentwatch.detector.interface import Detector
from latentwatch.detector.steps.detector import asking
from latentwatch.detector.training import learn
from latentwatch.detector.weighted import WeightedDetector, under_weights
from latentwatch.domain.importance import Importance
from latentwatch.domain.model_choice import ModelChoice
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.rules import NO_RULES, FeatureRules, Grounds
from latentwatch.domain.schema import RecordSchema
from latentwatch.domain.steps import AfterStep
from latentwatch.review.replay import replay
from latentwatch.streams.outcomes import Scored, Serving, describe
from tests.detector.checks import read
from tests.detector.test_decision import FAULT, FEATURES, SCHEMA, THRESHOLD, records

BROKEN = 100
"""Record from which the sensor is broken."""


@pytest.fixture(scope="module", params=[1, 16], ids=["alone", "with its past"])
def detector(request) -> Detector:
    """Both families of detectors."""
    return learn(records(3_000, 0), ModelChoice(), request.param)


def broken(batch: Batch, how: str) -> Batch:
    """The temperature breaks and stays so."""
    numbers, temp = batch.numbers.copy(), batch.schema.numbers.index("temp")
    noise = np.random.default_rng(9).normal(0, 500, len(batch) - BROKEN)
    shows = {
        "missing": np.nan,
        "stuck": numbers[BROKEN, temp],
        "zero": 0.0,
        "wild": noise,
        "sound": numbers[BROKEN:, temp],
    }
    numbers[BROKEN:, temp] = shows[how]
    return replace(batch, numbers=numbers)


def flagged(detector: Detector, batch: Batch) -> np.ndarray:
    """[N] which records are."""
    contexts = read(detector, batch)
    found = np.zeros(len(batch), bool)
    found[decide(detector, NO_RULES, THRESHOLD, batch, contexts, detector.score(batch, contexts)).rows] = True
    return found


@pytest.mark.parametrize("how", ["missing", "stuck", "zero", "wild", "sound"])
@pytest.mark.parametrize("shift", [{}, {"vib": 1.0}, {"flow": 15.0}])
def test_a_muted_sensor_is_calm_and_other_faults_are_found(detector, how, shift):
    """Also while it is broken for good: dead, stuck, or wild. Of the others' faults nearly every record is found."""
    batch, muted = broken(records(900, 1, **shift), how), under_weights(detector, {"temp": 0.0})
    found = flagged(muted, batch)
    assert found[FAULT].mean() > 0.9 if shift else found[FAULT].mean() < 0.02
    assert np.concatenate([found[BROKEN : FAULT.start], found[FAULT.stop + 32 :]]).mean() < 0.01
    if how in ("missing", "wild"):
        assert flagged(detector, batch)[BROKEN:].mean() > 0.9, "what it is muted for"


def test_a_weight_takes_off_a_part_of_what_a_sensor_adds(detector):
    """The more the less it counts; another sensor's fault is as strange as ever."""
    batch = records(600, 1, temp=6.0)

    def strange(batch: Batch, weight: float) -> float:
        under = under_weights(detector, {"temp": weight})
        return float(under.score(batch, read(under, batch)).surprise[FAULT].mean())

    levels = [strange(batch, weight) for weight in (0.0, 0.3, 0.6, 0.9)]
    whole = float(detector.score(batch, read(detector, batch)).surprise[FAULT].mean())
    assert levels == sorted(levels)
    assert levels[0] < 0.5
    assert levels[2] == pytest.approx(0.6 * whole, rel=0.15)
    assert levels[3] < whole
    other = records(600, 1, vib=1.0)
    assert strange(other, 0.3) > 0.85 * float(detector.score(other, read(detector, other)).surprise[FAULT].mean())


def test_muted_ones_are_not_blamed(detector):
    """Contributions sum to what they did, without it."""
    batch, under = broken(records(600, 1, vib=1.0), "wild"), under_weights(detector, {"temp": 0.0})
    contexts, rows = read(under, batch), np.arange(FAULT.start + 20, FAULT.start + 24)
    some, around = batch.take(rows), contexts.take(rows)
    for each in under.explain(some, around, under.score(some, around)):
        assert each.contributions["temp"] == 0.0
        assert max(each.contributions, key=lambda name: each.contributions[name]) == "vib"
        assert sum(each.contributions.values()) > 0


@pytest.mark.parametrize("weight", [0.0, 0.4])
def test_what_is_flagged_says_the_weights_and_replays(detector, weight):
    """The stored record is scored again to the same surprise, and its grounds say what did not count."""
    told = {**dict.fromkeys(FEATURES, "numeric"), "temp": {"type": "numeric", "weight": weight}}
    rules = FeatureRules.of(RecordSchema.model_validate({"time": "at", "features": told}), SCHEMA)
    weighted = under_weights(detector, rules.weights)
    serving = Serving(asking(weighted, THRESHOLD, AfterStep.ASK), 1, THRESHOLD, rules)
    batch = broken(records(600, 1, vib=1.0), "wild" if weight == 0 else "sound")
    contexts, rows = read(serving.detector, batch), np.arange(FAULT.start + 20, FAULT.start + 24)
    scored = Scored(batch, serving.detector.score(batch, contexts), contexts).take(rows)
    for record in describe(scored, serving):
        assert record.grounds.weights == {"temp": weight}
        assert ("muted in the monitor" in record.grounds.in_words[-1]) == (weight == 0)
        assert Grounds.from_json(record.grounds.to_json()) == record.grounds
        found = replay(detector, record)
        assert found.agrees, (found.stored, found.replayed)


def test_without_weights_the_detector_is_itself(detector):
    """Where nothing is weighed nothing is asked: no wrapper, no cost."""
    assert under_weights(detector, {}) is detector
    assert under_weights(detector, {"not read": 0.0}) is detector
    under = under_weights(detector, {"temp": 0.5})
    assert isinstance(under, WeightedDetector)
    assert under_weights(under, {}) is detector
    assert FeatureRules.of(SCHEMA, SCHEMA).weights == {}


def test_the_fingerprint_knows_no_weight():
    """A change needs no training."""
    told = {**dict.fromkeys(FEATURES, "numeric"), "temp": {"type": "numeric", "weight": 0}}
    weighed = RecordSchema.model_validate({"time": "at", "features": told})
    assert weighed.fingerprint() == SCHEMA.fingerprint()


@pytest.mark.parametrize("weight", [-0.1, 1.5, float("nan"), "much"])
def test_what_is_no_weight_is_refused(weight):
    """It lies from 0 to 1."""
    with pytest.raises(ValueError, match="weight"):
        Importance(weight=weight)


MACHINES = RecordSchema.model_validate(
    {"time": "at", "features": {"load": "numeric", "heat": "numeric", "mode": "category", "maker": "category"}}
)


def machines(count: int, seed: int) -> Batch:
    """Load and heat, which remember and go together, by a mode that lasts; the maker has nothing to do with it."""
    random = np.random.default_rng(seed)
    mode = np.repeat(random.integers(0, 2, count // 25 + 1), 25)[:count]
    noise = random.normal(size=(count, 2))
    for row in range(1, count):
        noise[row] = 0.8 * noise[row - 1] + 0.6 * noise[row]
    load = 50 + 20 * mode + 2 * noise[:, 0]
    columns = {
        "load": load,
        "heat": 0.5 * load + 0.5 * noise[:, 1],
        "mode": np.array(["slow", "fast"])[mode],
        "maker": np.array(["north", "south"])[random.integers(0, 2, count)],
    }
    return batch_from_columns(MACHINES, columns, times=np.arange(count, dtype=np.int64) * 10_000_000)


@pytest.fixture(scope="module", params=[1, 16], ids=["alone", "with its past"])
def of_machines(request) -> Detector:
    """Both families, of records that hold words."""
    return learn(machines(3_000, 0), ModelChoice(effort="light"), request.param)


@pytest.mark.parametrize("word", ["slow", "never seen", None])
def test_a_muted_category_is_calm_whatever_it_says(of_machines, word):
    """One word for good, an unknown one, none; a number's fault is found as ever."""
    batch = machines(600, 1)
    categories, numbers = batch.categories.copy(), batch.numbers.copy()
    categories[BROKEN:, MACHINES.categories.index("mode")] = word
    numbers[400:420, MACHINES.numbers.index("heat")] += 15.0
    batch = replace(batch, categories=categories, numbers=numbers)
    found = flagged(under_weights(of_machines, {"mode": 0.0}), batch)
    assert found[400:420].mean() > 0.8
    assert np.concatenate([found[:400], found[460:]]).mean() < 0.02
    if word == "never seen":
        assert flagged(of_machines, batch)[BROKEN:].mean() > 0.5, "what it is muted for"


def test_a_category_has_a_weight_and_no_limits():
    """What a word adds can count less; it cannot rise."""
    record = {"time": "at", "features": {"mode": {"type": "category", "weight": 0}}}
    assert FeatureRules.of(RecordSchema.model_validate(record), MACHINES).weights == {"mode": 0.0}
    record["features"]["mode"]["direction"] = "up"
    with pytest.raises(ValidationError, match="'direction' is for numeric features"):
        RecordSchema.model_validate(record)
