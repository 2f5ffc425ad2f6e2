"""What is proposed calms what it is proposed for; a place is told by as many numbers as that takes."""

from dataclasses import replace

import pytest

from latentwatch.domain.alert import Alert, AlertKind, AlertStatus, Severity
from latentwatch.domain.exceptions import GroupThreshold, NormalPlace
from latentwatch.domain.schema import RecordSchema
from latentwatch.domain.scores import Explanation
from latentwatch.review.excepting import _narrowest
from latentwatch.review.exception_candidates import PastAlert, candidates, last_resort
from latentwatch.review.exception_previews import Preview
from tests.alerts.build import at, flagged

SCHEMA = RecordSchema.model_validate(
    {"time": "time", "entity": "rig", "features": dict.fromkeys(("a", "b", "c", "d"), "numeric")}
)
LASTING = frozenset({"rig-1"})


def _case(*surprises: float) -> PastAlert:
    """An alert of one rig, in which four numbers are off."""
    shown, expected = dict.fromkeys("abcd", 5.0), dict.fromkeys("abcd", 1.0)
    told = Explanation(expected, {"a": 4.0, "b": 3.0, "c": 2.0, "d": 1.0}, (), (), (0.0, 0.0))
    records = [
        replace(flagged(place, surprise=each), values=shown, explanation=told) for place, each in enumerate(surprises)
    ]
    alert = Alert(
        1, "mill", "rig-1", AlertKind.ANOMALY, AlertStatus.OPEN, Severity.LOW, at(0), at(9), len(records), 3.5,
        3.0, 7, ("a",), None,
    )  # fmt: skip
    return PastAlert(alert, records)


def test_a_place_is_tried_with_more_and_more_numbers() -> None:
    """Those blamed most first."""
    tried = candidates(SCHEMA, [_case(3.5, 3.6)], in_time=False, lasting=LASTING)
    places = [form for form in tried if isinstance(form, NormalPlace) and form.entity == "rig-1"]
    assert [form.features for form in places] == [("a",), ("a", "b"), ("a", "b", "c"), ("a", "b", "c", "d")]


def test_no_more_numbers_than_it_takes() -> None:
    """One of three numbers is proposed where it calms an alert that two do not; a fourth adds nothing."""
    tried = candidates(SCHEMA, [_case(3.5)], in_time=False, lasting=LASTING)
    places = [form for form in tried if isinstance(form, NormalPlace) and form.entity == "rig-1"]
    seen = {
        form: Preview(1, 1, 1.0, (), 0.1, frozenset({1}) if len(form.sides) > 2 else frozenset()) for form in places
    }
    assert [len(form.sides) for form in _narrowest(places, seen)] == [1, 2, 3]


@pytest.mark.parametrize(("surprises", "shift"), [((3.42, 3.5), 0.6), ((3.05,), 0.1), ((3.5, 4.6), None)])
def test_the_last_resort_is_a_threshold_that_is_raised_a_little(
    surprises: tuple[float, ...], shift: float | None
) -> None:
    """So far that the alert would not have been; not where that would make the entity's faults pass."""
    form = next(iter(last_resort(SCHEMA, [_case(*surprises)], LASTING)), None)
    if shift is None:
        assert form is None
        return
    assert isinstance(form, GroupThreshold)
    assert form.value == "rig-1"
    assert form.shift == pytest.approx(shift)
    assert max(surprises) < 3.0 + form.shift


def test_no_threshold_is_raised_for_what_comes_once() -> None:
    """A payment's card is not one that will come again."""
    assert last_resort(SCHEMA, [_case(3.5)], frozenset()) == []
