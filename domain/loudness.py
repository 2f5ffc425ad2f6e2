"""How loud an incident speaks: by its loudest alert and how wide it is; and that in words, with what is at stake."""

from collections.abc import Iterable
from datetime import timedelta

from latentwatch.domain.alert import Severity
from latentwatch.domain.durations import spell_duration
from latentwatch.domain.stake import stakes_in_words

LOUDNESS = {severity: rank for rank, severity in enumerate(Severity)}
"""Rank of each severity, the quietest 0."""
WIDE = 10
"""An incident of so many entities is one step louder than its loudest alert."""


def widened(severity: Severity, entities: int) -> Severity:
    """The severity of an incident whose loudest alert has this one.

    >>> widened(Severity.MEDIUM, 30).value, widened(Severity.MEDIUM, 3).value, widened(Severity.CRITICAL, 30).value
    ('high', 'medium', 'critical')
    """
    return list(Severity)[min(LOUDNESS[severity] + (entities >= WIDE), len(LOUDNESS) - 1)]


def in_words(
    severity: Severity,
    peak: float,
    threshold: float,
    lasted: timedelta,
    records: int,
    entities: int,
    *,
    limited: bool,
    stakes: Iterable[tuple[float, str]] = (),
) -> str:
    """What a severity is made of: how far, how long, how wide; then what is at stake. `records` is 0 of what stopped sending.

    >>> in_words(Severity.CRITICAL, 15.6, 3.0, timedelta(minutes=40), 2400, 30, limited=False)
    'critical: 5.2 times the threshold for 40 min on 30 entities'
    >>> in_words(Severity.HIGH, 2.0, 3.0, timedelta(), 1, 1, limited=True)
    'high: beyond a limit, in 1 record'
    >>> in_words(Severity.LOW, 3.3, 3.0, timedelta(), 1, 1, limited=False, stakes=[(1250.0, "EUR of amount")])
    'low: 1.1 times the threshold, in 1 record, 1,250 EUR of amount at stake'
    """
    if not records:
        far, long = "nothing comes", f" for {spell_duration(lasted.total_seconds())}" if lasted else ""
    else:
        far = f"{peak / threshold:.1f} times the threshold" if peak >= threshold > 0 else ""
        far = " and ".join(filter(None, ("beyond a limit" if limited else "", far))) or "strange, and usual lately"
        count = f", in {records:,} record{'' if records == 1 else 's'}"
        long = f" for {spell_duration(lasted.total_seconds())}" if lasted else count
    wide = f" on {entities:,} entities" if entities > 1 else ""
    return ", ".join(filter(None, (f"{severity.value}: {far}{long}{wide}", stakes_in_words(stakes))))
