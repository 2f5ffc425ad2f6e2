"""From results per set to a comparison: means, ranks, wins, a paired test, and how sure the mean is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata, wilcoxon

from benchmarks.quality.cases import CaseResult

BOOTSTRAPS = 5_000


@dataclass(frozen=True, slots=True)
class Standing:
    """One method on one metric, over the sets where it has a result."""

    method: str
    mean: float
    interval: tuple[float, float]
    """Bootstrap 95 % over sets."""
    rank: float
    """Mean rank among all methods, 1 = best; over sets where every method has a result."""
    sets: int
    seeds: int


@dataclass(frozen=True, slots=True)
class Duel:
    """Ours against another method, set by set, on the seeds both have."""

    other: str
    difference: float
    """Mean of ours minus theirs."""
    wins: int
    losses: int
    p: float
    """Two-sided Wilcoxon signed-rank over sets."""


Table = Mapping[str, Mapping[str, Mapping[int, float]]]
"""method -> set -> seed -> value"""


def table(outcomes: Iterable[CaseResult], suite: str, metric: str) -> Table:
    """The values of one metric in one suite."""
    values: dict[str, dict[str, dict[int, float]]] = {}
    for outcome in outcomes:
        case = outcome.case
        if case.suite == suite and metric in outcome.numbers:
            values.setdefault(case.method, {}).setdefault(case.dataset, {})[case.seed] = outcome.numbers[metric]
    return values


def standings(values: Table, larger_is_better: bool = True) -> list[Standing]:
    """Every method, best mean first."""
    shared = set.intersection(*(set(sets) for sets in values.values())) if values else set()
    ranks = _ranks(values, sorted(shared), larger_is_better)
    found = [
        Standing(
            method=method,
            mean=float(np.mean(means)),
            interval=bootstrap(means),
            rank=ranks.get(method, float("nan")),
            sets=len(sets),
            seeds=max(len(seeds) for seeds in sets.values()),
        )
        for method, sets in values.items()
        for means in [[float(np.mean(list(seeds.values()))) for seeds in sets.values()]]
    ]
    return sorted(found, key=lambda standing: -standing.mean if larger_is_better else standing.mean)


def _ranks(values: Table, sets: Sequence[str], larger_is_better: bool) -> dict[str, float]:
    if not sets:
        return {}
    means = np.array([[np.mean(list(values[method][name].values())) for name in sets] for method in values])
    return dict(zip(values, rankdata(-means if larger_is_better else means, axis=0).mean(axis=1).tolist(), strict=True))


def bootstrap(means: Sequence[float]) -> tuple[float, float]:
    """95 % percentile interval of the mean over sets, sets drawn with replacement."""
    drawn = np.random.default_rng(0).choice(means, (BOOTSTRAPS, len(means))).mean(axis=1)
    return float(np.quantile(drawn, 0.025)), float(np.quantile(drawn, 0.975))


def duel(values: Table, ours: str, other: str) -> Duel:
    """Ours against one other method; sets and seeds that both have."""
    mine, theirs = values[ours], values[other]
    differences = np.array(
        [
            np.mean([mine[name][seed] - theirs[name][seed] for seed in sorted(set(mine[name]) & set(theirs[name]))])
            for name in mine
            if name in theirs and set(mine[name]) & set(theirs[name])
        ]
    )
    tested = len(differences) > 1 and bool(np.any(differences != 0))
    return Duel(
        other=other,
        difference=float(differences.mean()) if len(differences) else float("nan"),
        wins=int((differences > 0).sum()),
        losses=int((differences < 0).sum()),
        p=float(wilcoxon(differences).pvalue) if tested else 1.0,
    )
