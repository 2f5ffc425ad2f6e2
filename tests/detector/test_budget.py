"""What a budget comes to: whose alarms it counts, and how rare a record calibration can tell of."""

import numpy as np
import pytest

from latentwatch.detector.budget import amount
from latentwatch.detector.judging import judge
from latentwatch.detector.sequences.pace import LEVELS, Pace, fit_pace
from latentwatch.detector.training import learn
from latentwatch.domain.model import Evaluation
from latentwatch.domain.model_choice import ModelChoice
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.record import batch_from_columns
from latentwatch.domain.schema import RecordSchema

WHOLE = AlertPolicy(false_alarms_per_day=2)
EACH = AlertPolicy(false_alarms_per_day=0.1, per="entity")
FLEET = Pace(1000 * 86_400.0, np.ones(len(LEVELS)), 1.0, 1000)
"""A thousand entities, a record a second each."""


def test_a_budget_of_each_entity_grows_with_their_number():
    """A tenth of an alarm a day of each of a thousand is a hundred in all, and finds what two in all would not."""
    each = FLEET.budget(EACH, resolution=9.0)
    assert each.asked == 100.0
    assert each.promised == pytest.approx(100.0, rel=0.02)
    assert each.each == pytest.approx(0.1, rel=0.02)
    assert each.is_kept
    assert each.in_words() is None
    assert FLEET.budget(WHOLE, resolution=9.0).threshold == pytest.approx(each.threshold + np.log10(50), abs=0.01)


def test_no_more_is_promised_than_calibration_can_tell():
    """Five minutes of a thousand entities tell of one in 300,000 records; two alarms a day would be one in 43 million."""
    budget = FLEET.budget(WHOLE, resolution=float(np.log10(300_001)))
    assert 10**budget.threshold == pytest.approx(300_001)
    assert budget.asked == 2.0
    assert budget.promised == pytest.approx(288, rel=0.01)
    said = budget.in_words()
    assert said is not None
    assert "2 false alarms a day of 1,000 entities together cannot be promised" in said
    assert "up to 290 alarms a day of normal records, 0.29 of each entity" in said


def test_a_share_of_records_is_kept_whatever_it_is():
    """Who asks for a share that nobody can vouch for gets it: that is the way to be quieter than the history can promise."""
    budget = FLEET.budget(AlertPolicy(false_alarm_rate=1e-8), resolution=5.0)
    assert budget.threshold == pytest.approx(8.0)
    assert budget.asked is None
    assert budget.is_kept


def test_a_short_history_does_not_lift_the_default_share():
    """Where nothing is said no more than .3 % of the records is flagged, even where a hundred records cannot tell of so few."""
    budget = Pace(24.0, np.ones(len(LEVELS)), 3600.0).budget(AlertPolicy(), resolution=2.0)
    assert 10**-budget.threshold == pytest.approx(0.003)


def test_entities_are_counted_and_kept_in_the_bundle():
    """What was learned of a fleet says of how many, and older bundles say one."""
    entities = np.arange(9_000) % 30
    times = np.arange(9_000) // 30 * 60_000_000
    pace = fit_pace(times, entities, np.zeros(9_000, np.float32))
    assert pace.entities == 30
    assert Pace.from_bundle(pace.arrays(), pace.meta()).entities == 30
    meta = {name: value for name, value in pace.meta().items() if name != "entities"}
    assert Pace.from_bundle(pace.arrays(), meta).entities == 1


def test_records_that_stand_alone_keep_to_the_same_scope_and_floor():
    """Without a window too: a budget of each is that of all times their number, and what is rarer than one in all
    records is not promised."""
    schema = RecordSchema.model_validate({"time": "at", "entity": "card", "features": {"a": "numeric", "b": "numeric"}})
    rows = np.random.default_rng(0).normal(size=(800, 2))
    names = np.array([f"card {k}" for k in range(40)], object)[np.arange(800) % 40]
    batch = batch_from_columns(
        schema, {"a": rows[:, 0], "b": rows[:, 1]}, entities=names, times=np.arange(800, dtype=np.int64) * 1_000_000
    )
    detector = learn(batch, ModelChoice(effort="light"), window=1)
    each = detector.budget(AlertPolicy(false_alarms_per_day=10, per="entity"))
    assert each.entities == 40
    assert each.asked == 400.0
    floored = detector.budget(WHOLE)
    assert not floored.is_kept
    assert floored.threshold == pytest.approx(floored.resolution)
    assert detector.threshold(WHOLE) == floored.threshold


def test_the_judge_says_what_cannot_be_promised_and_what_half_would_cost():
    """Before anything serves its reasons hold the sentence, and the alarms a day at which half would be found."""
    budget = FLEET.budget(WHOLE, resolution=5.0)
    evaluation = Evaluation(
        promised_rate=10**-budget.threshold,
        realised_rate=0.0,
        realised_interval=(0.0, 1e-4),
        holdout_records=10_000,
        faults_planted=28,
        faults_found=7,
        details={
            "unkept_budget": budget.in_words(),
            "half_found_at": 1e-4,
            "half_found_alarms": 8640.0,
            "budget": {"asked": 2.0, "promised": budget.promised, "entities": 1000},
        },
    )
    reasons = " ".join(judge(evaluation, None).reasons)
    assert "cannot be promised" in reasons
    assert "about 8,600 false alarms a day, 8.6 of each of 1,000 entities ('per: entity')" in reasons


@pytest.mark.parametrize(
    ("number", "text"), [(0.0123, "0.012"), (2.0, "2"), (86_400_000.0, "86,000,000"), (9.96, "10")]
)
def test_amounts_have_two_digits(number, text):
    """And commas between thousands."""
    assert amount(number) == text
