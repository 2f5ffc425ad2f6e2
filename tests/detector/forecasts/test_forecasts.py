"""Forecasts beside the components: what they find, what they promise, and that they keep what every detector must."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from pydantic import ValidationError

from latentwatch.detector.carrying_on import carried_on
from latentwatch.detector.decision import decide
from latentwatch.detector.forecasts.calendar import places
from latentwatch.detector.forecasts.cycles import find_cycle
from latentwatch.detector.forecasts.detector import ForecastDetector
from latentwatch.detector.forecasts.fitting import add_forecasts
from latentwatch.detector.interface import Contexts
from latentwatch.detector.metrics import is_metric, regular_pace
from latentwatch.detector.sequences.detector import SequenceDetector
from latentwatch.detector.training import learn
from latentwatch.domain.model_choice import ModelChoice
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.record import Batch
from latentwatch.domain.rules import NO_RULES, FeatureRules
from latentwatch.domain.schema import RecordSchema
from latentwatch.domain.scores import Scores
from latentwatch.streams.context.context_store import ContextStore
from tests.detector.checks import CHECKS, read
from tests.detector.forecasts.conftest import DAILY, load, metric

THOUSANDTH = AlertPolicy(false_alarm_rate=0.001)


def scored(detector: ForecastDetector, batch: Batch) -> Scores:
    return detector.score(batch, read(detector, batch))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_it_keeps_what_every_detector_must(detector, check):
    """Normal weeks that follow, and values whose times were shuffled."""
    following = load(7, seed=2, start=35)
    check(detector, metric(following, 35), metric(np.random.default_rng(3).permutation(following), 35))


def test_a_peak_that_does_not_come_is_found_by_the_clock_alone(detector):
    """The components see a quiet stretch such as every night has; the forecast knows that it is afternoon."""
    values = load(10, seed=4, start=35)
    missing = slice(5 * DAILY + 20, 5 * DAILY + 40)
    values[missing] = 100 + 4 * np.random.default_rng(5).normal(size=20)
    batch = metric(values, 35)
    scores = scored(detector, batch)
    assert scores.surprise[missing].max() >= detector.threshold(THOUSANDTH)
    assert scores.components["components"][missing].max() < 3.0
    assert (scores.surprise[: missing.start] >= 3.0).mean() < 0.01


def test_a_level_that_steps_is_told_and_then_forecast(detector):
    """Half a day of alarms, and not one for ever; the components alone alarm on."""
    values = load(30, seed=6, start=35)
    step = 5 * DAILY
    values[step:] += 40
    scores = scored(detector, metric(values, 35))
    assert scores.surprise[step : step + 4].max() >= 3.0
    later = slice(step + 3 * DAILY, None)
    assert (scores.surprise[later] >= 3.0).mean() < 0.005
    assert (scores.components["components"][later] >= 3.0).mean() > 0.1


def test_where_a_batch_is_cut_does_not_matter(detector):
    """Forecasts and their states have the same bits; what the components say differs by rounding at most."""
    batch = metric(load(6, seed=7, start=35), 35)
    owners = np.zeros(len(batch), np.intp)
    whole, pieces = detector.context.fresh([""]), detector.context.fresh([""])
    at_once = detector.context.extend(whole, owners, batch)
    cut = [
        detector.context.extend(pieces, owners[a:b], batch.take(slice(a, b))).features
        for a, b in ((0, 1), (1, 100), (100, len(batch)))
    ]
    width = detector.context.forecaster.state_size
    first = detector.components.context.state_size
    assert np.array_equal(whole[:, first : first + width], pieces[:, first : first + width])
    np.testing.assert_allclose(np.concatenate(cut), at_once.features, atol=1e-4)


def test_the_explanation_expects_what_the_hour_shows(detector):
    """At three in the afternoon a night's value is wrong, and the afternoon's is expected."""
    values = load(8, seed=8, start=35)
    at = 5 * DAILY + 30
    values[at] = 100.0
    batch = metric(values, 35)
    contexts = read(detector, batch)
    row = np.array([at])
    scores = detector.score(batch, contexts)
    told = detector.explain(batch.take(row), contexts.take(row), scores.take(row))[0]
    assert told.expected["load"] == pytest.approx(160.0, abs=12.0)


def test_a_short_history_is_promised_by_what_was_lately(detector):
    """Two weeks calibrate nothing: the note says so, and unseen normal records are flagged about as promised."""
    assert not any("short" in note for note in detector.notes)
    short = learn(metric(load(14, seed=9)), ModelChoice(effort="light"), 32)
    assert any("The history is short" in note for note in short.notes)
    assert "too few weeks" in short.notes[0]
    scores = scored(short, metric(load(60, seed=10, start=14), 14))
    assert 0.002 < (scores.surprise >= short.threshold(AlertPolicy(false_alarm_rate=0.01))).mean() < 0.02


def office(seed: int) -> np.ndarray:
    """Ten weeks of half hours: a wave every day, three times as high on working days, and on the last Saturday but one as high."""
    rows = np.arange(70 * DAILY)
    day = rows // DAILY
    works = (day % 7 < 5) | (day == 61)
    wave = 0.5 * (1 - np.cos(2 * np.pi * rows / DAILY))
    return np.asarray(20 + np.where(works, 60, 20) * wave + 3 * np.random.default_rng(seed).normal(size=len(rows)))


def test_a_saturday_like_a_working_day_is_found():
    """At default settings, by eight weeks of history less what judges the model; the other thirteen days are normal."""
    flagged_elsewhere = []
    for seed in range(3):
        values, learned, served = office(seed), 45 * DAILY, 56 * DAILY
        trained = learn(metric(values[:learned]), ModelChoice(effort="light"), 32)
        assert isinstance(trained, ForecastDetector)
        assert trained.context.forecaster.week_worth[0] > 0.5
        flagged = scored(trained, metric(values[served:], 56)).surprise >= trained.threshold(AlertPolicy())
        day = 56 + np.arange(len(flagged)) // DAILY
        assert flagged[day == 61].any()
        flagged_elsewhere.append(flagged[day != 61])
    assert np.mean(flagged_elsewhere) <= 2 * 0.003
    bundled = ForecastDetector.from_bundle(trained.arrays(), trained.meta())
    assert bundled.context.forecaster.week_worth.tolist() == trained.context.forecaster.week_worth.tolist()


def test_it_is_found_where_scoring_begins_on_it():
    """Once the model was judged it begins where the history ended: the Friday before, not eleven days before."""
    values, learned, judged = office(0), 49 * DAILY, 61 * DAILY
    trained = learn(metric(values[:learned]), ModelChoice(effort="light"), 32)
    saturday = metric(values[judged : judged + DAILY], 61)
    threshold = trained.threshold(AlertPolicy())
    assert isinstance(trained, ForecastDetector)
    assert not (scored(trained, saturday).surprise >= threshold).any()
    carried = carried_on(trained, metric(values[learned:judged], 49))
    assert isinstance(carried, ForecastDetector)
    assert (scored(carried, saturday).surprise >= threshold).any()


def test_it_is_carried_on_as_if_it_had_been_served(detector):
    """The states of forecasts and of lately are those of a scorer that read the holdout; the rest is as it was judged."""
    holdout = metric(load(3, seed=12, start=35), 35)
    carried = carried_on(detector, holdout)
    served = detector.context.fresh([""])
    detector.context.extend(served, np.zeros(len(holdout), np.intp), holdout)
    at = detector.components.context.state_size
    assert np.array_equal(carried.context.fresh([""])[:, at:], served[:, at:])
    assert np.array_equal(carried.context.fresh(["stranger"]), detector.context.fresh(["stranger"]))
    judged, now = detector.arrays(), carried.arrays()
    assert [name for name in judged if not np.array_equal(judged[name], now[name])] == ["starts"]


def test_weekdays_that_do_not_matter_are_worth_nothing(detector):
    """Each day of the fixture is like every other; a bundle of before it was measured asks nothing of the week."""
    assert detector.context.forecaster.week_worth[0] < 0.3
    old = {name: array for name, array in detector.arrays().items() if not name.endswith("week_worth")}
    assert not ForecastDetector.from_bundle(old, detector.meta()).context.forecaster.week_worth.any()


def test_where_no_budget_is_said_a_metric_has_a_record_a_day_at_most(detector):
    """Of a metric every ten minutes one in 144 would be more than .3 %; of one every minute it is the smaller."""
    assert detector.threshold(AlertPolicy()) >= -np.log10(0.003)
    minutely = replace(detector, pace=replace(detector.pace, cadence=60.0))
    assert minutely.threshold(AlertPolicy()) >= np.log10(1440)


def test_what_was_found_is_said(detector):
    """Most of the variance is the day's; a metric without one says that too."""
    assert detector.notes[0].startswith("load repeats every day: 9")
    random = np.random.default_rng(11)
    flat = learn(metric(random.normal(size=1000)), ModelChoice(effort="light"), 32)
    assert (
        flat.notes[0] == "load: the time of day tells nothing that its recent past does not; it is forecast from that."
    )


