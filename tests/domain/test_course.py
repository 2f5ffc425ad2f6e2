"""An alert over its whole course: what led it, what it does together, who came later."""

from dataclasses import replace
from datetime import timedelta

import pytest

from latentwatch.domain.alert import FlaggedRecord
from latentwatch.domain.course import (
    LED_RECORDS,
    LED_RECORDS_WITHIN,
    MOST_CULPRITS,
    MOST_FEATURES,
    OPENING_RECORDS,
    Course,
)
from latentwatch.domain.outcome import TracePoint
from latentwatch.domain.record import Value
from latentwatch.domain.scores import Explanation
from latentwatch.domain.trace_block import block_of_points
from tests.alerts.build import at, flagged

FIVE = ("a", "b", "c", "d", "e")


def before(count: int = 20, **values: float) -> list[TracePoint]:
    """What an entity showed in the seconds before: each number, or 10 to 11 by turns."""
    shown = {name: values.get(name, 10.0) for name in FIVE}
    return [
        TracePoint("rig-1", at(second - count), 0, 0, 0.5, 0.5, 0.5, False,
                   {name: value + second % 2 for name, value in shown.items()})
        for second in range(count)
    ]  # fmt: skip


def record(
    number: int, values: dict[str, Value], expected: dict[str, Value] | None = None, **parts: float
) -> FlaggedRecord:
    """A flagged record of that second, with what each feature contributed."""
    why = Explanation(expected or {}, parts, (), (0.0,), (0.0, 0.0))
    return replace(flagged(number, surprise=sum(parts.values())), values=values, explanation=why)


def told(course: Course, *records: FlaggedRecord) -> list[str]:
    """The further culprits that records show."""
    return [culprit.feature for each in records for culprit in course.add(each)]


def test_what_led_most_records_leads_the_alert() -> None:
    """Also where one stranger record, as that of a recovery, was led by another feature."""
    course = Course.after(block_of_points(before()))
    told(course, *(record(n, {"a": 20.0, "b": 10.0}, a=3.0, b=0.5) for n in range(4)), record(9, {"b": 10.0}, b=8.0))
    assert course.leading() == ["a", "b"]
    assert course.leading(["c", "b"]) == ["c", "b", "a"]


def test_a_word_that_is_as_expected_leads_nothing() -> None:
    """ "mode: boost, expected boost" tells nobody anything; another word than expected does."""
    course = Course.after(block_of_points(before()))
    course.add(record(0, {"mode": "boost", "a": 12.0}, {"mode": "boost", "a": 10.0}, mode=3.0, a=0.5))
    assert course.leading() == ["a"]
    course.add(record(1, {"mode": "eco", "a": 12.0}, {"mode": "boost", "a": 10.0}, mode=3.0, a=0.5))
    assert course.leading() == ["mode", "a"]


def test_a_slow_sensor_keeps_its_last_known_value() -> None:
    """It sends one value in many records; how far it went is that of those that it sent."""
    course = Course.after(block_of_points(before(a=40.0)))
    for number, value in enumerate([None, 52.0, None, 47.0, None]):
        course.add(record(number, {"a": value}, a=2.0 + (number == 2)))
    shown = course.features["a"]
    assert (shown.low, shown.high, shown.last, shown.worst) == (47.0, 52.0, 47.0, 52.0)
    assert (shown.since, shown.until) == (at(0), at(4))
    assert shown.usual is not None
    assert (shown.usual.low, shown.usual.high) == (40.0, 41.0)


@pytest.mark.parametrize(("left", "words"), [(0.2, "4 of 5 features fell together: a stop? e did not"),
                                             (6.0, "4 of 5 features fell together, e did not")])  # fmt: skip
def test_most_features_that_fall_at_once_are_told_as_one(left: float, words: str) -> None:
    """A stop where hardly anything is left of them; that one that did not move leads is true, and not the point."""
    course = Course.after(block_of_points(before()))
    course.add(record(0, {**dict.fromkeys(FIVE, left), "e": 10.5}, e=3.0, a=0.5))
    assert course.summary == words
    stands = course.summary
    told(course, *(record(n, dict.fromkeys(FIVE, 90.0), a=4.0) for n in range(1, 40)))
    assert course.summary == stands


def test_a_machine_that_goes_into_another_state_later_is_no_news() -> None:
    """Only what the alert opened with is told of most features."""
    course = Course.after(block_of_points(before()))
    told(course, *(record(n, {**dict.fromkeys(FIVE, 10.0), "a": 20.0}, a=4.0) for n in range(OPENING_RECORDS)))
    told(course, *(record(n + 20, dict.fromkeys(FIVE, 30.0), a=4.0) for n in range(5)))
    assert course.summary == ""


def test_who_comes_to_lead_later_is_a_further_culprit() -> None:
    """Once, with the moment at which it first led; who led from the beginning is not, nor who led a record by chance."""
    course = Course.after(block_of_points(before()))
    opening = [record(n, {"a": 20.0, "b": 10.0}, a=4.0, b=0.1) for n in range(OPENING_RECORDS + 1)]
    chance = [record(30, {"a": 20.0, "c": 30.0}, a=2.0, c=2.0)]
    second = [record(40 + n, {"a": 20.0, "b": 30.0}, a=2.0, b=2.0) for n in range(LED_RECORDS + 5)]
    assert told(course, *opening, *chance, *second) == ["b"]
    assert [(each.feature, each.further) for each in course.culprits] == [("a", False), ("b", True)]
    assert course.culprits[1].since == at(40)


def test_who_shows_what_is_usual_must_lead_longer() -> None:
    """As a stuck sensor does; near the end of an alert others may lead for a few records."""
    course = Course.after(block_of_points(before()))
    told(course, *(record(n, {"a": 20.0, "b": 10.0}, a=4.0) for n in range(OPENING_RECORDS + 1)))
    later = [record(20 + n, {"a": 20.0, "b": 10.0}, a=2.0, b=2.0) for n in range(LED_RECORDS_WITHIN)]
    assert told(course, *later[:-1]) == []
    assert told(course, later[-1]) == ["b"]


def test_a_course_is_bounded() -> None:
    """However many features there are: those that contributed most are kept, and few are named culprits."""
    course = Course.after(block_of_points(before()))
    for number in range(200):
        name = f"f{number:03}"
        for again in range(LED_RECORDS_WITHIN):
            course.add(record(20 * number + again, {name: 1.0}, **{name: 4.0 + number}))
    assert len(course.features) == MOST_FEATURES
    assert len(course.culprits) == MOST_CULPRITS
    assert course.leading()[0] == "f199"


def test_a_course_is_stored_and_read_back() -> None:
    """Equal, and going on as if nothing had been in between."""
    course = Course.after(block_of_points(before()))
    told(
        course,
        *(record(n, {**dict.fromkeys(FIVE, 0.1), "m": "x", "f": True}, {"m": "y"}, a=2.0, m=1.0) for n in range(12)),
    )
    again = Course.from_json(course.to_json())
    assert again == course
    more = [record(20 + n, {"b": 55.5, "m": None}, b=5.0) for n in range(4)]
    assert told(again, *more) == told(course, *more) == ["b"]
    assert again == course


def test_flagged_points_are_not_usual() -> None:
    """What an earlier alert showed is not what the entity shows; with hardly anything before nothing is known."""
    odd = replace(before(1, a=99.0)[0], flagged=True, time=at(0) - timedelta(hours=1))
    usual = Course.after(block_of_points([odd, *before()])).features["a"].usual
    assert usual is not None
    assert usual.high == 11.0
    assert Course.after(block_of_points(before(5))).features["a"].usual is None
