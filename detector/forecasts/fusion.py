"""Readings of forecasts and the surprise of a detector's components -> one surprise, strange against training and lately.

    group    = (mean over channels and readings of s^3)^(1/3), s their surprises, calibrated again
    together = (2 lately(group) + lately(composite)) / 3

Where the history was long enough the whole is calibrated on it. A few hundred records calibrate no tail: with less, what
people are promised is how rare the whole is among the entity's own recent ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.array_prefixes import below, prefixed
from latentwatch.detector.calibration import Calibration, fit_calibration
from latentwatch.detector.forecasts.forecaster import Forecasts
from latentwatch.detector.forecasts.recursion import READINGS
from latentwatch.detector.lately import BINS, Lately
from latentwatch.detector.sequences.warm_up import AGES, excess_by_age

Floats = NDArray[np.float32]

HISTOGRAMS = 3
"""Of an entity: of the group, of the composite, and of both together."""
_DAMPENING = 16.0
"""For the group: it sees where anomalies begin, and dense ones would soon be usual."""
_POWER = 3.0
_GROUP_COUNTS = 2.0


class Fused(NamedTuple):
    """Of N records."""

    forecast: Floats
    """[N] how strange the forecasts' errors are, against training."""
    strength: Floats
    """[N, C] what each channel adds to that."""
    surprise: Floats
    """[N] everything together."""


@dataclass(frozen=True, slots=True)
class Fusion:
    """How readings become a surprise. Immutable; the histograms are the caller's."""

    readings: tuple[Calibration, ...]
    """[C READINGS]"""
    group: Calibration
    together: Calibration
    calibrated: bool
    """Whether the history was long enough to promise by; else lately is."""
    memory: float
    """Of what is lately, in records."""
    excess: Floats
    """[AGES] how much stranger normal records look to forecasts that soon after a silence."""

    @property
    def seen_until(self) -> float:
        """The surprise beyond which no record has been: of the history, or of what is remembered of lately."""
        if self.calibrated:
            return float(self.together.surprise(np.array([self.together.seen_until]))[0])
        return Lately(self.memory).resolution

    @property
    def resolution(self) -> float:
        """The surprise of one record in all that the promise is learned from."""
        return self.together.resolution if self.calibrated else Lately(self.memory).resolution

    def judge(self, histograms: Floats, owners: NDArray[np.intp], forecasts: Forecasts, composite: Floats) -> Fused:
        """Judge records by forecasts and the composite's surprise [N]; `histograms` [E, HISTOGRAMS, BINS] fill in place, in row
        order."""
        strength = strengths(self.readings, forecasts.readings)
        forecast = self._settled(self.group.surprise(_mean(strength)), forecasts.ages)
        whole = combine(histograms, owners, forecast, composite, self.memory)
        if self.calibrated:
            return Fused(forecast, strength, self.together.surprise(whole))
        return Fused(forecast, strength, Lately(self.memory).rank(histograms[:, 2], owners, whole))

    def _settled(self, forecast: Floats, ages: NDArray[np.int64]) -> Floats:
        """Surprises [N] as they would be with a full past, by how many records came before [N]."""
        more = np.interp(np.log2(ages + 1.0), np.arange(AGES), self.excess)
        return np.asarray(np.maximum(forecast - more, 0.0), np.float32)

    def with_excess(self, forecasts: Forecasts) -> "Fusion":
        """Learn from stretches of the history, each read as after a silence, how much stranger normal records look then."""
        forecast = self.group.surprise(_mean(strengths(self.readings, forecasts.readings)))
        ages = np.minimum(np.log2(forecasts.ages + 1.0), AGES - 1).astype(np.intp)
        return replace(self, excess=excess_by_age(forecast, ages))

    def as_in_training(self, strength: Floats, composite: Floats) -> Floats:
        """[N] the surprise of records of which nothing is known lately, from what each channel adds [N, C] and the
        composite's surprise [N]."""
        group = self.group.surprise(_mean(strength))
        whole = np.asarray((_GROUP_COUNTS * group + composite) / (_GROUP_COUNTS + 1), np.float32)
        return self.together.surprise(whole) if self.calibrated else whole

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores as weights."""
        out = {
            "excess": self.excess,
            **prefixed("group.", self.group.arrays()),
            **prefixed("together.", self.together.arrays()),
        }
        for number, part in enumerate(self.readings):
            out |= prefixed(f"reading{number}.", part.arrays())
        return out

    def meta(self) -> dict[str, Any]:
        """What a bundle stores as JSON."""
        return {
            "readings": [part.meta() for part in self.readings],
            "group": self.group.meta(),
            "together": self.together.meta(),
            "calibrated": self.calibrated,
            "memory": self.memory,
        }

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], channels: int) -> Self:
        """The inverse of `arrays` and `meta`. Raises ValueError where they are not of so many channels."""
        if len(meta["readings"]) != channels * READINGS:
            raise ValueError("the calibrations do not fit the forecasts")
        if arrays["excess"].shape != (AGES,):
            raise ValueError("what a silence adds does not fit the forecasts")
        readings = tuple(
            Calibration.from_bundle(below(arrays, f"reading{number}."), part)
            for number, part in enumerate(meta["readings"])
        )
        return cls(
            readings,
            Calibration.from_bundle(below(arrays, "group."), meta["group"]),
            Calibration.from_bundle(below(arrays, "together."), meta["together"]),
            bool(meta["calibrated"]),
            float(meta["memory"]),
            arrays["excess"],
        )


def strengths(calibrations: tuple[Calibration, ...], readings: Floats) -> Floats:
    """[N, C] the mean of the cubes of each channel's surprises."""
    count, channels, kinds = readings.shape
    flat = readings.reshape(count, channels * kinds)
    cubes = [part.surprise(flat[:, number]) ** _POWER for number, part in enumerate(calibrations)]
    return np.asarray(np.stack(cubes, axis=1).reshape(count, channels, kinds).mean(axis=2), np.float32)


