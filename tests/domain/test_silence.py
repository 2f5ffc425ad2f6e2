"""When a silence is in force: one stretch, weekly rules by the clock on the wall, and their next windows."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.silence import Silence, parse_weekly

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
MINUTES = st.integers(0, 28 * 1440).map(lambda minutes: MONDAY + timedelta(minutes=minutes))


def weekly(rule: str, zone: str = "UTC") -> Silence:
    """A weekly silence."""
    return Silence("hosts", "backup", "ada", weekly=parse_weekly(rule), timezone=zone)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("Sun 02:00-04:00", "Sun 02:00-04:00"),
        ("mon-fri 9:00 - 17:30", "Mon,Tue,Wed,Thu,Fri 09:00-17:30"),
        ("Saturday,Sunday 00:00-24:00", "Sat,Sun 00:00-24:00"),
        ("daily 23:30-00:30", "daily 23:30-00:30"),
        ("Fri-Mon 12:00-12:00", "Mon,Fri,Sat,Sun 12:00-12:00"),
    ],
)
def test_a_rule_is_written_as_it_is_read(rule: str, said: str) -> None:
    """In one way, which reads back to the same rule."""
    assert str(parse_weekly(rule)) == said
    assert parse_weekly(said) == parse_weekly(rule)


@pytest.mark.parametrize("rule", ["", "Sun", "Sun 2-4", "Sun 25:00-26:00", "Sun 02:60-03:00", "Someday 02:00-04:00"])
def test_what_is_no_rule_is_refused(rule: str) -> None:
    """With what was written, and what to write."""
    with pytest.raises(InvalidInput, match=repr(rule)):
        parse_weekly(rule)


def test_a_night_across_midnight_belongs_to_the_day_it_begins_on() -> None:
    """Sunday's night ends on Monday morning."""
    night = weekly("Sun 22:00-06:00")
    assert night.covers(MONDAY + timedelta(hours=5, minutes=59))
    assert not night.covers(MONDAY + timedelta(hours=6))
    assert not night.covers(MONDAY + timedelta(hours=23))


def test_it_goes_by_the_clock_on_the_wall() -> None:
    """In summer the same hour of the wall is another one in UTC."""
    berlin = weekly("Sun 02:00-04:00", "Europe/Berlin")
    assert berlin.covers(datetime(2026, 1, 11, 1, tzinfo=UTC))
    assert berlin.covers(datetime(2026, 7, 12, 0, tzinfo=UTC))
    assert not berlin.covers(datetime(2026, 7, 12, 2, tzinfo=UTC))
    first = next(berlin.windows(datetime(2026, 7, 6, tzinfo=UTC)))
    assert first == (datetime(2026, 7, 12, 0, tzinfo=UTC), datetime(2026, 7, 12, 2, tzinfo=UTC))


@given(MINUTES, st.sampled_from(["Sun 02:00-04:00", "daily 23:30-00:30", "Mon-Wed 12:00-12:00", "Sat,Sun 00:00-24:00"]))
def test_a_moment_is_covered_where_a_window_holds_it(moment: datetime, rule: str) -> None:
    """What is announced as the next windows is what hides."""
    silence = weekly(rule, "Asia/Tokyo")
    begin, end = next(silence.windows(moment))
    assert silence.covers(moment) == (begin <= moment < end)


def test_it_begins_and_ends_with_its_rule() -> None:
    """Windows are cut by from and until, and end with them."""
    day = timedelta(days=1)
    rule = parse_weekly("daily 10:00-14:00")
    silence = Silence(
        "hosts", "x", "ada", weekly=rule, start=MONDAY + timedelta(hours=12), end=MONDAY + day + timedelta(hours=11)
    )
    assert list(islice(silence.windows(MONDAY - day), 5)) == [
        (MONDAY + timedelta(hours=12), MONDAY + timedelta(hours=14)),
        (MONDAY + day + timedelta(hours=10), MONDAY + day + timedelta(hours=11)),
    ]
    assert not silence.covers(MONDAY + timedelta(hours=11))


def test_records_at_the_ends_of_time_are_not_hidden() -> None:
    """A wild clock is no reason to fail."""
    far = weekly("daily 00:00-24:00", "Pacific/Auckland")
    assert not far.covers(datetime.max.replace(tzinfo=UTC))
