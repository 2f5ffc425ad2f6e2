"""Trains a row model and judges its own training rows as if it had never seen them, for calibration.

Rows [N, P] -> FittedRows: a RowModel, and out-of-fold anomaly scores [N] at each kind of work
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.array_prefixes import below, prefixed
from latentwatch.detector.autoencoders.examples import RowExamples, RowTrainingPlan
from latentwatch.detector.autoencoders.network import Network
from latentwatch.detector.density import AnyDensity, choose_density, density_from_bundle, fit_density
from latentwatch.detector.neighbours import Memory, build_memory
from latentwatch.detector.rows.features import Rows
from latentwatch.detector.rows.gaps import fill_gaps
from latentwatch.detector.rows.model import AnomalyScores, Held, RowModel, Work, take_rows
from latentwatch.detector.rows.scoring import SHOWN
from latentwatch.detector.rows.tails import fit_tails
from latentwatch.domain.model_choice import ModelChoice, ModelKind

Floats: TypeAlias = NDArray[np.float32]
Progress: TypeAlias = Callable[[float], None]
LARGEST_MEMORY = 10_000
"""Normal rows that are kept; of more, so many are drawn at random."""
MOST_ROWS = 40_000
"""Rows that training looks at; of more, so many are drawn at random."""
SCALE_ROWS = 3_000
"""Rows whose neighbours decide how columns are scaled."""
COMMON_WIDTH = 200
"""Columns up to which a training batch has its full size; with more it shrinks, so that a step costs the same."""
MEMBERS = 5
STEPS = 100
"""Of training; 200 score tables no better."""
REACH = 0.1
"""Share of all rows within a row's reach: groups of strange rows smaller than that do not look common."""
REACH_ROWS = 1_000
"""Rows, drawn at random, among which reach is measured."""
NARROWEST = 0.05
"""Quartiles of the log reach are taken to lie at least so far apart."""
INNERMOST, REMOTEST = -1.0, 3.5
"""Quartile distances from the median beyond which the log reach does not count."""
EXACT = 1 << 30
"""Probes that search every list."""
CAREFUL = 12
"""Probes where a search is done once, in training."""


@dataclass(frozen=True, slots=True)
class FittedRows:
    """A trained model and its own training rows."""

    model: RowModel
    values: Floats
    """[N, P] the training rows, prepared."""
    present: Floats
    """[N, P] or [1, P]"""
    held: Held
    densities: tuple[AnyDensity, ...]
    """By member: the density of its codes, without the rows it did not train on."""
    kept: NDArray[np.intp]
    """[M] which training rows the memory holds, in its order."""

    def out_of_fold(self, work: Work, rows: NDArray[np.intp]) -> AnomalyScores:
        """Anomaly scores of those of the training rows, each judged without itself, as a new row."""
        by_member = np.argsort(self.held.member[rows], kind="stable")  # those of one member are asked together
        scores = self._out_of_fold(work, rows[by_member])
        return take_rows(scores, np.argsort(by_member, kind="stable"))

    def _out_of_fold(self, work: Work, rows: NDArray[np.intp]) -> AnomalyScores:
        held = Held(self.held.place[rows], self.held.member[rows])
        present = self.present if len(self.present) == 1 else self.present[rows]
        seen = self.model.look(self.values[rows], present, work, held)
        density = np.empty(len(rows), np.float32)
        for member, fitted in enumerate(self.densities):
            mine = held.member == member
            density[mine] = fitted.anomaly_score(seen.codes[mine])
        return self.model.fuse(seen, density, as_new=True)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every array."""
        return {
            "values": self.values,
            "present": self.present,
            "place": self.held.place,
            "member": self.held.member,
            "kept": self.kept,
            **prefixed("model.", self.model.arrays()),
            **{
                f"density.{member}.{name}": array
                for member, density in enumerate(self.densities)
                for name, array in density.arrays().items()
            },
        }

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], width: int) -> Self:
        """The inverse of `arrays` and the model's `meta`, for rows of `width` columns."""
        model = RowModel.from_bundle(below(arrays, "model."), meta, width)
        densities = tuple(
            density_from_bundle(meta["density"], below(arrays, f"density.{member}."))
            for member in range(model.network.members)
        )
        held = Held(arrays["place"], arrays["member"])
        return cls(model, arrays["values"], arrays["present"], held, densities, arrays["kept"])


def fit_rows(rows: Rows, choice: ModelChoice, progress: Progress) -> tuple[FittedRows, NDArray[np.intp]]:
    """Train on rows [N, P], N >= 1; also says which of them it looked at, in order."""
    random = np.random.default_rng(choice.seed)
    chosen = _draw(len(rows.values), MOST_ROWS, random)
    values = rows.values[chosen]
    present = np.ones((1, values.shape[1]), np.float32)
    if rows.present is not None:
        present = rows.present[chosen].astype(np.float32)
        values = fill_gaps(values, present, values[_draw(len(values), SCALE_ROWS, random)])
    divisor = column_divisor(values[_draw(len(values), SCALE_ROWS, random)], choice.seed)
    values = np.ascontiguousarray(values / divisor)
    in_memory = _draw(len(values), LARGEST_MEMORY, random)
    memory, order = build_memory(values[in_memory], choice.seed)
    kept = in_memory[order]
    place = np.full(len(values), -1, np.int64)
    place[kept] = np.arange(len(kept))
    progress(0.05)
    distances, nearest = memory.nearest(values, SHOWN, CAREFUL)
    smallest = 1e-3 * float(np.median(distances[kept, 0])) + 1e-6
    remoteness = _remoteness(memory.rows, smallest, random)
    folds = random.permutation(len(values)) % MEMBERS
    held = Held(place, folds.astype(np.int64))
    aside, distance = _aside(distances, memory.rows[nearest], smallest)
    network = _fit_network(values, present, aside, held, choice, progress)
    codes = network.encode(values, aside)
    spacing = distances[kept].mean(axis=1)
    model, densities = _assemble(codes, divisor, memory, remoteness, spacing, network, distance, held, choice)
    return FittedRows(model, values, present, held, densities, kept), chosen


