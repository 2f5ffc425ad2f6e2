"""Causal baselines on sensors: each row is scored from rows up to it."""

from abc import ABC, abstractmethod

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA

from benchmarks.quality.datasets import standardiser
from benchmarks.quality.methods import Floats, Method, TrainingQuantile
from benchmarks.quality.peers import DUMMIES, NeighbourMean, pyod


def rolling_mean(rows: Floats, span: int) -> Floats:
    """Mean of the last `span` rows up to and including each [N] or [N, F]; fewer at the start."""
    total = np.cumsum(rows, axis=0)
    out = total.copy()
    out[span:] = total[span:] - total[:-span]
    counts = np.minimum(np.arange(1, len(rows) + 1), span)
    return np.asarray(out / (counts if rows.ndim == 1 else counts[:, None]))


class _Baseline(TrainingQuantile, ABC):
    """Standardises on train, keeps the training scores for its limit."""

    def fit(self, train: Floats) -> None:
        """Standardise, learn, and set the limit from the training rows."""
        self._scale = standardiser(train)
        self._learn(self._scale(train))
        self._training = self.strangeness(train)
        self.learn_limit(self._training)

    def strangeness(self, rows: Floats) -> Floats:
        """[N] in row order; a call is one uninterrupted sequence."""
        return self._anomaly_score(self._scale(rows))

    def training_strangeness(self) -> Floats:
        """[N] of the training rows."""
        return self._training

    @abstractmethod
    def _learn(self, train: Floats) -> None:
        """Learn normal from standardised rows."""

    @abstractmethod
    def _anomaly_score(self, rows: Floats) -> Floats:
        """[N] strangeness of standardised rows."""


class RollingMahalanobis(_Baseline):
    """Mahalanobis distance, covariance by Ledoit and Wolf, of the mean of the last rows; span 1 is the row itself."""

    def __init__(self, span: int) -> None:
        self._span = span

    def _learn(self, train: Floats) -> None:
        self._shape = LedoitWolf().fit(rolling_mean(train, self._span))

    def _anomaly_score(self, rows: Floats) -> Floats:
        return np.asarray(self._shape.mahalanobis(rolling_mean(rows, self._span)))


class SmoothedResidual(_Baseline):
    """PCA-Q: squared residual outside the components that hold 90 % of the variance, averaged over the last rows."""

    def __init__(self, span: int) -> None:
        self._span = span

    def _learn(self, train: Floats) -> None:
        self._pca = PCA(n_components=0.9, svd_solver="full").fit(train)

    def _anomaly_score(self, rows: Floats) -> Floats:
        back = self._pca.inverse_transform(self._pca.transform(rows))
        return rolling_mean(((rows - back) ** 2).sum(axis=1), self._span)


class MeanShift(_Baseline):
    """Largest distance, over the channels, of the recent mean from the training median, in robust deviations."""

    def __init__(self, span: int) -> None:
        self._span = span

    def _learn(self, train: Floats) -> None:
        self._median = np.median(train, axis=0)
        spread = 1.4826 * np.median(np.abs(train - self._median), axis=0)
        deviation = train.std(axis=0)
        self._spread = np.where(spread > 0, spread, np.where(deviation > 0, deviation, 1.0))

    def _anomaly_score(self, rows: Floats) -> Floats:
        return np.asarray(np.abs(rolling_mean((rows - self._median) / self._spread, self._span)).max(axis=1))


class ScaledNeighbours(_Baseline):
    """Mean distance of the standardised row to its 5 nearest training rows."""

    def _learn(self, train: Floats) -> None:
        self._index = NeighbourMean(5)
        self._index.fit(train)

    def _anomaly_score(self, rows: Floats) -> Floats:
        return self._index.strangeness(rows)


def sensor_methods() -> list[Method]:
    """Baselines and peers on consecutive samples. PyOD's ECOD is absent: it ranks rows within the test batch."""
    return [
        Method("row Mahalanobis", "peer", lambda _: RollingMahalanobis(1), seeds=1, quick=True),
        Method("rolling-mean Mahalanobis(30)", "peer", lambda _: RollingMahalanobis(30), seeds=1, quick=True),
        Method("PCA-Q(41)", "peer", lambda _: SmoothedResidual(41), seeds=1, quick=True),
        Method("mean shift(41)", "peer", lambda _: MeanShift(41), seeds=1, quick=True),
        Method("row kNN mean of 5", "peer", lambda _: ScaledNeighbours(), seeds=1),
        Method("row IForest", "peer", pyod("iforest.IForest"), seeds=1),
        *(Method(dummy.name, dummy.group, dummy.build, seeds=1, quick=True) for dummy in DUMMIES),
    ]
