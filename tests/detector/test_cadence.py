"""How far apart records are."""

import numpy as np

from latentwatch.detector.cadence import cadence_of, recurring_gap_of


def test_the_cadence_is_an_entity_s_and_regular():
    """Of two entities' records between each other; none where intervals are all kinds, few or nothing."""
    times = np.arange(0, 100) * 150_000_000
    assert cadence_of(times, np.arange(100) % 2) == 300.0
    assert cadence_of(np.cumsum(times), np.zeros(100)) == 0.0
    assert cadence_of(times[:10], np.zeros(10)) == 0.0
    assert cadence_of(np.zeros(100, np.int64), np.zeros(100)) == 0.0


def test_a_pause_is_usual_that_came_again_and_again():
    """Of jobs that run each hour by day the night is, of one that ran without a pause nothing; nor is what happened once."""
    hours = np.arange(24 * 28)
    by_day = hours[(hours % 24 >= 3)] * 3_600_000_000
    one = np.zeros(len(by_day))
    assert recurring_gap_of(by_day, one) == 4 * 3_600
    always = hours * 3_600_000_000
    assert recurring_gap_of(always, np.zeros(len(always))) == 0.0
    outage = always[(hours < 100) | (hours > 130)]
    assert recurring_gap_of(outage, np.zeros(len(outage))) == 0.0
