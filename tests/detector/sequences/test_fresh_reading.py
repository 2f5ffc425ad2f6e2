"""What the judge reads of a holdout goes on from what came before it."""

import numpy as np
import pytest

from latentwatch.detector.fresh_reading import ANEW, Beginnings, read_fresh, records_before
from latentwatch.domain.rules import NO_RULES

pytestmark = pytest.mark.slow


def test_a_holdout_after_its_past_is_read_as_in_one_stream(detector, holdout):
    """Scores are those of one pass over everything; begun anew, the first records say something else."""
    late = holdout.take(holdout.times >= np.median(holdout.times))
    past = records_before(holdout, late)
    assert len(past) == len(holdout) - len(late)
    assert past.times.max() < late.times.min()
    begin = Beginnings.after(detector.context, past)
    whole = read_fresh(detector, holdout, 2.0, NO_RULES).scores.surprise[len(holdout) - len(late) :]
    ordered = np.argsort(holdout.times, kind="stable")
    assert (ordered == np.arange(len(holdout))).all()
    goes_on = read_fresh(detector, late, 2.0, NO_RULES, begin=begin)
    np.testing.assert_allclose(goes_on.scores.surprise, whole, atol=1e-3)
    assert not goes_on.scores.warming.any()
    anew = read_fresh(detector, late, 2.0, NO_RULES, begin=ANEW)
    assert anew.scores.warming.any()
    assert np.abs(anew.scores.surprise[:200] - whole[:200]).max() > 0.1


def test_records_before_are_of_the_entities_that_are_held_out(holdout):
    """Of an entity that is not in the holdout nothing is read; what comes later neither."""
    first = holdout.entities[0]
    mine = holdout.take(np.flatnonzero(holdout.entities == first))
    held = mine.take(slice(1000, 1200))
    before = records_before(holdout, held)
    assert set(before.entities) == {first}
    assert len(before) == 1000
