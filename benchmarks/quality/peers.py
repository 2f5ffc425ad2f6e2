"""The peers on tables: PyOD with its defaults, nearest neighbours in a few lines, and the dummies a score must beat."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.neighbors import NearestNeighbors

from benchmarks.quality.methods import PROMISED_RATE, Flags, Floats, Method, TrainingQuantile


class Pyod:
    """A PyOD detector with its defaults; `contamination` is the promised rate, so that its labels compare with ours."""

    def __init__(self, build: Callable[[], Any]) -> None:
        self._model = build()

    def fit(self, train: Floats) -> None:
        """Fit, quietly."""
        self._model.fit(train)

    def strangeness(self, rows: Floats) -> Floats:
        """[N] the decision function."""
        return np.asarray(self._model.decision_function(rows), np.float64)

    def training_strangeness(self) -> Floats:
        """[N] the scores PyOD keeps of its training rows."""
        return np.asarray(self._model.decision_scores_, np.float64)

    def flags(self, rows: Floats, strangeness: Floats) -> Flags:
        """[N] above PyOD's own threshold."""
        del rows
        return np.asarray(strangeness > self._model.threshold_)


class NeighbourMean(TrainingQuantile):
    """Mean distance to the k nearest training rows: stronger than the distance to the k-th alone."""

    def __init__(self, neighbours: int) -> None:
        self._neighbours = neighbours

    def fit(self, train: Floats) -> None:
        """Index the training rows."""
        self._index = NearestNeighbors(n_neighbors=min(self._neighbours, len(train) - 1)).fit(train)
        self.learn_limit(self.training_strangeness())

    def strangeness(self, rows: Floats) -> Floats:
        """[N] mean distance to the nearest rows."""
        return np.asarray(self._index.kneighbors(rows)[0].mean(axis=1))

    def training_strangeness(self) -> Floats:
        """[N] mean distance to the nearest other rows."""
        return np.asarray(self._index.kneighbors()[0].mean(axis=1))


class RandomScore(TrainingQuantile):
    """A score drawn at random."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def fit(self, train: Floats) -> None:
        """Remember how many rows there were."""
        self._count = len(train)
        self.limit = 1 - PROMISED_RATE

    def strangeness(self, rows: Floats) -> Floats:
        """[N] uniform numbers."""
        return self._random.random(len(rows))

    def training_strangeness(self) -> Floats:
        """[N] uniform numbers."""
        return self._random.random(self._count)


class AlwaysOn:
    """Every row is anomalous, all equally."""

    def fit(self, train: Floats) -> None:
        """Remember how many rows there were."""
        self._count = len(train)

    def strangeness(self, rows: Floats) -> Floats:
        """[N] ones."""
        return np.ones(len(rows))

    def training_strangeness(self) -> Floats:
        """[N] ones."""
        return np.ones(self._count)

    def flags(self, rows: Floats, strangeness: Floats) -> Flags:
        """[N] all."""
        del rows
        return np.ones(len(strangeness), bool)


class UntrainedAutoencoder(TrainingQuantile):
    """The reconstruction error of random weights F -> F/2 -> F: what the architecture alone is worth."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def fit(self, train: Floats) -> None:
        """Draw the weights; learn only each column's mean and spread."""
        width = train.shape[1]
        hidden = max(1, width // 2)
        self._mean, spread = train.mean(axis=0), train.std(axis=0)
        self._scale = np.where(spread > 0, spread, 1.0)
        self._encode = self._random.normal(size=(width, hidden)) / np.sqrt(width)
        self._decode = self._random.normal(size=(hidden, width)) / np.sqrt(hidden)
        self._training = self.strangeness(train)
        self.learn_limit(self._training)

    def strangeness(self, rows: Floats) -> Floats:
        """[N] mean squared residual."""
        scaled = (rows - self._mean) / self._scale
        decoded = np.maximum(scaled @ self._encode, 0) @ self._decode
        return np.asarray(((scaled - decoded) ** 2).mean(axis=1))

    def training_strangeness(self) -> Floats:
        """[N] of the training rows."""
        return self._training


def pyod(name: str, **settings: Any) -> Callable[[int], Pyod]:
    """How to build the PyOD detector `module.Class` for a seed; the import waits until it is built."""

    def build(seed: int) -> Pyod:
        import importlib

        module, kind = name.split(".")
        detector = getattr(importlib.import_module(f"pyod.models.{module}"), kind)
        seeded = {"random_state": seed} if module in {"iforest", "gmm", "mcd", "vae", "auto_encoder"} else {}
        if module == "lunar":
            import torch

            torch.manual_seed(seed)
        return Pyod(lambda: detector(contamination=PROMISED_RATE, **seeded, **settings))

    return build


DUMMIES = [
    Method("random", "dummy", RandomScore, quick=True),
    Method("always on", "dummy", lambda _: AlwaysOn(), seeds=1, quick=True),
    Method("untrained autoencoder", "dummy", UntrainedAutoencoder, quick=True),
]
NEIGHBOURS = [
    Method("kNN mean of 5", "peer", lambda _: NeighbourMean(5), quick=True),
    Method("kNN nearest", "peer", lambda _: NeighbourMean(1), quick=True),
]


def clean_table_methods() -> list[Method]:
    """Peers on the one-class protocol."""
    return [
        *NEIGHBOURS,
        Method("KNN(5)", "peer", pyod("knn.KNN", n_neighbors=5), quick=True),
        Method("LOF", "peer", pyod("lof.LOF")),
        Method("IForest", "peer", pyod("iforest.IForest"), quick=True),
        Method("ECOD", "peer", pyod("ecod.ECOD"), quick=True),
        Method("GMM", "peer", pyod("gmm.GMM"), quick=True),
        Method("AutoEncoder", "peer", pyod("auto_encoder.AutoEncoder", verbose=0), seeds=1),
        Method("VAE", "peer", pyod("vae.VAE", verbose=0), seeds=1),
        Method("LUNAR", "peer", pyod("lunar.LUNAR"), seeds=1),
        *DUMMIES,
    ]


def contaminated_table_methods() -> list[Method]:
    """Peers where anomalies are among the training rows."""
    return [
        Method("MCD", "peer", pyod("mcd.MCD"), seeds=1, quick=True, leaves_out=frozenset({"17_InternetAds"})),
        *NEIGHBOURS,
        Method("KNN(5)", "peer", pyod("knn.KNN", n_neighbors=5)),
        Method("LOF", "peer", pyod("lof.LOF")),
        Method("IForest", "peer", pyod("iforest.IForest"), quick=True),
        Method("ECOD", "peer", pyod("ecod.ECOD"), quick=True),
        Method("GMM", "peer", pyod("gmm.GMM")),
        Method("AutoEncoder", "peer", pyod("auto_encoder.AutoEncoder", verbose=0), seeds=1),
        *DUMMIES,
    ]


def speed_methods() -> list[Method]:
    """Peers whose scoring is timed."""
    names = {"KNN(5)", "LOF", "IForest", "ECOD", "AutoEncoder", "VAE"}
    return [
        Method(peer.name, peer.group, peer.build, seeds=1, quick=peer.quick)
        for peer in clean_table_methods()
        if peer.name in names
    ]
