"""How much stranger normal records look while little is known of their entity's past, and how that is taken off."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.entities import rows_by_entity
from latentwatch.detector.sequences.context import SequenceContext
from latentwatch.detector.sequences.model import SequenceModel
from latentwatch.domain.record import Batch

Floats: TypeAlias = NDArray[np.float32]

AGES = 9
"""Ages of a context at which its excess is measured: 0, 1, 3, ... 2^(AGES - 1) - 1 records."""
_RESTARTS = 64
_QUANTILES = (0.5, 0.75, 0.9)


@dataclass(frozen=True, slots=True)
class WarmUp:
    """What a context that is not full yet adds to anomaly scores."""

    excess: dict[str, Floats]
    """By the name of an anomaly score, [AGES] how much higher normal records score while the context is that young."""

    def settle(self, scores: Mapping[str, Floats], seen: NDArray[np.int64]) -> dict[str, Floats]:
        """Anomaly scores [N] as they would be with a full context, by how many records came before [N]."""
        if not len(seen) or int(seen.min()) >= 1 << (AGES - 1):
            return dict(scores)
        age = np.log2(seen + 1.0)
        knots = np.arange(AGES)
        return {name: score - np.interp(age, knots, self.excess[name]) for name, score in scores.items()}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        return dict(self.excess)

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], names: tuple[str, ...]) -> Self:
        """The inverse of `arrays`, for anomaly scores of those names. Raises ValueError where they do not fit."""
        if arrays.keys() != {*names} or any(excess.shape != (AGES,) for excess in arrays.values()):
            raise ValueError("what a context that warms up adds does not fit the components")
        return cls(dict(arrays))


def measure_warm_up(
    model: SequenceModel, context: SequenceContext, history: Batch, entities: NDArray[np.intp]
) -> WarmUp:
    """Read stretches of the history [N] once more, each as if it were the first that is known of its entity [N]."""
    rows, stretch = restarts(rows_by_entity(entities))
    batch = history.take(rows)
    contexts = context.extend(context.fresh([""] * (int(stretch[-1]) + 1)), stretch, batch)
    age = np.minimum(np.log2(contexts.seen + 1.0), AGES - 1).astype(np.intp)
    return WarmUp({name: excess_by_age(score, age) for name, score in model.anomaly_scores(contexts.features).items()})


def restarts(rows_of_each: list[NDArray[np.intp]]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Stretches of a history, whose rows of each entity are given, spread over it: the rows of all, one after the other [M],
    and the number of each one's stretch [M]."""
    length = (1 << (AGES - 1)) + (1 << (AGES - 2))
    picks: list[NDArray[np.intp]] = []
    starts: list[NDArray[np.intp]] = []
    for mine in rows_of_each:
        reach = min(length, len(mine))
        for begin in np.unique(np.linspace(0, len(mine) - reach, max(2, _RESTARTS // len(rows_of_each))).astype(int)):
            picks.append(mine[begin : begin + reach])
            starts.append(np.full(reach, len(starts), np.intp))
    return np.concatenate(picks), np.concatenate(starts)


def excess_by_age(score: Floats, age: NDArray[np.intp]) -> Floats:
    """[AGES] how much higher scores [N] are at each age [N], which is the logarithm of a number of records, than at the last."""
    levels = np.array([np.quantile(score[age == at], _QUANTILES) for at in range(AGES) if (age == at).any()])
    higher = np.zeros(AGES)
    higher[: len(levels)] = np.maximum(levels - levels[-1], 0.0).max(axis=1)
    return np.maximum.accumulate(higher[::-1])[::-1].astype(np.float32)
