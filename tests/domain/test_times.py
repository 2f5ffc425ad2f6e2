"""Event times: whole columns are read as each value alone would be."""

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentwatch.domain.clock import from_microseconds, to_microseconds
from latentwatch.domain.times import NO_TIME, parse_times

VALUES = st.one_of(
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.datetimes().map(lambda moment: moment.isoformat(" ", "seconds") + "Z"),
    st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()),
    st.sampled_from(
        ["", "now", "today", "NaT", "2020", "2020-13-01", "2020-01-01", "soon", "2020-01-01T10:00Z+1", "1.2.2020 10:00"]
    ),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.none(),
)
MOMENT = 1_583_745_273_500_000


@pytest.mark.parametrize(
    "value",
    [
        "2020-03-09T09:14:33.500Z",
        "2020-03-09 09:14:33.5",
        "2020-03-09T11:14:33.5+02:00",
        "20200309T091433.500",
        "2020/03/09 09:14:33.500",
        "09.03.2020 09:14:33,500",
        "9.3.2020, 11:14:33.5+02:00",
        "1583745273.5",
        "1583745273500",
        1583745273.5,
        1583745273500,
        1583745273500000,
        1583745273500000000,
    ],
)
def test_reads_the_usual_spellings(value: str | float) -> None:
    """ISO 8601 with or without zone, days written with points, and epoch numbers of any unit, name the same moment."""
    assert parse_times([value]).tolist() == [MOMENT]


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "now",
        "today",
        "NaT",
        "2020",
        True,
        -5,
        1e300,
        float("nan"),
        "1776-07-04",
        "2026-10-01 00:00:00 kiln 7",
        "31.02.2026",
        "02.03.26 10:00",
        "192.168.1.2026",
        "02.03.2026 morning",
        "2024-01-01 00:00:00.501 00:00:00.5",
        "9" * 5_000,
    ],
)
def test_refuses_what_is_no_time(value: object) -> None:
    """Words that numpy would read, negative and boundless numbers and times out of range are no times."""
    assert parse_times([value]).tolist() == [NO_TIME]  # type: ignore[list-item]


@given(st.lists(VALUES, min_size=1, max_size=20))
def test_a_column_is_read_as_its_values_alone(column: list[str | int | float | None]) -> None:
    """The whole-column paths give what the value-by-value path gives."""
    alone = np.concatenate([parse_times([value]) for value in column])
    assert parse_times(column).tolist() == alone.tolist()


@given(st.lists(st.datetimes(datetime(1900, 1, 1), datetime(2261, 12, 31)), min_size=1, max_size=20))
def test_every_moment_survives(moments: list) -> None:  # type: ignore[type-arg]
    """Writing a time as ISO 8601 and reading it back changes nothing, to the microsecond."""
    times = parse_times([moment.isoformat() for moment in moments])
    assert times.tolist() == [to_microseconds(moment) for moment in moments]
    assert [from_microseconds(time).replace(tzinfo=None) for time in times] == moments
