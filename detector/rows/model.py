"""A trained row model: rows in, uncalibrated anomaly scores out.

Rows [N, P] -> Anomaly scores [N]; each depends on its own row alone, bit for bit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.autoencoders.network import Network
from latentwatch.detector.density import AnyDensity, density_from_bundle
from latentwatch.detector.neighbours import Memory
from latentwatch.detector.recipes import ALONE
from latentwatch.detector.rows.features import Rows
from latentwatch.detector.rows.gaps import fill_gaps
from latentwatch.detector.rows.scoring import COLUMNS, Parts, score_rows, stack_network
from latentwatch.detector.rows.tails import Tails
from latentwatch.domain.errors import BundleRefused

Floats: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Work:
    """How hard a row is looked at."""

    neighbours: int
    """Neighbours that it meets."""
    probes: int
    """Lists of the memory that are searched."""
    members: int
    """Members of the ensemble that are asked."""


GLANCE = Work(neighbours=5, probes=2, members=1)
STUDY = Work(neighbours=10, probes=6, members=1_000)


class Seen(NamedTuple):
    """What the compiled arithmetic gives for N rows; see `latentwatch.detector.rows.scoring`."""

    logs: Floats
    """[N, 7] the anomaly scores that `COLUMNS` names."""
    codes: Floats
    """[N, K] latent codes of the first member, or of the one that was asked."""
    nearest: NDArray[np.int64]
    """[N, k] places in the memory, nearest first."""
    known: NDArray[np.bool_]
    """[N] whether the memory holds the row itself."""


@dataclass(frozen=True, slots=True)
class AnomalyScores:
    """Uncalibrated anomaly scores of N rows, each a log of a distance."""

    fused: Floats
    """[N] the whole."""
    told: dict[str, Floats]
    """[N] by name in Scores, those that are calibrated on their own beside it."""
    known: NDArray[np.bool_]
    """[N] whether the row was judged as one that was learned from."""


@dataclass(frozen=True, slots=True)
class Held:
    """What must be left out of the judgement of training rows, so that it is as of rows never seen."""

    place: NDArray[np.int64]
    """[N] the row's own place in the memory, -1 where it is not in it."""
    member: NDArray[np.int64]
    """[N] the member that did not train on it."""


