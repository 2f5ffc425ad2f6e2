"""The inbox's address: a link is a view, and a broken link is still a page."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentwatch.domain.alert import AlertStatus, Severity, Verdict
from latentwatch.review.filters import View, view_of, view_of_text
from tests.review.sketch import NOW

views = st.builds(
    View,
    monitor=st.sampled_from(["", "pump"]),
    entity=st.text(max_size=20),
    status=st.sampled_from(["open", "unresolved", "acknowledged", "closed", "any"]),
    severity=st.sampled_from(["", "low", "critical"]),
    verdict=st.sampled_from(["", "none", "true", "false", "unsure", "disputed"]),
    since=st.sampled_from(["", "24h", "2026-03-01T00:00:00+00:00"]),
    order=st.sampled_from(["severity", "recent", "teaching", "likeness"]),
    page=st.integers(0, 200),
)


@given(views)
def test_an_address_gives_its_view_back(view: View):
    """Whatever can be chosen survives the address, whatever an entity is called."""
    assert view_of_text(view.address().partition("?")[2]) == view


@given(st.dictionaries(st.sampled_from(list(View.__slots__)), st.text(max_size=30)))
def test_any_address_gives_a_page(query: dict[str, str]):
    """Nonsense falls back to the defaults instead of an error."""
    view_of(query).filter(NOW)


@given(st.text())
def test_any_query_string_gives_a_page(query: str):
    """The same for what a browser sends as one string."""
    view_of_text(query).filter(NOW)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_is_none_in_utc_falls_back_too(moment: str):
    """The calendar's ends need not exist in UTC, in which the database looks for them."""
    assert view_of({"since": moment, "until": moment}) == View()


def test_a_view_asks_for_what_it_says():
    """Every field reaches the query."""
    view = View("pump", "rig-a", "unresolved", "high", "none", "24h", "2026-03-01T11:00:00Z")
    wanted = view.filter(NOW)
    assert (wanted.monitor, wanted.entity, wanted.at_least, wanted.verdict) == ("pump", "rig-a", Severity.HIGH, "none")
    assert wanted.statuses == (AlertStatus.OPEN, AlertStatus.ACKNOWLEDGED)
    assert (wanted.since, wanted.until) == (NOW - timedelta(hours=24), NOW - timedelta(hours=1))
    assert View(verdict="false").filter(NOW).verdict is Verdict.FALSE


@pytest.mark.parametrize(
    ("query", "page"), [("", 0), ("page=3", 3), ("page=-1", 0), ("page=x", 0), ("page=99999", 200), ("page=²", 0)]
)
def test_pages_are_bounded(query: str, page: int):
    """An address cannot ask for a page beyond what is served."""
    assert view_of_text(query).page == page


def test_defaults_stay_out_of_the_address():
    """The plain inbox has a plain address."""
    assert View().address() == "/alerts"
    assert View(severity="high").address(page=2) == "/alerts?severity=high&page=2"
