"""What the judge says of a promise: what is promised, what was flagged, and never that it is kept where it is exceeded."""

from dataclasses import replace

from latentwatch.detector.judging import judge
from latentwatch.domain.model import Evaluation

KEPT = Evaluation(0.01, 0.009, (0.006, 0.013), 5000, 40, 30, {"spike": 1.0, "lag": 0.25})
BROKEN = replace(KEPT, realised_rate=0.2, realised_interval=(0.15, 0.25), faults_found=38)


def test_what_is_promised_a_day_stands_beside_the_promise() -> None:
    """Not beside what was flagged, which may be two hundred times as many."""
    daily = replace(BROKEN, details={"promised_records_per_day": 0.86, "budget": {"promised": 0.5}})
    assert judge(daily, None).reasons[0].endswith("promised are 1 %, 0.86 records a day in 0.5 alarms.")


def test_more_than_promised_is_not_called_kept() -> None:
    """Where chance does not explain it; within twice of it a model may serve, and is said to flag more."""
    exceeds = replace(KEPT, realised_rate=0.015, realised_interval=(0.011, 0.021))
    for champion in (None, KEPT, BROKEN):
        judgement = judge(exceeds, champion)
        assert judgement.promote
        assert "flags more than promised, within twice of it: 1.5 % of" in judgement.reasons[0]
        assert not any("keeps" in each for each in judgement.reasons[:1])
        assert "it keeps the promise" not in judgement.reasons[-1]
    assert "keeps its promise" in judge(replace(exceeds, realised_interval=(0.009, 0.021)), None).reasons[0]


def test_slightly_more_than_twice_is_not_called_within_twice() -> None:
    """Where the interval lies above the promise, and what was flagged just above twice of it."""
    judgement = judge(replace(KEPT, realised_rate=0.0202, realised_interval=(0.012, 0.035)), None)
    assert (
        "flags more than promised, but nothing proves that it is more than twice as much: 2 %" in judgement.reasons[0]
    )


def test_the_first_model_is_let_in_even_when_it_breaks_its_promise() -> None:
    """Nothing would be watched without it; the reasons say what to expect."""
    judgement = judge(BROKEN, None)
    assert judgement.promote
    assert "does not keep its promise" in judgement.reasons[0]
    assert "20 % of 5,000 normal records flagged" in judgement.reasons[0]
    assert "promised are 1 %." in judgement.reasons[0]
    assert "expect about 20 % of normal records flagged, not 1 %" in judgement.reasons[-1]
    assert judge(KEPT, None).promote
