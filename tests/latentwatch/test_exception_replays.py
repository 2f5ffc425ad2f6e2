"""What the judge makes of exceptions: those not needed any more are told, and a model that breaks one is held."""

from typing import Any

from latentwatch.detector.exception_facts import DETAIL, needless
from latentwatch.domain.model import Evaluation, Judgement
from latentwatch.exception_replays import judged_with

LET_IN = Judgement(True, ("It finds faults.", "Let in."))


def evaluation(*replays: dict[str, Any]) -> Evaluation:
    """With what exceptions came to."""
    return Evaluation(0.01, 0.01, (0.0, 0.02), 100, 10, 9, details={DETAIL: list(replays)})


def replay(id_: int, alarming: int, under: int = 0) -> dict[str, Any]:
    """Of sixty records of a country."""
    return {"id": id_, "text": "country NG is normal", "records": 60, "alarming": alarming, "alarming_under": under}


def test_one_that_is_not_needed_is_proposed_for_removal() -> None:
    """With the command that undoes it, before what was decided; one that is needed is not."""
    found = judged_with(LET_IN, "payments", evaluation(replay(3, 0), replay(4, 20)), None)
    assert found.promote
    assert found.reasons[0] == "It finds faults."
    assert "exceptions remove payments 3" in found.reasons[1]
    assert found.reasons[2:] == ("Let in.",)
    assert needless(evaluation(replay(3, 0), replay(4, 20))) == {3}
    assert needless(None) == set()


def test_a_model_that_breaks_one_is_held() -> None:
    """Where far more alarms under it than the champion raised; a few more are accidents."""
    before = evaluation(replay(3, 60, 2))
    assert judged_with(LET_IN, "payments", evaluation(replay(3, 60, 8)), before).promote
    held = judged_with(LET_IN, "payments", evaluation(replay(3, 60, 30)), before)
    assert not held.promote
    assert held.reasons[-1].startswith("Held: under exception 3")
    assert "Let in." not in held.reasons
