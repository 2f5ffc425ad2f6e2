"""Whether a detector of sequences gets forecasts beside its components, and how they learn: the training side.

Forecasts are for metrics: numbers that come at a regular pace of a minute or slower, few of them or with a day in most.
On plants whose sensors move together they only add noise (docs/experiments.md), and there the detector stays as it is.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.entities import rows_by_entity
from latentwatch.detector.forecasts.context import ForecastContext
from latentwatch.detector.forecasts.detector import ForecastDetector
from latentwatch.detector.forecasts.forecaster import Forecaster
from latentwatch.detector.forecasts.fusion import HistoryReadings, empty_histograms, fit_fusion
from latentwatch.detector.forecasts.recursion import WEEKDAYS_AFTER
from latentwatch.detector.forecasts.seasons import find_season, in_words, worth_of_week
from latentwatch.detector.lately import compared_in_words, memory_of
from latentwatch.detector.metrics import (
    DAY,
    FEW_CHANNELS,
    LONG_ENOUGH,
    MANY_ENOUGH,
    MOST_CHANNELS,
    SETTLES,
    days_of,
    days_to_promise,
    regular_pace,
)
from latentwatch.detector.sequences.channels import DISCRETE_VALUES, Channels, channel_names
from latentwatch.detector.sequences.detector import SequenceDetector
from latentwatch.detector.sequences.pace import fit_pace
from latentwatch.detector.sequences.warm_up import restarts
from latentwatch.domain.record import Batch

Floats = NDArray[np.float32]

_WEEK_MATTERS = 0.5
"""Of the worth of a week's word, from which a channel goes by weekdays."""
_MOST_STARTS = 2_000
"""Entities whose states a bundle keeps, 4 kB a channel; of more, all begin as strangers."""


def add_forecasts(
    detector: SequenceDetector, surprise: Floats, history: Batch
) -> tuple[SequenceDetector | ForecastDetector, Floats]:
    """The detector with forecasts beside its components, where they are for records like these; else as it is. Also what
    it says of the history [N].

    `surprise` [N] is what its components say of the history, each record by what did not learn from it.
    """
    pace = regular_pace(history)
    if pace is None:
        return detector, surprise
    z = detector.context.channels.scaled(history)[0]
    chosen = _metrics(detector.context.channels, z)
    if not 1 <= len(chosen) <= MOST_CHANNELS:
        return detector, surprise
    rows_of_each = rows_by_entity(history.entities)
    forecaster = _measure(detector, history, z, rows_of_each, chosen, pace)
    seasons = [find_season(forecaster, z, history.times, rows_of_each, number) for number in range(len(chosen))]
    if len(chosen) > FEW_CHANNELS and 2 * sum(season.slots > 0 for season in seasons) < len(chosen):
        return detector, surprise
    slots = np.array([season.slots for season in seasons], np.int64)
    forecaster = replace(forecaster, slots=slots, cycles=np.array([season.cycle for season in seasons]))
    forecaster = replace(forecaster, week_worth=worth_of_week(forecaster, z, history.times, rows_of_each))
    weeks = days_of(history, rows_of_each) / 7
    owners = detector.context.channels.owners[chosen].tolist()
    found = tuple(
        in_words(history.schema.names[owner], season, weeks) for owner, season in zip(owners, seasons, strict=True)
    )
    return _fit(detector, history, z, surprise, forecaster, found)


def _fit(
    detector: SequenceDetector,
    history: Batch,
    z: Floats,
    surprise: Floats,
    forecaster: Forecaster,
    found: tuple[str, ...],
) -> tuple[ForecastDetector, Floats]:
    """Let forecasts learn from the history as if they served, and calibrate them on what they said before they learned;
    also what they and the components say of it together [N]."""
    read = read_history(forecaster, history, z)
    histograms = empty_histograms(len(read.entities))
    fusion, fused = fit_fusion(histograms, read, surprise, memory_of(forecaster.daily))
    if not fusion.calibrated:
        days = days_to_promise(forecaster.daily, len(read.entities))
        found = (*found, compared_in_words(0, days, int(history.times.min())))
    names, owners, states, settled = read.entities, read.owners, read.states, read.settled
    rows_of_each = rows_by_entity(owners)
    again, stretch = restarts(rows_of_each)
    heads = np.searchsorted(stretch, np.arange(stretch[-1] + 1))
    anew = forecaster.begun_anew(states[owners[again[heads]]])
    fusion = fusion.with_excess(forecaster.read(anew, 0, stretch, z[again], history.times[again]))
    stranger = np.concatenate([forecaster.stranger(states), np.zeros(histograms[0].size, np.float32)])
    kept = len(names) if len(names) <= _MOST_STARTS else 0
    known = np.concatenate([states[:kept], histograms[:kept].reshape(kept, histograms[0].size)], axis=1)
    context = ForecastContext(
        detector, forecaster, fusion, tuple(names[:kept].tolist()), np.concatenate([stranger[None], known])
    )
    return ForecastDetector(context, fit_pace(history.times[settled], owners[settled], fused[settled]), found), fused


