"""A trained state model as it serves: numpy and numba only.

rows [N, D] -> judge -> codes [J, N, K] of the judges, the mean of their residuals [N, D]
rows [N, D] -> encode -> codes [N, K] of the member that has seen all rows; decode is its way back
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.affine import affine
from latentwatch.detector.array_prefixes import below, prefixed
from latentwatch.detector.latent.examples import Examples, Floats, Landmarks, TrainingPlan
from latentwatch.detector.latent.factors import to_factors
from latentwatch.detector.latent.principal import fit_principal
from latentwatch.detector.latent.served_network import Layer, Network
from latentwatch.domain.model_choice import ModelKind

_FURTHEST = 20.0
"""Standard deviations beyond which a value counts as no further off."""
_NEVER_MOVED = 1e-4
"""Standard deviation below which a column says nothing and is left out."""


@dataclass(frozen=True, slots=True)
class Standardised:
    """Columns less their mean, by their standard deviation."""

    centre: Floats
    """[D] mean of each column."""
    scale: Floats
    """[D] standard deviation of each column; 0 where it never moves: then it is left out."""
    factor: Floats = field(init=False, repr=False, compare=False)
    """[D] what is multiplied with."""

    def __post_init__(self) -> None:
        moving = self.scale > 0
        factor = np.where(moving, 1 / np.where(moving, self.scale, 1), 0)
        object.__setattr__(self, "factor", factor.astype(np.float32))

    def __call__(self, rows: Floats) -> Floats:
        """[N, D] -> [N, D]"""
        out: Floats = rows - self.centre
        out *= self.factor
        return np.clip(out, -_FURTHEST, _FURTHEST, out=out)

    def back(self, standardised: Floats) -> Floats:
        """The inverse, but for values that were clipped: [N, D] -> [N, D]."""
        return np.asarray(standardised * self.scale + self.centre, np.float32)


def standardised_by(rows: Floats) -> Standardised:
    """By the mean and spread of rows [N, D]; what hardly moves in them is left out."""
    centre, scale = rows.mean(axis=0), rows.std(axis=0)
    scale[scale < _NEVER_MOVED] = 0.0
    return Standardised(centre, scale)


@dataclass(frozen=True, slots=True)
class StateModel:
    """M members of one shape; all but the last judge."""

    standardised: Standardised
    network: Network
    first: Floats = field(init=False, repr=False, compare=False)
    """[D, J H] the judges' first layers side by side."""
    bias: Floats = field(init=False, repr=False, compare=False)
    """[J H]"""
    last: Floats = field(init=False, repr=False, compare=False)
    """[J H, D] their last layers, for the mean over judges."""
    rest: Floats = field(init=False, repr=False, compare=False)
    """[D] the mean of their last biases."""

    def __post_init__(self) -> None:
        judges = self.network.first(self.judges)
        begin, end = judges.encoder[0], judges.decoder[-1]
        object.__setattr__(self, "first", np.ascontiguousarray(np.concatenate(list(begin.weight), axis=1)))
        object.__setattr__(self, "bias", begin.bias.reshape(-1))
        last = np.concatenate(list(end.weight), axis=0) / np.float32(self.judges)
        object.__setattr__(self, "last", np.ascontiguousarray(last, np.float32))
        object.__setattr__(self, "rest", end.bias.mean(axis=0))

    @property
    def judges(self) -> int:
        """J"""
        return self.network.members - 1

    @property
    def code_size(self) -> int:
        """K"""
        return self.network.code_size

    @property
    def width(self) -> int:
        """D"""
        return len(self.standardised.centre)

    def judge(self, rows: Floats) -> tuple[Floats, Floats]:
        """Codes [J, N, K] of the judges, and the mean of their residuals [N, D], standardised, of rows [N, D]."""
        standing = self.standardised(rows)
        inner, outer = self.network.encoder[1:], self.network.decoder[:-1]
        values: Floats = standing @ self.first
        values += self.bias
        codes = np.ascontiguousarray(
            values.reshape(len(rows), self.judges, values.shape[1] // self.judges).transpose(1, 0, 2)
        )
        for layer in inner:
            np.maximum(codes, 0.0, out=codes)
            codes = _judged(layer, self.judges, codes)
        hidden = codes
        for layer in outer:
            hidden = _judged(layer, self.judges, hidden)
            np.maximum(hidden, 0.0, out=hidden)
        standing -= hidden.transpose(1, 0, 2).reshape(len(rows), len(self.last)) @ self.last
        standing -= self.rest
        return codes, standing

    def judge_alone(self, rows: Floats, member: int) -> tuple[Floats, Floats]:
        """Codes [N, K] and residuals [N, D], standardised, of rows [N, D] by one judge."""
        alone, standing = self.network.member(member), self.standardised(rows)
        codes = alone.encode(standing)
        return codes[0], standing - alone.decode(codes)[0]

    def rebuild(self, standing: Floats, member: int) -> tuple[Floats, Floats]:
        """Codes [N, K] of standardised rows [N, D] by one member, and what it makes of them [N, D]. The same bits alone and in
        a batch."""
        codes = _through(self.network.encoder, standing, member)
        return codes, _through(self.network.decoder, codes, member)

    def encode(self, rows: Floats) -> Floats:
        """[N, K] codes of rows [N, D] by the member that has seen all. The same bits alone and in a batch."""
        return _through(self.network.encoder, self.standardised(rows), -1)

    def decode(self, codes: Floats) -> Floats:
        """[N, D] the mean record at codes [N, K], by the same member."""
        return self.standardised.back(_through(self.network.decoder, codes, -1))

    def turned(self, turn: NDArray[np.float64]) -> "StateModel":
        """The same model whose last member's codes are its codes now, times `turn` [K, K], which has an inverse."""
        encoder, decoder = list(self.network.encoder), list(self.network.decoder)
        encoder[-1] = _with_last(encoder[-1], encoder[-1].weight[-1] @ turn, encoder[-1].bias[-1] @ turn)
        decoder[0] = _with_last(decoder[0], np.linalg.inv(turn) @ decoder[0].weight[-1], decoder[0].bias[-1])
        return StateModel(self.standardised, Network(tuple(encoder), tuple(decoder)))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        centre, scale = self.standardised.centre, self.standardised.scale
        return {"centre": centre, "scale": scale, **prefixed("network.", self.network.arrays())}

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The inverse of `arrays`. Raises ValueError where shapes do not fit each other."""
        network = Network.from_bundle(below(arrays, "network."))
        centre, scale = arrays["centre"], arrays["scale"]
        widths = (network.encoder[0].weight.shape[1], network.decoder[-1].weight.shape[2])
        if centre.shape != scale.shape or widths != (len(centre), len(centre)) or network.members < 2:
            raise ValueError("the parts of the state model do not fit each other")
        return cls(Standardised(centre, scale), network)


def fit_state_model(
    rows: Floats,
    folds: NDArray[np.intp],
    plan: TrainingPlan,
    landmarks: Landmarks | None,
    progress: Callable[[float], None],
) -> StateModel:
    """Train on rows [N, D]; judge j does not see those of fold j. `landmarks` are records as they are, not standardised."""
    standardised = standardised_by(rows)
    held = None if landmarks is None else Landmarks(standardised(landmarks.rows), landmarks.codes)
    examples = Examples(standardised(rows), folds, held)
    if plan.kind is ModelKind.LINEAR:
        return StateModel(standardised, fit_principal(examples, plan))
    from latentwatch.detector.latent.training import train_network  # torch: only where a network is trained

    model = StateModel(standardised, train_network(examples, plan, progress))
    if plan.kind is ModelKind.DISENTANGLED and landmarks is None:  # later versions are held to factors that have places
        model = model.turned(to_factors(examples.rows, model.encode(rows)))
    return model


def _through(layers: tuple[Layer, ...], values: Floats, member: int) -> Floats:
    for number, layer in enumerate(layers):
        if number:
            np.maximum(values, 0.0, out=values)
        values = affine(values, layer.weight[member], layer.bias[member])
    return values


def _judged(layer: Layer, judges: int, values: Floats) -> Floats:
    out: Floats = np.matmul(values, layer.weight[:judges])
    out += layer.bias[:judges, None, :]
    return out


def _with_last(layer: Layer, weight: NDArray[np.float64], bias: NDArray[np.float64]) -> Layer:
    weights, biases = layer.weight.copy(), layer.bias.copy()
    weights[-1], biases[-1] = weight, bias
    return Layer(weights, biases)
