"""Severity grows with surprise and with length."""

from hypothesis import given
from hypothesis import strategies as st

from latentwatch.domain.alert import Severity, severity_of

ORDER = list(Severity)


@given(st.floats(0, 30), st.floats(0, 10), st.integers(1, 10**6), st.floats(0, 10), st.integers(0, 10**6))
def test_more_surprise_or_more_records_never_lowers_severity(peak, threshold, records, more_surprise, more_records):
    """Severity is monotone in both of its arguments."""
    before = severity_of(peak, threshold, records)
    after = severity_of(peak + more_surprise, threshold, records + more_records)
    assert ORDER.index(after) >= ORDER.index(before)
