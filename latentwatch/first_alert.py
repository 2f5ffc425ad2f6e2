"""What the pace of records says of a first monitor's alerts: how many false ones, and which flagged records are one alert."""

from typing import Any

import numpy as np

from latentwatch.detector.budget import amount
from latentwatch.detector.metrics import FEW_CHANNELS, days_to_promise
from latentwatch.domain.durations import spell_duration
from latentwatch.domain.percent import percent
from latentwatch.domain.policies import HIGHEST_RATE, AlertPolicy

_DAY = 86_400.0
_MINUTE = 60.0
_BUDGET = 2.0
"""False alarms a day where records are fast."""
_FLEET = 20
"""Entities from which a budget of all together leaves little for each."""


def first_alert(
    cadence: float, owners: int, numbers: int, others: int, daily: float | None = None
) -> tuple[dict[str, Any], list[str]]:
    """The `alert` of a monitor of so many owners, numbers and other features, and notes that say why.

    Each owner has a record every `cadence` seconds, 0 where they come at no pace; then `daily` is how many there are a day of all
    owners together, None where nobody knows.
    """
    if not cadence:
        if daily is not None and daily * HIGHEST_RATE < _BUDGET:
            return _highest(daily)
        return {"false_alarms_per_day": _BUDGET}, ["alert: two false alarms a day, to start with"]
    daily = _DAY / cadence
    alert: dict[str, Any] = {}
    notes = []
    if _are_metrics(cadence, numbers, others):
        alert["false_alarm_rate"] = _rounded_down(min(HIGHEST_RATE, 1.0 / daily))
        each = alert["false_alarm_rate"] * daily
        every = f", {amount(each * owners)} a day of all {owners:,} of the sample" if owners > 1 else ""
        notes.append(
            f"alert: {percent(alert['false_alarm_rate'])} of normal records, to start with: "
            f"about {each:.2g} a day of each series{every}"
        )
        notes.append(
            "time of day: training finds out whether a day repeats; days are those of UTC unless the record says, for "
            "example, 'timezone: Europe/Berlin'"
        )
    elif daily * owners * HIGHEST_RATE < _BUDGET:
        alert, notes = _highest(daily * owners)
    else:
        alert["false_alarms_per_day"] = _BUDGET
        if owners < _FLEET:
            notes.append(
                f"alert: two false alarms a day, to start with: {percent(_BUDGET / (daily * owners))} of records, more where "
                "several make one alarm"
            )
        else:
            alert["per"] = "monitor"
            notes.append(
                f"alert: two false alarms a day of all {owners:,} entities of the sample together, to start with: one in {amount(daily * owners / _BUDGET)} "
                f"records: each is found only where it is far stranger than usual. 'per: entity' counts for each, and 0.1 then "
                f"makes {amount(0.1 * owners)} a day; training says what is found"
            )
    gap = AlertPolicy().gap(cadence)
    if gap > AlertPolicy().gap(0.0):
        notes.append(
            f"alert: flagged records up to {spell_duration(gap.total_seconds())} apart are one, since a "
            f"record comes every {spell_duration(cadence)}"
        )
    return alert, notes


def first_history(cadence: float, owners: int, numbers: int, others: int) -> tuple[dict[str, Any], list[str]]:
    """The `retrain` of such a monitor: of metrics as much history as a promise takes; and what fewer days mean."""
    if not _are_metrics(cadence, numbers, others):
        return {}, []
    days = days_to_promise(_DAY / cadence, owners)
    return {"history": f"{days}d"}, [
        f"history: a promise takes {days} days of it, and so many are learned from; with fewer each series is compared with its "
        "own last records, and training says until when"
    ]


def _are_metrics(cadence: float, numbers: int, others: int) -> bool:
    return cadence >= _MINUTE and not others and numbers <= FEW_CHANNELS


def _highest(daily: float) -> tuple[dict[str, Any], list[str]]:
    """The largest share of records that a first monitor promises, where so many come a day."""
    return {"false_alarm_rate": HIGHEST_RATE}, [
        f"alert: {percent(HIGHEST_RATE)} of normal records, to start with: about {amount(daily * HIGHEST_RATE)} a day; "
        "two false alarms a day would be more of them"
    ]


def _rounded_down(rate: float) -> float:
    """To one digit: no more than what it is said to be."""
    size = 10.0 ** np.floor(np.log10(rate))
    return float(np.round(np.floor(rate / size + 1e-9) * size, 12))
