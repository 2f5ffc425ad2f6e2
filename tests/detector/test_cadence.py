"""How far apart records are."""

import numpy as np

from latentwatch.detector.cadence import cadence_of


def test_the_cadence_is_an_entity_s_and_regular():
    """Of two entities' records between each other; none where intervals are all kinds, few or nothing."""
    times = np.arange(0, 100) * 150_000_000
    assert cadence_of(times, np.arange(100) % 2) == 300.0
    assert cadence_of(np.cumsum(times), np.zeros(100)) == 0.0
    assert cadence_of(times[:10], np.zeros(10)) == 0.0
    assert cadence_of(np.zeros(100, np.int64), np.zeros(100)) == 0.0