@pytest.mark.parametrize("records", [8, 37.3, 101.7])
def test_a_cycle_that_no_clock_knows_is_found_and_missed(records):
    """Its length to a thousandth, also with gaps and a level that wanders; a round that does not come is an alarm."""
    random = np.random.default_rng(19)
    pulses = (np.arange(4000) / records % 1.0 < 0.2) * 10.0
    values = pulses + random.normal(size=4000) + 0.05 * random.normal(size=4000).cumsum()
    there = np.flatnonzero(random.random(3000) > 0.05)
    assert find_cycle(values[there], there) == pytest.approx(records, rel=1e-3)
    assert find_cycle(random.normal(size=3000), np.arange(3000)) is None
    values[3500 : 3500 + round(records)] -= pulses[3500 : 3500 + round(records)]
    cycled = learn(metric(values[:3000]), ModelChoice(effort="light"), 32)
    assert cycled.notes[0].startswith("load repeats every ")
    following = metric(values[3000:])
    following = replace(following, times=following.times + 3000 * 1_800_000_000)
    surprise = scored(cycled, following).surprise
    assert surprise[500 : 500 + round(records)].max() > 2.5
    assert (surprise[:500] >= 2.5).mean() < 0.02


def test_gaps_missing_values_and_strangers_are_survived(detector):
    """Scores stay finite, a silence starts lags again, and an entity never heard of begins with the usual day."""
    values = load(4, seed=12, start=40)
    values[10:20] = np.nan
    late = metric(values, 40)
    assert np.isfinite(scored(detector, late).surprise).all()
    early = metric(load(3, seed=13), -20)  # before training ended
    assert np.isfinite(scored(detector, early).surprise).all()
    strange = replace(late, entities=np.full(len(late), "other", object))
    contexts = detector.context.extend(detector.context.fresh(["other"]), np.zeros(len(late), np.intp), strange)
    assert (detector.score(strange, contexts).surprise[DAILY:] >= 3.0).mean() < 0.05