def read_history(forecaster: Forecaster, history: Batch, z: Floats) -> HistoryReadings:
    """What forecasts say of a history [N] before they learn from each record, as if they served; its channels, unclipped and in
    the detector's scales, are z."""
    entities, owners = np.unique(history.entities.astype(str), return_inverse=True)
    owners = owners.astype(np.intp)
    rows_of_each = rows_by_entity(owners)
    states = np.repeat(forecaster.fresh()[None], len(entities), axis=0)
    readings = forecaster.read(states, 0, owners, z, history.times).readings
    settled = np.empty(len(history), bool)
    by_week = bool((forecaster.week_worth > _WEEK_MATTERS).any())
    needed = -(-MANY_ENOUGH // len(rows_of_each))
    for rows in rows_of_each:
        until = min(round(SETTLES * forecaster.daily), len(rows) // 3)
        if by_week:  # weekends look strange before weekdays are known, and would pass for as strange as normal is
            until = max(until, min(round(WEEKDAYS_AFTER * forecaster.daily), len(rows) // 2, len(rows) - needed))
        settled[rows] = np.arange(len(rows)) >= until
    long = days_of(history, rows_of_each) + 1.5 / forecaster.daily >= LONG_ENOUGH
    return HistoryReadings(entities, owners, readings, states, settled, bool(long and settled.sum() >= MANY_ENOUGH))


def _metrics(channels: Channels, z: Floats) -> NDArray[np.int64]:
    """The channels that are numbers which move in more than a few values, of records z [N, ...]."""
    names = channel_names(channels.schema, channels.words)
    plain = [part == "" and name in channels.schema.numbers for name, part in names]
    graded = [len(np.unique(column[np.isfinite(column)])) > DISCRETE_VALUES for column in z.T]
    return np.flatnonzero(np.array(plain) & np.array(graded) & (channels.scale > 0)).astype(np.int64)


def _measure(
    detector: SequenceDetector,
    history: Batch,
    z: Floats,
    rows_of_each: list[NDArray[np.intp]],
    chosen: NDArray[np.int64],
    pace: float,
) -> Forecaster:
    """Scales of the chosen channels, and what is usual of them; no season yet."""
    own = z[:, chosen].astype(np.float64)
    low, middle, high = np.nanquantile(own, (0.05, 0.5, 0.95), axis=0)
    start = Forecaster(
        channels=chosen,
        centre=middle.astype(np.float32),
        scale=np.maximum(np.maximum((high - low) / 3.29, 0.2 * np.nanstd(own, axis=0)), 1e-3).astype(np.float32),
        slots=np.zeros(len(chosen), np.int64),
        cycles=np.ones(len(chosen)),
        usual=np.ones((3, len(chosen)), np.float32),
        week_worth=np.zeros(len(chosen)),
        daily=DAY / pace,
        gap_milliseconds=detector.context.gap_milliseconds,
        timezone=history.schema.timezone,
    )
    scaled = start.scaled(z)
    steps = np.concatenate([np.abs(np.diff(scaled[rows], axis=0)) for rows in rows_of_each])
    off = np.abs(scaled - np.nanmedian(scaled, axis=0))
    usual = [np.nanmedian(off, axis=0), np.nanquantile(steps, 0.99, axis=0), 1e-4 * np.nanstd(scaled, axis=0)]
    return replace(start, usual=np.maximum(np.nan_to_num(np.stack(usual)), 1e-6).astype(np.float32))
