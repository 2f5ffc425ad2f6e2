"""What the pace of records says of a first monitor's alerts: how many false ones, and which flagged records are one alert."""

from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.entities import rows_by_entity
from latentwatch.detector.metrics import FEW_CHANNELS, usual_step
from latentwatch.domain.durations import format_duration
from latentwatch.domain.monitor import AlertPolicy
from latentwatch.domain.percent import percent

_DAY = 86_400.0
_MINUTE = 60.0
_HIGHEST_RATE = 0.003
"""Share of normal records that may be flagged at most, to start with."""
_BUDGET = 2.0
"""False alarms a day where records are fast."""
_STEPS_OF_A_GAP = 3
"""Of one alert, flagged records lie no further apart than so many usual steps."""
_FEWEST_STEPS = 20


def usual_pace(times: NDArray[np.int64], owners: NDArray[Any]) -> float | None:
    """Seconds between the records of an owner [N], by `times` [N] in microseconds, where they come regularly."""
    none = np.zeros(0, np.int64)
    ordered = [np.sort(times[rows]) for rows in rows_by_entity(owners)]
    intervals = np.concatenate([none, *(of_one[1:] - of_one[:-1] for of_one in ordered)])
    if len(intervals) < _FEWEST_STEPS:
        return None
    step = usual_step(intervals)
    return None if step is None or step <= 0 else step / 1e6


def first_alert(pace: float | None, owners: int, numbers: int, others: int) -> tuple[dict[str, Any], list[str]]:
    """The `alert` of a monitor of so many owners, numbers and other features, whose records come every `pace` seconds, and notes
    that say why."""
    if pace is None:
        return {"false_alarms_per_day": _BUDGET}, ["alert: two false alarms a day, to start with"]
    daily = _DAY / pace
    alert: dict[str, Any] = {}
    notes = []
    if pace >= _MINUTE and not others and numbers <= FEW_CHANNELS:
        alert["false_alarm_rate"] = _rounded_down(min(_HIGHEST_RATE, 1.0 / daily))
        notes.append(
            f"alert: {percent(alert['false_alarm_rate'])} of normal records, to start with: "
            f"about {alert['false_alarm_rate'] * daily:.2g} a day of each series"
        )
        notes.append(
            "time of day: training finds out whether a day repeats; days are those of UTC unless the record says, for "
            "example, 'timezone: Europe/Berlin'"
        )
    elif daily * owners * _HIGHEST_RATE < _BUDGET:
        alert["false_alarm_rate"] = _HIGHEST_RATE
        notes.append(
            f"alert: {percent(_HIGHEST_RATE)} of normal records, to start with; two false alarms a day would be more of them"
        )
    else:
        alert["false_alarms_per_day"] = _BUDGET
        notes.append("alert: two false alarms a day, to start with")
    gap = timedelta(seconds=round(_STEPS_OF_A_GAP * pace / _MINUTE) * _MINUTE)
    if gap > AlertPolicy().group_gap:
        alert["group_gap"] = format_duration(gap)
        notes.append(
            f"alert: flagged records up to {format_duration(gap)} apart are one, since a record comes every "
            f"{format_duration(timedelta(seconds=round(pace)))}"
        )
    return alert, notes


def _rounded_down(rate: float) -> float:
    """To one digit: no more than what it is said to be."""
    size = 10.0 ** np.floor(np.log10(rate))
    return float(np.round(np.floor(rate / size + 1e-9) * size, 12))