def test_a_scorer_that_restarts_goes_on_where_it_was(detector):
    """What was lately, tables and weights are in the snapshot: the same scores as without the restart, to the bit."""
    batch = metric(load(6, seed=33, start=35), 35)
    halves = [batch.take(slice(0, 3 * DAILY)), batch.take(slice(3 * DAILY, None))]
    unbroken, before, after = (ContextStore(detector.context) for _ in range(3))
    expected_scores = [detector.score(half, unbroken.extend(half)) for half in halves]
    before.extend(halves[0])
    shot = before.snapshot(0, 3 * DAILY, "bundle")
    assert after.load(0, shot.head, list(dict(shot.chunks).values()))
    again = detector.score(halves[1], after.extend(halves[1]))
    assert np.array_equal(again.surprise, expected_scores[1].surprise)


def test_a_silence_is_no_alarm_when_it_ends(detector):
    """Twelve days after training, on twelve streams, the first day looks as any other; lags and averages begin anew."""
    first = [scored(detector, metric(load(1, seed=seed, start=47), 47)).surprise for seed in range(20, 32)]
    assert (np.concatenate(first) >= 2.0).mean() <= 0.03


def test_states_go_on_in_another_model_s_scales(detector):
    """A model that was trained on a wider and lower day forecasts this one from where the former model was."""
    other = learn(metric(1.3 * load(35, seed=1) - 50), ModelChoice(effort="light"), 32)
    states = detector.context.fresh([""])
    detector.context.extend(states, np.zeros(3 * DAILY, np.intp), metric(load(3, seed=14, start=35), 35))
    adopted = other.context.adopt(states, detector.context)
    following = metric(load(1, seed=15, start=38), 38)
    here, there = (
        expected(each, each.context.extend(known, np.zeros(DAILY, np.intp), following), following)
        for each, known in ((detector, states), (other, adopted))
    )
    np.testing.assert_allclose(there, here, atol=2.0)
    assert np.abs(here - following.numbers[:, 0]).mean() < 6.0


