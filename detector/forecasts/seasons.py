"""Whether a day repeats in a channel, told by forecasts: with and without a season, by predicting first and learning then."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.forecasts.calendar import places
from latentwatch.detector.forecasts.forecaster import Forecaster

Floats = NDArray[np.float32]

_SLOTS, _FINE_SLOTS = 96, 288
_HORIZON = 16
"""Records ahead at which errors are compared too: one ahead, the last record says most of what a day says."""
_WORTHWHILE = 0.05
"""By what the logs of both errors together must fall."""
_FINE_WORTHWHILE = 0.05
"""By what the log of the far error must fall where slots are finer: a job every two hours needs them."""
_ENTITIES_ASKED = 64
_HOURS_OF_WEEK = 168


@dataclass(frozen=True, slots=True)
class Season:
    """What was found of one channel."""

    slots: int
    """Of the day; 0 where it does not repeat."""
    share: float
    """Of the variance in the second half of the history that the day explains, 0 to 1."""
    weekdays: float
    """Of what the day leaves, how much the hours of the week explain."""


def find_season(
    forecaster: Forecaster, z: Floats, times: NDArray[np.int64], rows_of_each: list[NDArray[np.intp]], number: int
) -> Season:
    """Of the `number`th channel of a forecaster without seasons; z [N, ...] are the detector's channels, unclipped, `times` [N]
    microseconds, `rows_of_each` the rows of each entity in order of time. Many entities are asked in a sample."""
    asked = np.unique(np.linspace(0, len(rows_of_each) - 1, min(len(rows_of_each), _ENTITIES_ASKED)).astype(int))
    rows_asked = [rows_of_each[each] for each in asked.tolist()]
    alone = forecaster.alone(number)
    series = [(alone.scaled(z[rows]), times[rows]) for rows in rows_asked]

    def errors(slots: int) -> tuple[float, float]:
        with_slots = replace(alone, slots=np.array([slots], np.int64))
        found = [with_slots.blind_errors(own, when, _HORIZON)[len(own) // 2 :, 0] for own, when in series]
        joined = np.abs(np.concatenate(found))
        near, far = joined[np.isfinite(joined).all(axis=1)].mean(axis=0).tolist()
        return float(np.log(near + 1e-9)), float(np.log(far + 1e-9))

    without = errors(0)
    coarse = max(2, min(_SLOTS, round(forecaster.daily)))
    best, found = 0, without
    with_day = errors(coarse)
    if sum(with_day) < sum(without) - _WORTHWHILE:
        best, found = coarse, with_day
    fine = min(_FINE_SLOTS, round(forecaster.daily))
    if fine > coarse:
        finer = errors(fine)
        if finer[1] < found[1] - _FINE_WORTHWHILE and sum(finer) < sum(without) - _WORTHWHILE:
            best = fine
    return Season(best, *_shares(series, alone.timezone, best)) if best else Season(0, 0.0, 0.0)


def _shares(series: list[tuple[Floats, NDArray[np.int64]]], timezone: str, slots: int) -> tuple[float, float]:
    """What slots of the day explain of the variance, and hours of the week of the rest: means of the first half, asked of the
    second."""
    total = left = of_week = 0.0
    for values, times in series:
        known = np.isfinite(values[:, 0])
        own = values[known, 0].astype(np.float64)
        if len(own) < 4:
            continue
        day, week = places(times[known], timezone)
        half = len(own) // 2
        rest = own - _means((day * slots).astype(np.intp), own, half, slots)
        apart = rest - _means(week.astype(np.intp), rest, half, _HOURS_OF_WEEK)
        total += float(np.var(own[half:]))
        left += float(np.var(rest[half:]))
        of_week += float(np.var(apart[half:]))
    return max(0.0, 1.0 - left / max(total, 1e-12)), max(0.0, 1.0 - of_week / max(left, 1e-12))


def _means(cells: NDArray[np.intp], values: NDArray[np.float64], until: int, count: int) -> NDArray[np.float64]:
    """[N] the mean of each row's cell, of rows before `until`; of all of them for a cell that was not seen."""
    sums = np.bincount(cells[:until], values[:until], count)
    seen = np.bincount(cells[:until], minlength=count)
    return np.asarray(np.where(seen > 0, sums / np.maximum(seen, 1), values[:until].mean())[cells])


def in_words(feature: str, season: Season, weeks: float) -> str:
    """A sentence for people.

    >>> in_words("load", Season(96, 0.83, 0.0), 2.0)
    'load repeats every day: 83 % of its variance; weekdays: too few weeks to tell.'
    """
    if not season.slots:
        return f"{feature} does not repeat every day; it is forecast from its recent past."
    day = f"{feature} repeats every day: {season.share:.0%} of its variance".replace("%", " %")
    if weeks < 3:
        return f"{day}; weekdays: too few weeks to tell."
    return f"{day}; weekdays: " + f"{season.weekdays:.0%} of what is left.".replace("%", " %")
