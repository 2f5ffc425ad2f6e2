"""From a budget to a threshold: episodes as the store makes alerts of them."""

import numpy as np
import pytest

from latentwatch.detector.sequences.pace import LEVELS, Pace, fit_pace
from latentwatch.domain.episodes import count_episodes
from latentwatch.domain.policies import AlertPolicy


def bursts(step: float, every: int, length: int, records: int = 60_000) -> tuple[np.ndarray, ...]:
    """Surprises of normal records `step` seconds apart, of which each stretch of `length`, `every` so many records, looks alike
    in every second record."""
    rng = np.random.default_rng(3)
    surprise = -np.log10(rng.uniform(size=records))
    for start in range(0, records, every):
        surprise[start : start + 2 * length : 2] = -np.log10(rng.uniform())
    return (
        (np.arange(records) * round(step * 1e6)).astype(np.int64),
        np.zeros(records, np.intp),
        surprise.astype(np.float32),
    )


@pytest.mark.parametrize(("step", "gap"), [(1.0, "auto"), (1800.0, "auto"), (1800.0, "5m"), (1800.0, "12h")])
def test_a_budget_counts_what_become_alerts(step, gap):
    """Stretches in which every second record is flagged are one alert where the gap says so, and else one a record; the same
    data hold about as many as budgeted."""
    times, entities, surprise = bursts(step, 3_000, 20)
    policy = AlertPolicy(false_alarms_per_day=4.0 if step == 1 else 0.05, group_gap=gap)
    pace = fit_pace(times, entities, surprise)
    flagged = surprise >= pace.threshold(policy)
    days = times[-1] / 86_400e6
    found = count_episodes(times[flagged], entities[flagged], policy.gap(pace.cadence))
    assert pace.cadence == step
    if step == 1:  # less than a day of history: the tail says how few
        assert found <= 8
    else:
        assert found / days == pytest.approx(policy.false_alarms_per_day, rel=0.5)


def test_chance_meetings_are_no_length():
    """Independent records that all meet within the gap make no budget cheap: records a day and their share say what it costs."""
    rng = np.random.default_rng(0)
    surprise = -np.log10(rng.uniform(size=50_000)).astype(np.float32)
    pace = fit_pace(np.arange(50_000) * 1_000_000, np.zeros(50_000, np.intp), surprise)
    assert pace.threshold(AlertPolicy(false_alarms_per_day=2)) == pytest.approx(np.log10(86_400 / 2), abs=0.15)


@pytest.mark.parametrize(("step", "threshold"), [(1.0, np.log10(86_400 / 2)), (3600.0, -np.log10(0.003))])
def test_where_no_budget_is_said_the_smaller_of_both_counts(step, threshold):
    """Two a day of a plant's seconds, .3 % of hours, of which two a day would be a twelfth; who says two gets them."""
    pace = Pace(86_400 / step, np.ones(len(LEVELS)), step)
    assert pace.threshold(AlertPolicy()) == pytest.approx(threshold, abs=0.01)
    assert pace.threshold(AlertPolicy(false_alarms_per_day=2)) == pytest.approx(np.log10(43_200 / step), abs=0.01)


def test_a_pace_of_before_gaps_were_told_apart_is_read():
    """Bundles that were written then serve on, whatever the gap."""
    old = Pace.from_bundle({"lengths": np.full(len(LEVELS), 2.0)}, {"records_per_day": 86_400.0})
    assert old.cadence == 0.0
    assert old.threshold(AlertPolicy(false_alarms_per_day=2)) == pytest.approx(np.log10(86_400 / 4), abs=0.01)
    with pytest.raises(ValueError, match="do not fit"):
        Pace.from_bundle({"lengths": np.ones(3)}, {"records_per_day": 1.0})
