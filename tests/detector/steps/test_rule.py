"""A lasting change becomes a question; what is strange from there alarms as ever."""

import numpy as np
import pytest

from latentwatch.detector.lately import BINS, Lately
from latentwatch.detector.steps.rule import StepReading, follow, read, state_size
from latentwatch.domain.steps import ASKS, NOTHING, PASSES

DAILY, THRESHOLD = 48, 2.5
MEMORY = 14.0 * DAILY
STEP = 28 * DAILY
"""The record that a change begins with."""
FEATURES = 2


def stream(days: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Surprises as promised, and two features."""
    rng = np.random.default_rng(seed)
    surprises = -np.log10(rng.random(days * DAILY))
    return np.minimum(surprises, 2.4), rng.normal((10.0, 50.0), (1.0, 5.0), (days * DAILY, FEATURES))


def told(
    surprises: np.ndarray, values: np.ndarray, cuts: tuple[int, ...] = (), a_day: int = DAILY, **policy: bool
) -> StepReading:
    """What the rule says of records of one entity, half-hourly unless said otherwise, cut into batches."""
    states, bins = np.zeros((1, state_size(FEATURES)), np.float32), np.zeros((1, BINS), np.float32)
    memory, out = 14.0 * a_day, []
    lately = Lately(memory)
    for rows in np.split(np.arange(len(surprises)), cuts):
        owners, mine = np.zeros(len(rows), np.intp), surprises[rows].astype(np.float32)
        times = (1_772_409_600 + 86_400 // a_day * rows) * 1_000_000
        rare = lately.rank(bins, owners, mine)
        passes = {"passes": True, **policy}
        out.append(
            follow(
                states,
                owners,
                times,
                values[rows],
                mine,
                rare,
                np.full(len(mine), THRESHOLD, np.float32),
                memory,
                **passes,
            )
        )
    return read(np.concatenate(out))


def stepped(days: int = 56, until: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The second feature stands 20 higher from `STEP` on, which is strange."""
    surprises, values = stream(days)
    rng = np.random.default_rng(1)
    surprises[STEP:until] = rng.uniform(3.5, 4.5, len(surprises[STEP:until]))
    values[STEP:until, 1] += 20.0
    return surprises, values


def test_what_keeps_its_promise_is_never_asked_about() -> None:
    """Neither normal records nor a strange one in a hundred."""
    surprises, values = stream(84)
    surprises[::150] = 4.0
    assert not told(surprises, values).kind.any()


def test_a_step_is_asked_about_after_a_day_and_passes_from_then_on() -> None:
    """The question says since when and which feature moved from where to where; it comes again each week."""
    found = told(*stepped())
    asks = np.flatnonzero(found.kind == ASKS)
    assert DAILY <= asks[0] - STEP <= 3 * DAILY
    assert set(np.diff(asks).tolist()) == {7 * DAILY}
    assert found.since[asks[0]] == (1_772_409_600 + 1_800 * STEP) * 1_000
    feature, before, now = found.moved[asks[0], 0]
    assert feature == 1
    assert (float(before), float(now)) == pytest.approx((50.0, 70.0), abs=2.0)
    assert found.moved[asks[0], 1, 0] == -1
    later = found.kind[STEP + 7 * DAILY :]
    assert (later == NOTHING).mean() < 0.01


@pytest.mark.parametrize(("days", "asked"), [(1, False), (2, False), (4, False), (10, True)])
def test_of_one_record_a_day_a_few_are_no_lasting_change(days: int, asked: bool) -> None:
    """Two strange days are a tenth of two weeks."""
    surprises, values = stream(2)
    surprises[60 : 60 + days] = 4.0
    assert (told(surprises, values, a_day=1).kind == ASKS).any() == asked


def test_nothing_is_said_to_pass_where_the_whole_score_knows_what_is_usual_lately() -> None:
    """The question is asked all the same."""
    found = told(*stepped(), passes=False)
    assert (found.kind == ASKS).sum() == 4
    assert not (found.kind == PASSES).any()


@pytest.mark.parametrize("strangeness", [6.0, 9.0])
def test_a_second_fault_alarms(strangeness: float) -> None:
    """What is rare among the records since the step does not pass, for as long as it lasts, and the step goes on passing."""
    surprises, values = stepped()
    fault = slice(STEP + 10 * DAILY, STEP + 10 * DAILY + 12)
    surprises[fault] = strangeness
    found = told(surprises, values)
    assert (found.kind[fault] == NOTHING).all()
    assert (found.kind[fault.stop + 2 : fault.stop + DAILY] != NOTHING).all()


def test_a_step_that_went_back_is_over() -> None:
    """Three days later the same level is strange again, and alarms."""
    surprises, values = stepped(70, STEP + 10 * DAILY)
    again = slice(STEP + 20 * DAILY, STEP + 20 * DAILY + 24)
    surprises[again] = 4.0
    found = told(surprises, values)
    assert found.since[STEP + 19 * DAILY] == 0
    assert (found.kind[again] == NOTHING).all()


def test_a_weekend_between_is_no_end() -> None:
    """Two days of the old level, and the new one passes still."""
    surprises, values = stepped()
    weekend = slice(STEP + 10 * DAILY, STEP + 12 * DAILY)
    surprises[weekend] = 0.5
    found = told(surprises, values)
    assert (found.kind[weekend.stop : weekend.stop + DAILY] != NOTHING).all()


def test_faults_that_come_one_after_another_are_no_change_that_lasts() -> None:
    """A fifth of the records in ten faults a day."""
    surprises, values = stream(56)
    surprises[np.arange(len(surprises)) % 10 < 2] = 5.0
    assert not told(surprises, values).kind.any()


def test_it_does_not_matter_where_a_stream_is_cut() -> None:
    """To the bit."""
    surprises, values = stepped()
    whole, pieces = told(surprises, values), told(surprises, values, cuts=(1, 700, 1_346, 1_500))
    for one, other in zip(whole, pieces, strict=True):
        np.testing.assert_array_equal(one, other)


def test_wild_clocks_and_missing_values_break_nothing() -> None:
    """Times before 1970 and far ahead, features that are never there."""
    surprises, values = stepped()
    values[:, 0] = np.nan
    states, bins = np.zeros((1, state_size(FEATURES)), np.float32), np.zeros((1, BINS), np.float32)
    times = np.random.default_rng(0).integers(-(2**62), 2**62, len(surprises))
    owners, mine = np.zeros(len(surprises), np.intp), surprises.astype(np.float32)
    rare = Lately(MEMORY).rank(bins, owners, mine)
    found = follow(
        states, owners, times, values, mine, rare, np.full(len(mine), THRESHOLD, np.float32), MEMORY, passes=True
    )
    assert np.isfinite(found).all()
    assert np.isfinite(states).all()
