"""Latentwatch as its users have it: the public estimator with its shipped defaults, no per-set settings."""

from typing import Any

import numpy as np

from benchmarks.quality.methods import Flags, Floats, Method


class Latentwatch:
    """`LatentDetector` behind the benchmark's interface."""

    def __init__(self, **settings: Any) -> None:
        from latentwatch import LatentDetector

        self._detector: Any = LatentDetector(**settings)
        self._train: Floats = np.zeros((0, 0))

    def fit(self, train: Floats) -> None:
        """Learn normal."""
        self._train = train
        self._detector.fit(train)

    def strangeness(self, rows: Floats) -> Floats:
        """[N] surprise, -log10 p."""
        return np.asarray(self._detector.surprise(rows), np.float64)

    def training_strangeness(self) -> Floats:
        """[N] surprise of the training rows."""
        return self.strangeness(self._train)

    def flags(self, rows: Floats, strangeness: Floats) -> Flags:
        """[N] what `predict` says."""
        del strangeness
        return np.asarray(self._detector.predict(rows) == -1)


OURS = "Latentwatch"


def default_table_method() -> Method:
    """The shipped default, on records scored on their own."""
    return Method(OURS, "ours", lambda seed: Latentwatch(random_state=seed), quick=True)


def table_methods() -> list[Method]:
    """The shipped default and the two other efforts."""
    return [
        default_table_method(),
        Method(f"{OURS} light", "ours", lambda seed: Latentwatch(effort="light", random_state=seed)),
        Method(f"{OURS} full", "ours", lambda seed: Latentwatch(effort="full", random_state=seed)),
    ]


def sensor_method(seeds: int) -> Method:
    """The shipped default for consecutive samples; effort makes no difference there."""
    return Method(OURS, "ours", lambda seed: Latentwatch(window="auto", random_state=seed), seeds=seeds, quick=True)
