"""The two halves of a row's score, from an autoencoder that sees the row's nearest normal rows beside it.

It says by how much the row should differ from the mean of its nearest (retrieval-augmented, denoising: Vincent et al. 2008).
Out come

    reconstruction  mean over members of half the log mean squared residual
    density         of the first member's latent code: how sparsely normal codes populate the place where it lies

The code says what a row has beyond its neighbours, not where it lies.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.array_prefixes import below, prefixed
from latentwatch.detector.autoencoders.compiled_network import Stack, encode_decode, stack_network
from latentwatch.detector.autoencoders.examples import RowExamples, RowTrainingPlan
from latentwatch.detector.autoencoders.network import Network
from latentwatch.detector.components.component import Floats, Progress
from latentwatch.detector.components.met_rows import SHOWN, LearnedRows, Met, NormalRows
from latentwatch.detector.density import AnyDensity, choose_density, density_from_bundle, fit_density
from latentwatch.detector.kernels import compiled
from latentwatch.detector.vectors import ROWS
from latentwatch.domain.model_choice import ModelChoice, ModelKind

MEMBERS = 5
STEPS = 100
"""Of training; 200 score tables no better."""
COMMON_WIDTH = 200
"""Columns up to which a training batch has its full size; with more it shrinks, so that a step costs the same."""
_CODE = 32


@compiled
def residual_of(row: Floats, present: Floats, baseline: Floats, correction: Floats, smallest: float) -> float:
    """Half the log of the mean squared residual over the columns that are present."""
    total, weight = np.float32(0.0), np.float32(0.0)
    for j in range(row.shape[0]):
        error = row[j] - baseline[j] - correction[j]
        total += present[j] * error * error
        weight += present[j]
    score: float = 0.5 * np.log(total / max(weight, np.float32(1e-9)) + smallest * smallest)
    return score


@compiled
def _correct(
    values: Floats,
    present: Floats,
    distances: Floats,
    nearest: NDArray[np.int64],
    rows: Floats,
    stack: Stack,
    usual: float,
    spread: float,
    smallest: float,
    members: int,
    only: NDArray[np.int64],
    residuals: Floats,
    codes: Floats,
) -> None:
    """Fill `residuals` [N] and `codes` [N, K].

    `rows` [M, P] are the normal ones. The log of the mean distance less `usual`, over `spread`, is what is seen of how far
    they are. `only` [N] is the one member to ask, or -1 for the first `members` of them.
    """
    count, width = values.shape
    across = 2 * width + 1
    seen = np.zeros(ROWS * across, np.float32)
    here, there = np.empty(ROWS * stack.widest, np.float32), np.empty(ROWS * stack.widest, np.float32)
    other = np.empty((ROWS, codes.shape[1]), np.float32)
    start = 0
    while start < count:
        stop = start + 1
        while stop < min(start + ROWS, count) and only[stop] == only[start]:
            stop += 1
        for n in range(start, stop):
            at = (n - start) * across
            shown = 0.0
            for a in range(SHOWN):
                shown += distances[n, a]
            for j in range(width):
                seen[at + j] = values[n, j]
                seen[at + width + j] = 0.0
            for a in range(SHOWN):
                for j in range(width):
                    seen[at + width + j] += rows[nearest[n, a], j] / np.float32(SHOWN)
            seen[at + 2 * width] = (np.log(shown / SHOWN + smallest) - usual) / spread
            residuals[n] = 0.0
        first, asked = (0, members) if only[start] < 0 else (only[start], 1)
        for member in range(first, first + asked):
            kept = codes[start:stop] if member == first else other[: stop - start]
            corrections = encode_decode(member, seen, stack, kept, here, there)
            each = corrections.shape[0] // ROWS
            for n in range(start, stop):
                at = n - start
                residuals[n] += (
                    residual_of(
                        values[n],
                        present[n if present.shape[0] > 1 else 0],
                        seen[at * across + width : (at + 1) * across],
                        corrections[at * each : (at + 1) * each],
                        smallest,
                    )
                    / asked
                )
        start = stop


@dataclass(frozen=True, slots=True)
class FittedRetrieval:
    """The autoencoder, and how its members' codes of normal rows lie."""

    normal: NormalRows
    network: Network
    densities: tuple[AnyDensity, ...]
    """By member: the density of its codes of the rows that it trained on. The first one's is what counts for new rows."""
    usual: float
    spread: float
    """Mean and spread of the log distance that the network sees."""
    stack: Stack = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "stack", stack_network(self.network))

    @property
    def code_size(self) -> int:
        """K"""
        return self.network.code_size

    def anomaly_scores(self, met: Met) -> dict[str, Floats]:
        """[N] of all members that are asked, and of the first one's codes."""
        residuals, codes = self._correct(met, np.full(len(met), -1, np.int64))
        return {"reconstruction": residuals, "density": self.densities[0].anomaly_score(codes)}

    def of_members(self, met: Met, members: NDArray[np.intp]) -> dict[str, Floats]:
        """[N] each by one member alone, [N]."""
        residuals, codes = self._correct(met, members.astype(np.int64))
        density = np.empty(len(met), np.float32)
        for member, fitted in enumerate(self.densities):
            mine = members == member
            density[mine] = fitted.anomaly_score(codes[mine])
        return {"reconstruction": residuals, "density": density}

    def codes(self, met: Met) -> Floats:
        """[N, K] the first member's latent codes: of what a row has beyond its neighbours."""
        return self._correct(met, np.zeros(len(met), np.int64))[1]

    def rebuilt(self, met: Met) -> Floats:
        """[N, P] what it makes of the rows and their neighbours, mean over members."""
        baseline = self.normal.rows[met.nearest[:, :SHOWN]].mean(axis=1)
        far = np.log(met.distances[:, :SHOWN].mean(axis=1) + self.normal.smallest)
        aside = np.concatenate([baseline, ((far - self.usual) / self.spread)[:, None]], axis=1).astype(np.float32)
        return np.asarray(self.network.reconstruct(met.values, aside, baseline).mean(axis=0), np.float32)

    def _correct(self, met: Met, only: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Residuals [N] and codes [N, K]; `only` as the compiled function has it."""
        residuals, codes = np.empty(len(met), np.float32), np.empty((len(met), self.code_size), np.float32)
        _correct(
            met.values,
            met.present,
            met.distances,
            met.nearest,
            self.normal.rows,
            self.stack,
            self.usual,
            self.spread,
            self.normal.smallest,
            min(met.members, self.network.members),
            only,
            residuals,
            codes,
        )
        return residuals, codes

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        out = {"distance": np.array([self.usual, self.spread]), **prefixed("network.", self.network.arrays())}
        for member, density in enumerate(self.densities):
            out |= prefixed(f"code.{member}.", density.arrays())
        return out


@dataclass(frozen=True, slots=True)
class Retrieval:
    """An ensemble whose members each leave one fold out, and the densities of their codes."""

    name: str = "retrieval"
    scores: tuple[str, ...] = ("reconstruction", "density")
    calibrated: tuple[str, ...] = ("reconstruction", "density")
    stored_under: str = "retrieval."

    def serves(self, normal: NormalRows) -> bool:
        """Every row meets some."""
        return True

    def fit(self, rows: LearnedRows, choice: ModelChoice, progress: Progress) -> FittedRetrieval:
        """Train the members, and measure the density of each one's codes."""
        met, normal = rows.met, rows.normal
        far = np.log(met.distances.mean(axis=1) + normal.smallest)
        usual, spread = float(far.mean()), float(far.std()) + 1e-3
        baseline = normal.rows[met.nearest].mean(axis=1)
        aside = np.concatenate([baseline, ((far - usual) / spread)[:, None]], axis=1).astype(np.float32)
        network = _fit_network(rows, aside, choice, progress)
        codes = network.encode(met.values, aside)
        kind = choose_density(codes.shape[1]) if choice.density == "auto" else choice.density
        densities = []
        for member in range(network.members):
            seen = rows.folds != member
            densities.append(fit_density(kind, codes[member][seen if seen.any() else ~seen], choice.seed))
        return FittedRetrieval(normal, network, tuple(densities), usual, spread)

    def out_of_fold(self, fitted: FittedRetrieval, rows: LearnedRows, seed: int) -> dict[str, Floats]:
        """[N] each row's by the member that did not train on it."""
        return fitted.of_members(rows.met, rows.folds)

    def from_bundle(self, arrays: Mapping[str, NDArray[Any]], normal: NormalRows) -> FittedRetrieval:
        """The inverse of `arrays`."""
        network, width = Network.from_bundle(below(arrays, "network.")), normal.width
        densities = tuple(density_from_bundle(below(arrays, f"code.{at}.")) for at in range(network.members))
        found = (network.encoder[0].weight.shape[1], network.decoder[-1].weight.shape[2])
        if found != (2 * width + 1, width) or any(len(each.whitening.mean) != network.code_size for each in densities):
            raise ValueError("the autoencoder does not fit the rows")
        usual, spread = arrays["distance"].tolist()
        return FittedRetrieval(normal, network, densities, usual, spread)


def _fit_network(rows: LearnedRows, aside: Floats, choice: ModelChoice, progress: Progress) -> Network:
    """The ensemble. `aside` [N, P + 1] is what it sees beside a row: the mean of its nearest, and how far they are."""
    values, present, baseline = rows.met.values, rows.met.present, aside[:, :-1]
    examples = RowExamples(
        rows=values,
        aside=aside,
        baseline=baseline,
        present=None if len(present) == 1 else present,
        folds=rows.folds,
    )
    kind = ModelKind.DENOISING if choice.kind is ModelKind.AUTO else choice.kind
    widest = int(256 * min(1.0, COMMON_WIDTH / values.shape[1]))
    batch = int(np.clip(len(values) // 2, 32, max(32, widest)))
    plan = RowTrainingPlan(kind=kind, members=MEMBERS, code=_CODE, steps=STEPS, batch=batch, seed=choice.seed)
    if kind is ModelKind.LINEAR:
        from latentwatch.detector.autoencoders.linear import components, fit_linear

        return fit_linear(examples, replace(plan, code=components(values - baseline)))
    from latentwatch.detector.autoencoders.training import train_network

    return train_network(examples, plan, lambda share: progress("training the autoencoder", share))
