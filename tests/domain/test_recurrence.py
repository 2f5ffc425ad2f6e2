"""Kinds of alerts: which are new, which came back, which were always false, and that those of one kind stand together."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from latentwatch.domain.alert import Verdict
from latentwatch.domain.fingerprint import fingerprint
from latentwatch.domain.recurrence import FingerprintedAlert, Recurrence, kinds_together, recurrences

NOW = datetime(2026, 3, 20, tzinfo=UTC)
LONG_AGO = {"mill": NOW - timedelta(days=90)}
BEARING: Mapping[str, float] = {"vibration": 2.5, "temperature": 1.0}
LEAK: Mapping[str, float] = {"flow": 2.0, "pressure": 1.5}


def one(number: int, shares: Mapping[str, float], days_ago: float, monitor: str = "mill") -> FingerprintedAlert:
    """An open alert of an hour, alone in its incident."""
    started = NOW - timedelta(days=days_ago)
    return FingerprintedAlert(
        number, monitor, number, started, started + timedelta(hours=1), False, None, 5.0, fingerprint(shares)
    )


def of_first(*alerts: FingerprintedAlert, since: Mapping[str, datetime] = LONG_AGO) -> Recurrence:
    """What is known of the first of these."""
    return recurrences(alerts[:1], alerts, since, NOW)[alerts[0].alert]


def test_a_kind_is_new_for_a_week_and_only_where_its_past_is_known() -> None:
    """Not where something like it came before the week, nor after the week, nor where alerts are known for days alone."""
    assert of_first(one(1, BEARING, 1), one(2, LEAK, 20), one(3, BEARING, 3)).in_words == "new kind this week"
    assert not of_first(one(1, BEARING, 1), one(2, BEARING, 20)).new_kind
    assert not of_first(one(1, BEARING, 8), one(2, LEAK, 20)).new_kind
    assert not of_first(one(1, BEARING, 1), since={"mill": NOW - timedelta(days=3)}).new_kind
    assert not of_first(one(1, BEARING, 1), since={}).new_kind


def test_what_was_closed_and_over_came_back() -> None:
    """Not what is open still, what goes on beside it, or is part of the same incident."""
    closed = replace(one(2, BEARING, 20), closed=True)
    assert of_first(one(1, BEARING, 1), closed).in_words == "came back"
    assert not of_first(one(1, BEARING, 1), replace(closed, closed=False)).came_back
    assert not of_first(one(1, BEARING, 1), replace(closed, ended=NOW)).came_back
    assert not of_first(one(1, BEARING, 1), replace(closed, incident=1)).came_back
    assert not of_first(one(1, BEARING, 1), replace(closed, monitor="press")).came_back


def test_what_was_always_false_asks_for_an_exception() -> None:
    """From three on; one that was true, or that nobody is sure of, says no; those that nobody judged are counted beside."""
    false = [replace(one(number, BEARING, number), verdict=Verdict.FALSE, closed=True) for number in range(2, 11)]
    now = one(1, BEARING, 0.5)
    assert of_first(now, *false).in_words == "9 alike, all false: an exception?"
    assert of_first(now, *false, one(20, BEARING, 20)).in_words == "9 of 10 alike judged, all false: an exception?"
    assert not of_first(now, *false[:2]).asks_exception
    for said in (Verdict.TRUE, Verdict.UNSURE):
        assert not of_first(now, *false, replace(one(20, BEARING, 20), verdict=said)).asks_exception


def test_alerts_without_a_fingerprint_are_of_no_kind() -> None:
    """Nothing is said of them, and nothing is like them."""
    bare = replace(one(1, BEARING, 1), fingerprint=b"")
    assert recurrences([bare], [bare], LONG_AGO, NOW) == {}
    assert of_first(one(2, BEARING, 1), bare).alike == 0


def test_kinds_stand_together_those_never_seen_first() -> None:
    """In the order of each kind's first alert; monitors do not share kinds."""
    alerts = [
        one(1, BEARING, 1), one(2, LEAK, 2), one(3, {"level": 1.0}, 3), one(4, BEARING, 4), one(5, LEAK, 5),
        one(6, BEARING, 6, "press"),
    ]  # fmt: skip
    assert kinds_together(alerts, [False] * 6) == [0, 3, 1, 4, 2, 5]
    assert kinds_together(alerts, [False, False, True, False, True, False]) == [1, 4, 2, 0, 3, 5]
    assert kinds_together([], []) == []


@given(st.lists(st.tuples(st.dictionaries(st.sampled_from("abcde"), st.floats(0.1, 9)), st.booleans()), max_size=30))
def test_every_alert_stands_once(drawn: list[tuple[dict[str, float], bool]]) -> None:
    """Whatever they are like."""
    alerts = [one(number, shares, 1) for number, (shares, _) in enumerate(drawn)]
    assert sorted(kinds_together(alerts, [unseen for _, unseen in drawn])) == list(range(len(drawn)))
