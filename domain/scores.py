"""Calibrated scores, and which of them are flagged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.record import Value
from latentwatch.domain.steps import LastingChange

AGAINST_TRAINING = "components"
"""The part of a score that what was strange lately has no part in."""
MOST_NAMED = 5
"""How many features an alert or a line of scores names, those beyond a limit among them."""
_MOST_GUILTY = 3
"""How many of them because of what they add to the surprise: a title is read at a glance."""
_MOST = 2 / 3
"""The share of the surprise that is most of it."""


@dataclass(frozen=True, slots=True)
class Scores:
    """N scored records. Every number is a surprise, -log10 p: 3.0 means one normal record in a thousand."""

    surprise: NDArray[np.float32]
    """[N] the fused score."""
    reconstruction: NDArray[np.float32]
    """[N] the reconstruction half's own surprise."""
    density: NDArray[np.float32]
    """[N] the latent density half's own surprise."""
    components: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    """Other calibrated parts by name, each [N]."""
    extrapolated: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    """[N] whether the surprise lies beyond the calibration sample, on the fitted tail; none where it is not given."""
    warming: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    """[N] whether the entity had too little past for a full context; none where it is not given."""
    step: NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))
    """[N] what the record is in a lasting change, of `latentwatch.domain.steps`; nothing where it is not given."""

    def __post_init__(self) -> None:
        for name, kind in (("extrapolated", np.bool_), ("warming", np.bool_), ("step", np.int8)):
            if not len(getattr(self, name)):
                object.__setattr__(self, name, np.zeros(len(self), kind))

    @property
    def against_training(self) -> NDArray[np.float32]:
        """[N] the surprise against training alone, where what was strange lately is part of the whole."""
        return self.components.get(AGAINST_TRAINING, self.surprise)

    def __len__(self) -> int:
        return len(self.surprise)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "Scores":
        """The chosen rows, in the order given."""
        return Scores(
            surprise=self.surprise[rows],
            reconstruction=self.reconstruction[rows],
            density=self.density[rows],
            components={name: part[rows] for name, part in self.components.items()},
            extrapolated=self.extrapolated[rows],
            warming=self.warming[rows],
            step=self.step[rows],
        )


def scores_together(parts: Sequence[Scores]) -> Scores:
    """Of all pieces, one after the other."""
    return Scores(
        surprise=np.concatenate([part.surprise for part in parts]),
        reconstruction=np.concatenate([part.reconstruction for part in parts]),
        density=np.concatenate([part.density for part in parts]),
        components={name: np.concatenate([part.components[name] for part in parts]) for name in parts[0].components},
        extrapolated=np.concatenate([part.extrapolated for part in parts]),
        warming=np.concatenate([part.warming for part in parts]),
        step=np.concatenate([part.step for part in parts]),
    )


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A normal record of the training data near the one explained."""

    distance: float
    values: dict[str, Value]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one record is flagged."""

    expected: dict[str, Value]
    """What a plausible normal record would show, by feature."""
    contributions: dict[str, float]
    """What each feature adds to the surprise; not negative, and they sum to it."""
    neighbours: tuple[Neighbour, ...]
    """The nearest normal records, nearest first."""
    code: tuple[float, ...]
    """The latent code."""
    place: tuple[float, float]
    """Where the code lies on the two-dimensional map."""
    parts: dict[str, float] = field(default_factory=dict)
    """What each component adds to the surprise, by name; not negative, and they sum to it."""
    step: LastingChange | None = None
    """The lasting change that the record asks about."""


def ranked(contributions: Mapping[str, float]) -> list[str]:
    """The features that contributed anything, strongest first."""
    shares = sorted(contributions.items(), key=lambda share: -share[1])
    return [name for name, share in shares if share > 0]


def guilty(contributions: Mapping[str, float]) -> list[str]:
    """The features that a record is about, strongest first: the fewest that hold most of its surprise, at most three.

    Most is two thirds: on faults of a plant that names the guilty feature as often as four fifths do, with half as many
    innocent ones beside it (`docs/experiments.md`).

    >>> guilty({"flow": 0.2, "level": 0.0, "power": 1.5}), guilty({"flow": 0.9, "level": 0.1, "power": 1.0})
    (['power'], ['power', 'flow'])
    """
    named: list[str] = []
    held, whole = 0.0, sum(share for share in contributions.values() if share > 0)
    for name in ranked(contributions)[:_MOST_GUILTY]:
        if held >= _MOST * whole:
            break
        named.append(name)
        held += contributions[name]
    return named


def flag(scores: Scores, threshold: float | NDArray[np.float64]) -> NDArray[np.intp]:
    """Rows whose surprise reaches the threshold, or each its own of [N], in order.

    >>> flag(Scores(*(np.array([1.0, 3.0, 2.0], np.float32),) * 3), 2.0).tolist()
    [1, 2]
    """
    return np.flatnonzero(scores.surprise >= np.asarray(threshold, np.float32))
