"""An alert at a glance: what its first feature showed, what was expected, and its course as a line in the inbox."""

import numpy as np
import pytest
from sqlalchemy import Engine

from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.reading import AlertFilter, inbox
from latentwatch.alerts.reading.glimpses import MOST_POINTS, Glimpse, glimpses_of
from latentwatch.alerts.store import AlertStore
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.course import Usual
from latentwatch.domain.monitor import parse_monitor
from latentwatch.review.filters import View
from latentwatch.review.pages.inbox import inbox_markup
from latentwatch.review.room import Room
from latentwatch.review.spark import glimpse_spark, in_words
from tests.alerts.build import SOURCE
from tests.alerts.contract.courses import Day

MILL = parse_monitor(
    "name: mill\nsource: {kafka: {topic: mill}}\n"
    "record: {time: t, entity: e, features: {a: {type: numeric, unit: bar}, b: numeric, slow: numeric, mode: category}}\n"
)


@pytest.fixture
def alert(engine: Engine, clock: ManualClock) -> int:
    """One of a hundred calm records and twenty that `a` leads."""
    store = AlertStore(engine, MILL.name, clock)
    register_monitor(engine, MILL, clock.now())
    store.claim(SOURCE, 0, 0)
    Day([""] * 100 + ["a"] * 20 + [""] * 10).commit(store, [])
    return inbox(engine, AlertFilter(monitor=MILL.name), limit=1).alerts[0].id


def test_a_glimpse_has_value_expected_and_a_line(engine: Engine, alert: int) -> None:
    """What led up to it first; where the alert began the line is at its height."""
    seen = glimpses_of(engine, {alert: "a", 99_999: "a"})
    assert list(seen) == [alert]
    one = seen[alert]
    assert (one.value, one.expected) == (pytest.approx(10.0, abs=0.1), 1.0)
    assert len(one.line) <= MOST_POINTS
    assert one.line[one.began - 1] < 2 < 9 < one.line[one.began]
    assert in_words(one, "bar").startswith("a 10")
    assert in_words(one, "bar").endswith(" bar, expected 1")


def test_the_inbox_shows_it(room: Room, alert: int) -> None:
    """With the unit that the monitor names."""
    table = inbox_markup(room, View(monitor=MILL.name))[1]
    assert f'data-href="/alerts/{alert}"' in table
    assert " bar, expected 1</span>" in table
    assert '<path class="hit"' in table


def test_a_word_has_no_line(engine: Engine, alert: int) -> None:
    """What was and what was expected are said all the same."""
    one = glimpses_of(engine, {alert: "mode"})[alert]
    assert not len(one.line)
    assert glimpse_spark(one, "") == ""
    assert in_words(one, "") == "mode boost, expected boost"


def test_names_and_values_are_escaped() -> None:
    """A feature may be called anything."""
    one = Glimpse("<b>", "<i>", None, Usual(0.0, 1.0, 2.0), np.array([0.0, np.nan, 3.0]), 2)
    assert "<b>" not in glimpse_spark(one, "<u>")
