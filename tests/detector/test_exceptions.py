"""What people except raises no alarm, and what stays strange of the same record still does."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from latentwatch.detector.corrected_readings import CorrectedDetector, corrected_values, under
from latentwatch.detector.decision import Decision, decide
from latentwatch.detector.interface import Detector
from latentwatch.detector.training import learn
from latentwatch.domain.clock import from_microseconds
from latentwatch.domain.exceptions import (
    Exceptions,
    Form,
    GroupThreshold,
    InForce,
    NormalDeviation,
    NormalHour,
    NormalLevel,
    NormalPlace,
    NormalValue,
    Side,
    form_from_json,
    form_to_json,
)
from latentwatch.domain.groups import GroupedBy
from latentwatch.domain.model_choice import ModelChoice
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.rules import NO_RULES, FeatureRules
from latentwatch.domain.schema import RecordSchema
from tests.detector.checks import read

SCHEMA = RecordSchema.model_validate(
    {"time": "at", "entity": "id", "features": {"amount": "numeric", "tax": "numeric", "country": "category"}}
)
THRESHOLD = 3.0
COUNTRIES = ("DE", "FR", "NL", "PL")
START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday


def payments(count: int, seed: int, country: str | None = None, amount: float = 1.0) -> Batch:
    """Payments a minute apart of two shops, perhaps all of one country or of an amount that does not fit its tax."""
    rng = np.random.default_rng(seed)
    due = np.exp(rng.normal(3, 0.5, count))
    return batch_from_columns(
        SCHEMA,
        {
            "amount": due * amount,
            "tax": 0.2 * due + rng.normal(0, 0.05, count),
            "country": [country] * count if country else rng.choice(COUNTRIES, count),
        },
        entities=np.array(["north", "south"], object)[np.arange(count) % 2],
        times=int(START.timestamp()) * 1_000_000 + np.arange(count, dtype=np.int64) * 60_000_000,
    )


@pytest.fixture(scope="module")
def alone() -> Detector:
    """Scores each payment on its own."""
    return learn(payments(4_000, 0), ModelChoice(), 1)


def decided(detector: Detector, batch: Batch, *forms: Form, until: datetime | None = None) -> Decision:
    """Under these exceptions, numbered from 1."""
    made = Exceptions(tuple(InForce(number, form, until) for number, form in enumerate(forms, 1)))
    serving = under(detector, made)
    contexts = read(serving, batch)
    return decide(serving, NO_RULES, THRESHOLD, batch, contexts, serving.score(batch, contexts), made)


def test_a_new_value_is_excepted(alone):
    """Every payment of a new country alarms; none does under the exception, which is told of each."""
    new = payments(40, 1, "NG")
    assert len(decided(alone, new).rows) == 40
    found = decided(alone, new, NormalValue(feature="country", value="NG"))
    assert len(found.rows) == 0
    assert set(found.excepted.values()) == {1}
    assert len(found.excepted) == 40


def test_what_stays_strange_still_alarms(alone):
    """A payment of the excepted country with an amount far beyond the usual is flagged, and says what was passed over."""
    found = decided(alone, payments(40, 1, "NG", amount=30.0), NormalValue(feature="country", value="NG"))
    assert len(found.rows) >= 38
    assert all(grounds.discounted == ("country",) and grounds.remaining >= THRESHOLD for grounds in found.grounds)


def test_of_another_value_or_entity_nothing_is_excepted(alone):
    """The exception is as narrow as it says."""
    assert len(decided(alone, payments(40, 1, "XX"), NormalValue(feature="country", value="NG")).rows) == 40
    only = decided(alone, payments(40, 1, "NG"), NormalValue(feature="country", value="NG", entity="north"))
    assert only.rows.tolist() == list(range(1, 40, 2))


def test_an_exception_ends_by_the_records_own_time(alone):
    """Records from its end on alarm again, whenever they are scored."""
    until = START + timedelta(minutes=10)
    found = decided(alone, payments(40, 1, "NG"), NormalValue(feature="country", value="NG"), until=until)
    assert found.rows.tolist() == list(range(10, 40))


def test_a_place_is_excepted(alone):
    """Amounts in a range are; those beyond it are not."""
    one = payments(40, 1, amount=30.0)
    amounts = one.numbers[:, 0]
    middle = float(np.median(amounts))
    inside = NormalPlace(sides=(Side(feature="amount", low=0.0, high=middle),))
    found = decided(alone, one, inside)
    assert (amounts[list(found.excepted)] <= middle).all()
    assert len(found.excepted) >= 15
    assert (amounts[found.rows] > middle).mean() > 0.9


def test_an_hour_of_the_week_is_excepted(alone):
    """By a clock's own hours, also where its zone is not whole hours off UTC."""
    strange = payments(300, 1, amount=30.0)
    for zone, first in (("UTC", 60), ("Asia/Kolkata", 30)):  # 01:00 UTC; 05:30 to 06:30 there is 00:00 to 01:00 UTC
        hour = NormalHour(weekday=0, hour=1 if zone == "UTC" else 6, timezone=zone, about=("amount", "tax"))
        rows = np.array(sorted(decided(alone, strange, hour).excepted))
        assert len(rows) > 50
        assert rows.min() >= first
        assert rows.max() < first + 60