def _mean(strength: Floats) -> Floats:
    return np.asarray(strength.mean(axis=1) ** (1 / _POWER), np.float32)


def combine(histograms: Floats, owners: NDArray[np.intp], forecast: Floats, composite: Floats, memory: float) -> Floats:
    """[N] of both surprises [N] as they are lately; the first two `histograms` [E, HISTOGRAMS, BINS] fill in place."""
    ours = Lately(memory, _DAMPENING).rank(histograms[:, 0], owners, forecast)
    theirs = Lately(memory).rank(histograms[:, 1], owners, composite)
    return np.asarray((np.float32(_GROUP_COUNTS) * ours + theirs) / np.float32(_GROUP_COUNTS + 1.0), np.float32)


def share_of_forecasts(forecast: Floats, composite: Floats) -> Floats:
    """[N] of what forecasts and components say together, by their surprises [N] against training, the forecasts' share."""
    ours = np.float32(_GROUP_COUNTS) * np.maximum(forecast, 0)
    total = ours + np.maximum(composite, 0)
    return np.asarray(ours / np.maximum(total, np.float32(1e-9)), np.float32)


class HistoryReadings(NamedTuple):
    """What forecasts say of N training records before they learn from each: what calibration learns from."""

    entities: NDArray[np.str_]
    """[E]"""
    owners: NDArray[np.intp]
    """[N]"""
    readings: Floats
    """[N, C, READINGS]"""
    states: Floats
    """[E, state size] afterwards."""
    settled: NDArray[np.bool_]
    """[N] whether the forecasts had found their feet."""
    calibrated: bool
    """Whether the history was long enough to promise by."""


def fit_fusion(histograms: Floats, history: HistoryReadings, composite: Floats, memory: float) -> tuple[Fusion, Floats]:
    """Calibrate on a history [N] of which the components say `composite` [N], and judge it [N]. `histograms` fill in place, as
    if they had served."""
    settled = history.settled
    flat = history.readings.reshape(len(history.readings), -1)
    parts = tuple(fit_calibration(column[settled]) for column in flat.T)
    strength = _mean(strengths(parts, history.readings))
    group = fit_calibration(strength[settled], smooth=False)
    whole = combine(histograms, history.owners, group.surprise(strength), composite, memory)
    together = fit_calibration(whole[settled], smooth=False)
    fusion = Fusion(parts, group, together, history.calibrated, memory, np.zeros(AGES, np.float32))
    if history.calibrated:
        return fusion, together.surprise(whole)
    return fusion, Lately(memory).rank(histograms[:, 2], history.owners, whole)


def empty_histograms(entities: int) -> Floats:
    """[entities, HISTOGRAMS, BINS] of which nothing is known."""
    return np.zeros((entities, HISTOGRAMS, BINS), np.float32)