def column_divisor(values: Floats, seed: int) -> Floats:
    """[P] sqrt(v + 0.3 mean v), v the mean squared difference from the 5 nearest rows; scaled to a mean square of 1.

    A column in which neighbours agree counts for more. Columns that never differ have no say in the mean.
    """
    memory, _ = build_memory(values, seed)
    count = min(5, max(len(values) - 1, 1))
    _, nearest = memory.nearest(memory.rows, count, CAREFUL)
    squared = np.zeros(values.shape[1])
    for neighbour in range(count):
        squared += np.square(memory.rows - memory.rows[nearest[:, neighbour]]).mean(axis=0)
    squared /= count
    differs = values.std(axis=0) > 1e-6
    typical = squared[differs].mean() if differs.any() else 1.0
    scale = squared + 0.3 * typical + 1e-9
    scale /= scale[differs].mean() if differs.any() else scale.mean()
    return np.sqrt(scale).astype(np.float32)


def _draw(count: int, most: int, random: np.random.Generator) -> NDArray[np.intp]:
    """Which of `count` rows to use when at most `most` may be, in order."""
    return np.arange(count) if count <= most else np.sort(random.choice(count, most, replace=False))


def _remoteness(rows: Floats, smallest: float, random: np.random.Generator) -> Floats:
    """How far each row [M, P] lies from the middle of the bulk of them [M]: its log reach less the median, in quartile
    distances, at least -1 and at most 3.5.

    Reach is the distance within which a share `REACH` of all rows lies. Strange rows that training data hold in groups
    are each other's nearest neighbours and would vouch for each other, but their reach gives them away. The bound keeps
    a rare but normal mode from drowning everything else.
    """
    others = rows[_draw(len(rows), REACH_ROWS, random)]
    place = min(max(1, round(REACH * len(others))), len(others) - 1)
    squares = np.square(others).sum(axis=1)
    squared = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), 512):
        block = rows[start : start + 512]
        apart = np.square(block).sum(axis=1)[:, None] + squares - 2.0 * block @ others.T
        squared[start : start + 512] = np.partition(apart, place, axis=1)[:, place]
    reach = np.log(np.sqrt(np.maximum(squared, 0.0)) + smallest)
    lower, median, upper = np.quantile(reach, [0.25, 0.5, 0.75])
    beyond = (reach - median) / max(upper - lower, NARROWEST)
    return np.asarray(np.clip(beyond, INNERMOST, REMOTEST), np.float32)


def _aside(distances: Floats, neighbours: Floats, smallest: float) -> tuple[Floats, tuple[float, float, float]]:
    """What the network sees beside each row [N, P + 1], the mean of its neighbours [N, k, P] and how far they are, and the
    scale of that log distance. `smallest` is small beside distances between neighbours."""
    far = np.log(distances.mean(axis=1) + smallest)
    distance = (float(far.mean()), float(far.std()) + 1e-3, smallest)
    scaled = ((far - distance[0]) / distance[1])[:, None]
    return np.concatenate([neighbours.mean(axis=1), scaled], axis=1).astype(np.float32), distance


def _fit_network(
    values: Floats, present: Floats, aside: Floats, held: Held, choice: ModelChoice, progress: Progress
) -> Network:
    """The ensemble."""
    baseline = aside[:, :-1]
    examples = RowExamples(
        rows=values,
        aside=aside,
        baseline=baseline,
        present=None if len(present) == 1 else present,
        folds=held.member.astype(np.intp),
    )
    kind = ModelKind.DENOISING if choice.kind is ModelKind.AUTO else choice.kind
    widest = int(256 * min(1.0, COMMON_WIDTH / values.shape[1]))
    batch = int(np.clip(len(values) // 2, 32, max(32, widest)))
    plan = RowTrainingPlan(kind=kind, members=MEMBERS, code=32, steps=STEPS, batch=batch, seed=choice.seed)
    if kind is ModelKind.LINEAR:
        from latentwatch.detector.autoencoders.linear import components, fit_linear

        return fit_linear(examples, replace(plan, code=components(values - baseline)))
    from latentwatch.detector.autoencoders.training import train_network

    return train_network(examples, plan, lambda share: progress(0.1 + 0.8 * share))


def _assemble(
    codes: Floats,
    divisor: Floats,
    memory: Memory,
    remoteness: Floats,
    spacing: Floats,
    network: Network,
    distance: tuple[float, float, float],
    held: Held,
    choice: ModelChoice,
) -> tuple[RowModel, tuple[AnyDensity, ...]]:
    """The model, and each member's density of the codes of the rows it trained on."""
    kind = choose_density(codes.shape[1]) if choice.density == "auto" else choice.density
    densities = []
    for member in range(network.members):
        seen = held.member != member
        densities.append(fit_density(kind, codes[member][seen if seen.any() else ~seen], choice.seed))
    importance = np.full(len(divisor), 1.0 / len(divisor), np.float32)
    tails = fit_tails(memory.rows)
    model = RowModel(divisor, importance, memory, remoteness, spacing, tails, network, densities[0], distance)
    return model, tuple(densities)