def test_small_deviations_are_excepted(alone):
    """Those above the smallest that counts alarm."""
    strange = payments(40, 1, amount=3.0)
    before = decided(alone, strange)
    off = np.abs(alone.deviations(strange, read(alone, strange), ["amount"])[:, 0])
    least = float(np.median(off[before.rows]))
    found = decided(alone, strange, NormalDeviation(feature="amount", least=least))
    assert len(before.rows) > 20
    assert 0 < len(found.rows) < len(before.rows)
    assert (off[found.rows] >= least).all()
    assert (off[list(found.excepted)] < least).all()


def test_a_limit_counts_whatever_is_excepted(alone):
    """What somebody set as a limit always alarms."""
    told = {"amount": {"type": "numeric", "alarm_above": 1.0}, "tax": "numeric", "country": "category"}
    rules = FeatureRules.of(RecordSchema.model_validate({"features": told}), SCHEMA)
    new = payments(10, 1, "NG")
    contexts = read(alone, new)
    made = Exceptions((InForce(1, NormalValue(feature="country", value="NG")),))
    found = decide(alone, rules, THRESHOLD, new, contexts, alone.score(new, contexts), made)
    assert len(found.rows) == 10
    assert not found.excepted


def test_of_several_exceptions_the_one_that_suffices_is_told(alone):
    """What an exception muted is counted under it alone."""
    place = NormalPlace(sides=(Side(feature="tax", low=-100.0, high=100.0),))
    found = decided(alone, payments(40, 1, "NG"), place, NormalValue(feature="country", value="NG"))
    assert set(found.excepted.values()) == {2}


PLANT = RecordSchema.model_validate(
    {"time": "at", "features": {"load": "numeric", "temp": "numeric", "vib": "numeric", "mode": "category"}}
)


