"""Peers of streams with a clock that other libraries bring, with their defaults: a decomposition into seasons (statsmodels) and the
left matrix profile (stumpy). Both score a record from the records up to it. And who is asked on which suite.

No random cut forest: the one on the package index (rrcf 0.4.4) cannot be imported where setuptools is recent.
"""

from collections.abc import Callable

import numpy as np

from benchmarks.quality.baselines import RollingMahalanobis, ScaledNeighbours, SmoothedResidual
from benchmarks.quality.clocked import (
    DAY,
    ClockedLatentwatch,
    Lagged,
    RecordThreshold,
    SeasonalNaive,
    SlotMedian,
    SpectralResidual,
)
from benchmarks.quality.methods import Floats, Method, Outliers
from benchmarks.quality.ours import OURS
from benchmarks.quality.peers import pyod


class SeasonsOfMstl(RecordThreshold):
    """The distance from what repeats by the day and the week (MSTL, Bandara et al. 2021), less the level of the last day.

    Seasons are taken from the training rows and go on as in their last cycle; a season of which fewer than two and a half
    cycles were seen is left out. The level is the median of the last day's records, without the record itself.
    """

    def fit(self, train: Floats) -> None:
        """Decompose each channel."""
        from statsmodels.tsa.seasonal import MSTL

        daily = max(2, round(DAY / float(np.median(np.diff(train[:, 0])))))
        periods = tuple(period for period in (daily, 7 * daily) if 2.5 * period <= len(train))
        self._daily, self._cycles, seasons = daily, [], []
        for column in train[:, 1:].T:
            found = np.asarray(MSTL(column, periods=periods).fit().seasonal).reshape(len(train), len(periods))
            self._cycles.append([found[-period:, at] for at, period in enumerate(periods)])
            seasons.append(found.sum(axis=1))
        rest = train[:, 1:] - np.stack(seasons, axis=1)
        self._before = rest[-daily:]
        off = self._off(np.concatenate([np.repeat(rest[:1], daily, axis=0), rest]))
        self._scale = np.median(off, axis=0) + 1e-9 * (1 + np.abs(train[:, 1:]).max(axis=0))
        self.learn_limit(train[:, 0], (off / self._scale).max(axis=1))

    def strangeness(self, rows: Floats) -> Floats:
        """[N] rows follow the training rows."""
        seasons = np.stack([sum(np.resize(cycle, len(rows)) for cycle in cycles) for cycles in self._cycles], axis=1)
        rest = np.concatenate([self._before, rows[:, 1:] - seasons])
        return np.asarray((self._off(rest) / self._scale).max(axis=1))

    def _off(self, rest: Floats) -> Floats:
        """[N, C] how far each but the first day's lies from the median of the day before it."""
        windows = np.lib.stride_tricks.sliding_window_view(rest[:-1], self._daily, axis=0)
        return np.asarray(np.abs(rest[self._daily :] - np.median(windows, axis=2)))


class LeftMatrixProfile(RecordThreshold):
    """How far the stretch that ends with a record is from the nearest earlier one, each less its mean over its spread; the
    largest of the first `channels` channels."""

    def __init__(self, length: float, channels: int | None = None) -> None:
        """`length` of the stretch in seconds."""
        self._length, self._channels = length, channels

    def fit(self, train: Floats) -> None:
        """Nothing is learned but the training rows and the limit."""
        self._records = max(8, round(self._length / float(np.median(np.diff(train[:, 0])))))
        self._train = train[:, 1:][:, : self._channels]
        training = self._profile(self._train)
        training[: len(training) // 2] = np.median(training)  # early stretches have little before them
        self.learn_limit(train[:, 0], training)

    def strangeness(self, rows: Floats) -> Floats:
        """[N] rows follow the training rows."""
        return self._profile(np.concatenate([self._train, rows[:, 1:][:, : self._channels]]))[len(self._train) :]

    def _profile(self, values: Floats) -> Floats:
        from stumpy import stump

        out = np.zeros(len(values))
        for column in values.T:
            column = np.ascontiguousarray(column, np.float64)
            nearest = stump(column, self._records)[:, 2].astype(np.int64)
            stretches = np.lib.stride_tricks.sliding_window_view(column, self._records)
            spread = stretches.std(axis=1, keepdims=True)
            alike = (stretches - stretches.mean(axis=1, keepdims=True)) / np.where(spread > 1e-9, spread, 1.0)
            distance = np.linalg.norm(alike - alike[np.maximum(nearest, 0)], axis=1)
            distance[nearest < 0] = 0.0
            out[self._records - 1 :] = np.maximum(out[self._records - 1 :], distance)
        return out


def metric_methods(seeds: int) -> list[Method]:
    """Of streams with a day; where a seed draws another stream every one needs them all."""
    hours = 3600.0
    return [
        Method(OURS, "ours", ClockedLatentwatch, seeds=seeds, quick=True),
        Method("seasonal naive, day", "peer", lambda _: SeasonalNaive(), seeds=seeds, quick=True),
        Method("slot-of-day median", "peer", lambda _: SlotMedian(DAY, 96), seeds=seeds, quick=True),
        Method("slot-of-week median", "peer", lambda _: SlotMedian(7 * DAY, 168), seeds=seeds, quick=True),
        Method("MSTL residual", "peer", lambda _: SeasonsOfMstl(), seeds=seeds, library="statsmodels"),
        Method("left matrix profile, 12 h", "peer", lambda _: LeftMatrixProfile(12 * hours), seeds, library="stumpy"),
        Method("left matrix profile, 2 h", "peer", lambda _: LeftMatrixProfile(2 * hours), seeds, library="stumpy"),
        Method("spectral residual(256)", "peer", lambda _: SpectralResidual(), seeds=seeds),
        Method("lagged kNN mean of 5", "peer", lambda _: Lagged(ScaledNeighbours(), 16), seeds=seeds),
    ]


def telemetry_methods(seeds: int) -> list[Method]:
    """Of a channel beside commands: peers that look at records with some of their past, and at the channel alone."""

    def of_rows(build: Callable[[int], Outliers]) -> Callable[[int], Outliers]:
        return lambda seed: Lagged(build(seed), 1)

    return [
        Method(OURS, "ours", ClockedLatentwatch, seeds=seeds, quick=True),
        Method("row Mahalanobis", "peer", of_rows(lambda _: RollingMahalanobis(1)), seeds=seeds, quick=True),
        Method("rolling-mean Mahalanobis(30)", "peer", of_rows(lambda _: RollingMahalanobis(30)), seeds=seeds),
        Method("PCA-Q(41)", "peer", of_rows(lambda _: SmoothedResidual(41)), seeds=seeds),
        Method("row kNN mean of 5", "peer", of_rows(lambda _: ScaledNeighbours()), seeds=seeds, quick=True),
        Method("lagged kNN mean of 5", "peer", lambda _: Lagged(ScaledNeighbours(), 16), seeds=seeds),
        Method("row IForest", "peer", of_rows(pyod("iforest.IForest")), seeds=seeds),
        Method("spectral residual(256)", "peer", lambda _: SpectralResidual(), seeds=seeds),
        Method(
            "left matrix profile, 64 records of the channel",
            "peer",
            lambda _: LeftMatrixProfile(64 * 60.0, channels=1),
            seeds=seeds,
            library="stumpy",
        ),
    ]