def expected(detector: ForecastDetector, contexts: Contexts, batch: Batch) -> np.ndarray:
    """[N] the forecasts, in units."""
    told = detector.explain(batch, contexts, detector.score(batch, contexts))
    return np.array([each.expected["load"] for each in told])


def test_forecasts_are_for_metrics_alone(detector):
    """Without a time, faster than a minute, irregular or of many channels a detector stays what it was."""
    plain, values = detector.components, load(7, seed=16)
    random = np.random.default_rng(17)
    irregular = metric(values)
    irregular = replace(irregular, times=irregular.times + random.integers(0, 7, len(values)).cumsum() * 1_200_000_000)
    timeless = metric(values)
    timeless = replace(timeless, schema=timeless.schema.model_copy(update={"time": None}))
    for batch in (irregular, timeless, metric(values, minutes=0.1), metric(values[:100])):
        assert regular_pace(batch) is None
        assert not is_metric(batch)
        assert add_forecasts(plain, np.zeros(len(batch), np.float32), batch)[0] is plain
    many = {f"x{number}": load(7, seed=number) for number in range(9)}
    assert not is_metric(metric(many))
    assert isinstance(learn(metric(many), ModelChoice(effort="light"), 32), SequenceDetector)
    assert is_metric(metric(values))


def test_the_clock_is_put_back_with_its_zone():
    """Nine in the morning stays nine in the morning when summer time ends; the hour of the week too."""
    moments = [datetime(2026, 10, day, hour, tzinfo=UTC) for day, hour in ((24, 7), (25, 8))]
    times = np.array([round(moment.timestamp()) * 1_000_000 for moment in moments])
    day, week = places(times, "Europe/Berlin")
    assert (day * 24).tolist() == [9.0, 9.0]
    assert week.tolist() == [5 * 24 + 9.0, 6 * 24 + 9.0]
    assert (places(times, "UTC")[0] * 24).tolist() == [7.0, 8.0]


def test_a_zone_that_is_none_is_refused():
    """With what would be one; and a zone changes nothing of how records are read."""
    with pytest.raises(ValidationError, match="no time zone is called 'Berlin'"):
        RecordSchema.model_validate({"time": "at", "timezone": "Berlin", "features": {"x": "numeric"}})
    bare = {"time": "at", "features": {"x": "numeric"}}
    zoned = RecordSchema.model_validate({**bare, "timezone": "Europe/Berlin"})
    assert zoned.fingerprint() == RecordSchema.model_validate(bare).fingerprint()


@pytest.mark.parametrize(
    ("rule", "by", "counts"),
    [
        ({"direction": "down"}, 80, False),
        ({"direction": "up"}, 80, True),
        ({"direction": "up"}, -80, False),
        ({"ignore_below": 120}, 80, False),
    ],
)
def test_a_deviation_from_a_forecast_that_does_not_count_flags_nothing(detector, rule, by, counts):
    """Two hours of a morning, high or low."""
    values = load(10, seed=4, start=35)
    fault = slice(5 * DAILY + 12, 5 * DAILY + 16)
    values[fault] += by
    batch = metric(values, 35)
    told = RecordSchema.model_validate({"time": "at", "features": {"load": {"type": "numeric", **rule}}})
    contexts = read(detector, batch)
    scores = detector.score(batch, contexts)
    found = []
    for rules in (NO_RULES, FeatureRules.of(told, batch.schema)):
        rows, _, _ = decide(detector, rules, 3.0, batch, contexts, scores)
        found.append(int(((rows >= fault.start) & (rows < fault.stop)).sum()))
    without, under = found
    assert without >= 2
    assert (under >= 2) == counts
    assert counts or under == 0
