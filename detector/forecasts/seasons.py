"""Whether a day, or another cycle, repeats in a channel: told by the errors of forecasts with it and without, which predict
first and learn then."""

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.forecasts.calendar import places
from latentwatch.detector.forecasts.cycles import find_cycle
from latentwatch.detector.forecasts.forecaster import Forecaster

Floats = NDArray[np.float32]
Series: TypeAlias = list[tuple[Floats, NDArray[np.int64]]]
"""Of each entity a channel's scaled values [N, 1], and their times in microseconds."""

_SLOTS, _FINE_SLOTS = 96, 288
_HORIZON = 16
"""Records ahead at which errors are compared too: one ahead, the last record says most of what a day says."""
_WORTHWHILE = 0.05
"""By what the logs of both errors together must fall."""
_FINE_WORTHWHILE = 0.05
"""By what the log of the far error must fall where slots are finer: a job every two hours needs them."""
_MOST_OF_IT, _HARMLESS = 0.5, 0.02
"""A cycle that explains so much of the variance is used where it makes errors no worse: what the recent past predicts of a
smooth wave is lost with the wave, and a peak that does not come is to be missed."""
_SAME_AS_A_DAY = 0.02
_FEWEST_WEEKS = 3
_DAY = 86_400e6
_ENTITIES_ASKED = 64
_HOURS_OF_WEEK = 168
_MOST_WORTH = 2.0


@dataclass(frozen=True, slots=True)
class Season:
    """What was found of one channel."""

    slots: int
    """Of a cycle; 0 where forecasts use none."""
    cycle: float
    """Days; 1 is the day by the clock."""
    share: float
    """Of the variance in the second half of the history that the cycle explains, 0 to 1."""
    weekdays: float
    """Of what the cycle leaves, how much the hours of the week explain."""


def find_season(
    forecaster: Forecaster, z: Floats, times: NDArray[np.int64], rows_of_each: list[NDArray[np.intp]], number: int
) -> Season:
    """Of the `number`th channel of a forecaster without seasons; z [N, ...] are the detector's channels, unclipped, `times` [N]
    microseconds, `rows_of_each` the rows of each entity in order of time. Many entities are asked in a sample.

    The day is asked first. Where it does not help, the cycle is that stands out in the longest of the series.
    """
    alone = forecaster.alone(number)
    series = [(alone.scaled(z[rows]), times[rows]) for rows in _asked_of(rows_of_each)]
    day = _asked(alone, series, 1.0)
    if day.slots:
        return day
    own, when = max(series, key=lambda one: len(one[0]))
    known = np.isfinite(own[:, 0])
    places = np.rint((when[known] - when[0]) / _DAY * alone.daily).astype(np.int64)
    records = find_cycle(own[known, 0].astype(np.float64), places)
    if records is None or abs(records / alone.daily - 1.0) < _SAME_AS_A_DAY:
        return day
    found = _asked(alone, series, records / alone.daily)
    return found if found.slots else day


def worth_of_week(
    forecaster: Forecaster, z: Floats, times: NDArray[np.int64], rows_of_each: list[NDArray[np.intp]]
) -> NDArray[np.float64]:
    """[C] by what to multiply what the week says of each channel: the least squares of what followed, 0 where weekdays do not
    matter or the history is too short. A table seen a few times says less than it means, so that it is often above 1."""
    told = np.zeros((len(forecaster.channels), 2))
    for rows in _asked_of(rows_of_each):
        told += forecaster.week_told(forecaster.scaled(z[rows]), times[rows])
    return np.clip(told[:, 0] / np.maximum(told[:, 1], 1e-12), 0.0, _MOST_WORTH)


def _asked_of(rows_of_each: list[NDArray[np.intp]]) -> list[NDArray[np.intp]]:
    """A sample of the entities, spread over all."""
    asked = np.unique(np.linspace(0, len(rows_of_each) - 1, min(len(rows_of_each), _ENTITIES_ASKED)).astype(int))
    return [rows_of_each[each] for each in asked.tolist()]


def _asked(alone: Forecaster, series: Series, cycle: float) -> Season:
    """Whether a cycle of so many days helps: errors with it and without, in the second half of each series."""

    def errors(slots: int) -> tuple[float, float]:
        with_slots = replace(alone, slots=np.array([slots], np.int64), cycles=np.array([cycle]))
        found = [with_slots.errors_ahead(own, when, _HORIZON)[len(own) // 2 :, 0] for own, when in series]
        joined = np.abs(np.concatenate(found))
        near, far = joined[np.isfinite(joined).all(axis=1)].mean(axis=0).tolist()
        return float(np.log(near + 1e-9)), float(np.log(far + 1e-9))

    without, records = errors(0), round(alone.daily * cycle)
    coarse, fine = max(2, min(_SLOTS, records)), min(_FINE_SLOTS, records)
    share, weekdays = _shares(series, alone.timezone, cycle, coarse)
    best, found = 0, without
    with_cycle = errors(coarse)
    if sum(with_cycle) < sum(without) + (_HARMLESS if share > _MOST_OF_IT else -_WORTHWHILE):
        best, found = coarse, with_cycle
    if fine > coarse:
        finer = errors(fine)
        if finer[1] < found[1] - _FINE_WORTHWHILE and sum(finer) < sum(without) - _WORTHWHILE:
            best = fine
    return Season(best, cycle, share, weekdays)


def _shares(series: Series, timezone: str, cycle: float, slots: int) -> tuple[float, float]:
    """What slots of the cycle explain of the variance, and hours of the week of the rest: means of the first half, asked of the
    second."""
    total = left = of_week = 0.0
    for values, times in series:
        known = np.isfinite(values[:, 0])
        own = values[known, 0].astype(np.float64)
        if len(own) < 4:
            continue
        day, week = places(times[known], timezone)
        phases = day if cycle == 1.0 else times[known] / _DAY / cycle % 1.0
        half = len(own) // 2
        rest = own - _means((phases * slots).astype(np.intp), own, half, slots)
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

    >>> in_words("load", Season(96, 1.0, 0.83, 0.0), 2.0)
    'load repeats every day: 83 % of its variance; weekdays: too few weeks to tell.'
    >>> in_words("tide", Season(96, 0.5175, 0.9, 0.0), 2.0)
    'tide repeats every 12 h 25 min: 90 % of its variance.'
    """
    if not season.slots:
        return f"{feature}: the time of day tells nothing that its recent past does not; it is forecast from that."
    share = f"{season.share:.0%} of its variance".replace("%", " %")
    if season.cycle != 1.0:
        days, minutes = divmod(round(season.cycle * 1440), 1440)
        parts = ((days, "d"), (minutes // 60, "h"), (minutes % 60, "min"))
        return f"{feature} repeats every {' '.join(f'{part} {unit}' for part, unit in parts if part)}: {share}."
    if weeks < _FEWEST_WEEKS:
        return f"{feature} repeats every day: {share}; weekdays: too few weeks to tell."
    return (
        f"{feature} repeats every day: {share}; weekdays: "
        + f"{season.weekdays:.0%} of the variance that this leaves.".replace("%", " %")
    )