def plant(count: int, seed: int, mode: str | None = None, **since: tuple[int, float]) -> Batch:
    """A load and what follows from it, a second apart, and sensors that are off from some row on."""
    rng = np.random.default_rng(seed)
    load = 50 + 10 * np.sin(np.arange(count) / 40) + np.convolve(rng.normal(size=count + 20), np.ones(21) / 4, "valid")
    columns = {
        "load": load,
        "temp": 30 + 0.6 * load + rng.normal(size=count) * 0.5,
        "vib": 1 + 0.02 * load + rng.normal(size=count) * 0.1,
        "mode": [mode or "AB"[(row // 300) % 2] for row in range(count)],
    }
    for name, (row, by) in since.items():
        columns[name][row:] += by
    return batch_from_columns(PLANT, columns)


@pytest.fixture(scope="module")
def in_time() -> Detector:
    """Scores each record with its past."""
    return learn(plant(4_000, 0), ModelChoice(), 16)


def test_a_level_is_excepted_before_the_past_is_remembered(in_time):
    """A recalibrated sensor is calm from its first record on, and a fault of another is found as if nothing had been."""
    moved, level = {"temp": (300, 12.0)}, NormalLevel(feature="temp", shift=12.0, since=from_microseconds(300_000_000))
    assert len(decided(in_time, plant(900, 1, **moved)).rows) > 500
    assert len(decided(in_time, plant(900, 1, **moved), level).rows) < 10
    with_fault, fault_alone = plant(900, 1, **moved, vib=(600, 1.5)), plant(900, 1, vib=(600, 1.5))
    found = decided(in_time, with_fault, level)
    assert found.rows.tolist() == decided(in_time, fault_alone).rows.tolist()
    assert (found.rows >= 600).mean() > 0.95
    assert len(found.rows) > 250


def test_a_new_word_of_records_with_a_past_is_remembered_as_another(in_time):
    """A mode never seen before is read as one that is usual."""
    new = plant(600, 1, mode="C")
    excepted = NormalValue(feature="mode", value="C", instead="A")
    assert len(decided(in_time, new).rows) > len(decided(in_time, new, excepted).rows) + 100
    assert decided(in_time, new, excepted).rows.tolist() == decided(in_time, plant(600, 1, mode="A")).rows.tolist()


def test_what_was_corrected_is_told_as_it_came(in_time):
    """Expected values stand at the level that is normal now; what a record was read as is told apart."""
    batch = plant(900, 1, temp=(300, 12.0))
    made = Exceptions((InForce(1, NormalLevel(feature="temp", shift=12.0, since=from_microseconds(300_000_000))),))
    detector = under(in_time, made)
    contexts = read(detector, batch)
    last = np.array([800])
    explained = detector.explain(batch.take(last), contexts.take(last), detector.score(batch, contexts).take(last))[0]
    assert abs(explained.expected["temp"] - batch.numbers[800, 1]) < 3.0
    read_as = corrected_values(detector, batch)
    assert read_as[299] == {}
    assert read_as[800] == {"temp": pytest.approx(batch.numbers[800, 1] - 12.0)}


def test_a_detector_is_itself_where_nothing_acts_before_the_past(alone, in_time):
    """The scorer's speed is what it was."""
    value = Exceptions((InForce(1, NormalValue(feature="country", value="NG")),))
    assert under(alone, value) is alone
    assert under(alone, Exceptions()) is alone
    corrected = under(in_time, Exceptions((InForce(1, NormalValue(feature="mode", value="C")),)))
    assert isinstance(corrected, CorrectedDetector)
    assert under(corrected, Exceptions()) is in_time


@pytest.mark.parametrize(
    "form",
    [
        NormalValue(feature="country", value="NG", entity="north"),
        NormalPlace(sides=(Side(feature="amount", low=1.0, high=2.0),)),
        NormalLevel(feature="temp", shift=-6.0, since=START),
        NormalHour(weekday=6, hour=2, timezone="Europe/Berlin", about=("amount",)),
        NormalDeviation(feature="amount", least=2.5),
    ],
    ids=lambda form: form.form,
)
def test_forms_are_stored_as_json(form):
    """And read back as they were; each says itself in words."""
    assert form_from_json(form_to_json(form)) == form
    assert form.in_words


def test_a_group_has_a_threshold_of_its_own(alone):
    """Raised, the group's weaker records pass and are told as excepted; lowered, more are flagged; others stay as they were."""
    batch = payments(400, 1, amount=1.1)
    surprise = alone.score(batch, read(alone, batch)).surprise
    north = batch.entities == "north"
    before = decided(alone, batch).rows
    raised = GroupThreshold(by=GroupedBy.ENTITY, value="north", shift=1.0)
    lowered = GroupThreshold(by=GroupedBy.ENTITY, value="north", shift=-1.0)
    for form in (raised, lowered):
        found = decided(alone, batch, form)
        edge = np.where(north, THRESHOLD + form.shift, THRESHOLD).astype(np.float32)
        assert found.rows.tolist() == np.flatnonzero(surprise >= edge).tolist()
        assert set(before.tolist()) - set(found.rows.tolist()) == set(found.excepted)
    assert len(decided(alone, batch, raised).rows) < len(before) < len(decided(alone, batch, lowered).rows)


def test_groups_are_told_by_entity_value_and_hour(alone):
    """Each covers its own records and is read back as it was; of several the largest shift counts."""
    batch = payments(400, 1)
    by_value = GroupThreshold(by=GroupedBy.FIELD, field="country", value="FR", shift=0.5)
    by_hour = GroupThreshold(by=GroupedBy.HOUR, value="02", shift=-0.8, timezone="Europe/Berlin")
    for form in (by_value, by_hour):
        assert form_from_json(form_to_json(form)) == form
    assert by_value.covers(batch).tolist() == (batch.categories[:, 0] == "FR").tolist()
    hours = [from_microseconds(int(moment)).hour for moment in batch.times]
    assert by_hour.covers(batch).tolist() == [hour == 1 for hour in hours]  # an hour before by the clock of Greenwich
    both = Exceptions((InForce(1, by_value), InForce(2, by_hour))).thresholds(3.0, batch)
    assert set(np.round(both[by_hour.covers(batch)], 6)) == {2.2}
    with pytest.raises(ValueError, match="names it"):
        GroupThreshold(by=GroupedBy.FIELD, value="FR", shift=1.0)
    with pytest.raises(ValueError, match="other than 0"):
        GroupThreshold(by=GroupedBy.ENTITY, value="north", shift=0.0)