@dataclass(frozen=True, slots=True)
class RowModel:
    """Everything learned from training rows but calibration."""

    divisor: Floats
    """[P] what a column is divided by, so that near neighbours differ by about 1 in it."""
    importance: Floats
    """[P] weight of each column in the residual; they sum to 1."""
    memory: Memory
    remoteness: Floats
    """[M] how far each memory row lies from the middle of the bulk of them; see `latentwatch.detector.rows.fitting`."""
    spacing: Floats
    """[M] mean distance of each memory row from its own nearest."""
    tails: Tails
    network: Network
    density: AnyDensity
    distance: tuple[float, float, float]
    """Mean and spread of the log distance that the network sees, and what is added to distances before their log."""
    weights: Mapping[str, float] = field(default_factory=lambda: ALONE.weights)
    """By name of an anomaly score; a bundle keeps those it was calibrated with."""
    parts: Parts = field(init=False, repr=False, compare=False)
    by_column: Floats = field(init=False, repr=False, compare=False)
    """[M, P] the memory's rows, column by column."""

    def __post_init__(self) -> None:
        mean, spread, smallest = self.distance
        parts = Parts(
            self.memory.searched,
            self.memory.rows,
            self.remoteness,
            self.spacing,
            self.tails,
            stack_network(self.network),
            self.importance,
            mean,
            spread,
            smallest,
        )
        object.__setattr__(self, "parts", parts)
        object.__setattr__(self, "by_column", np.asfortranarray(self.memory.rows))

    def prepare(self, rows: Rows) -> tuple[Floats, Floats]:
        """Rows in the space of the memory [N, P], and 1 where a value is present, [N, P] or [1, P] for all.

        What is missing is taken from the rows of the memory that are nearest in what is there.
        """
        values = np.ascontiguousarray(rows.values / self.divisor)
        if rows.present is None:
            return values, np.ones((1, values.shape[1]), np.float32)
        present = rows.present.astype(np.float32)
        return fill_gaps(values, present, self.by_column), present

    def anomaly_scores(self, values: Floats, present: Floats, work: Work, *, as_new: bool = False) -> AnomalyScores:
        """Anomaly scores of prepared rows; `as_new` judges copies of rows in the memory as rows that it does not hold."""
        return self.judged(self.look(values, present, work), as_new=as_new)

    def judged(self, seen: Seen, *, as_new: bool = False) -> AnomalyScores:
        """Anomaly scores of what was found for rows."""
        return self.fuse(seen, self.density.anomaly_score(seen.codes), as_new=as_new)

    def fuse(self, seen: Seen, density: Floats, *, as_new: bool) -> AnomalyScores:
        """The recipe's sum of all anomaly scores of rows, and what it tells beside; `density` [N] of their codes."""
        known = np.zeros(len(density), bool) if as_new else seen.known
        scores = {**dict(zip(COLUMNS, seen.logs.T, strict=True)), "density": density}
        scores["suspicion"] = np.where(known, scores["suspicion"], np.float32(0.0))
        return AnomalyScores(
            ALONE.fuse(scores, self.weights), {name: scores[source] for name, source in ALONE.told}, known
        )

    def look(self, values: Floats, present: Floats, work: Work, held: Held | None = None) -> Seen:
        """What the compiled arithmetic finds for prepared rows; `held` makes that of training rows out-of-sample."""
        count = len(values)
        nobody = np.full(count, -1, np.int64)
        place, member = (nobody, nobody) if held is None else (held.place, held.member)
        seen = Seen(
            np.empty((count, len(COLUMNS)), np.float32),
            np.empty((count, self.network.code_size), np.float32),
            np.empty((count, work.neighbours), np.int64),
            np.empty(count, np.bool_),
        )
        members = min(work.members, self.network.members)
        score_rows(values, present, self.parts, work.probes, members, place, member, *seen)
        return seen

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores as weights."""
        out: dict[str, NDArray[Any]] = {
            "divisor": self.divisor,
            "importance": self.importance,
            "remoteness": self.remoteness,
            "spacing": self.spacing,
        }
        named = {
            "memory": self.memory.arrays(),
            "tails": self.tails.arrays(),
            "network": self.network.arrays(),
            "density": self.density.arrays(),
        }
        return out | {f"{part}.{name}": array for part, arrays in named.items() for name, array in arrays.items()}

    def meta(self) -> dict[str, Any]:
        """What a bundle stores as JSON."""
        return {
            "density": self.density.kind,
            "distance": list(self.distance),
            "tails": self.tails.meta(),
            "weights": dict(self.weights),
        }

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], width: int) -> Self:
        """The inverse of `arrays` and `meta`, for rows of `width` columns."""
        part = {
            half: {
                name.removeprefix(f"{half}."): array for name, array in arrays.items() if name.startswith(f"{half}.")
            }
            for half in ("memory", "tails", "network", "density")
        }
        memory, network = Memory.from_bundle(part["memory"]), Network.from_bundle(part["network"])
        density = density_from_bundle(meta["density"], part["density"])
        if meta["weights"].keys() != ALONE.weights.keys():
            raise BundleRefused("the model weighs a row's parts as an earlier version did; train again")
        mean, spread, smallest = (float(value) for value in meta["distance"])
        found = (
            arrays["divisor"].shape,
            arrays["importance"].shape,
            arrays["remoteness"].shape,
            arrays["spacing"].shape,
            memory.rows.shape[1],
            network.encoder[0].weight.shape[1],
            network.decoder[-1].weight.shape[2],
            len(part["density"]["mean"]),
        )
        if found != (
            (width,),
            (width,),
            (len(memory),),
            (len(memory),),
            width,
            2 * width + 1,
            width,
            network.code_size,
        ):
            raise BundleRefused("the model's parts do not fit each other; the bundle is damaged: train again")
        return cls(
            arrays["divisor"],
            arrays["importance"],
            memory,
            arrays["remoteness"],
            arrays["spacing"],
            Tails.from_bundle(part["tails"], meta["tails"], width),
            network,
            density,
            (mean, spread, smallest),
            {name: float(weight) for name, weight in meta["weights"].items()},
        )


def replace_rows(scores: AnomalyScores, careful: AnomalyScores, rows: NDArray[np.intp]) -> None:
    """Put careful anomaly scores in the place of the cheap ones of those rows."""
    scores.fused[rows] = careful.fused
    scores.known[rows] = careful.known
    for name, part in careful.told.items():
        scores.told[name][rows] = part


def take_rows(scores: AnomalyScores, rows: NDArray[np.intp]) -> AnomalyScores:
    """A copy of the anomaly scores of those rows."""
    told = {name: part[rows] for name, part in scores.told.items()}
    return AnomalyScores(scores.fused[rows], told, scores.known[rows])


def join(parts: Sequence[AnomalyScores]) -> AnomalyScores:
    """The anomaly scores of all, one after the other."""
    told = {name: np.concatenate([each.told[name] for each in parts]) for name in parts[0].told}
    fused, known = (np.concatenate([getattr(each, name) for each in parts]) for name in ("fused", "known"))
    return AnomalyScores(fused, told, known)
