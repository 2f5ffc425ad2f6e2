"""Turns anomaly scores into surprises, -log10 p, learned on those of normal records that the model did not train on.

Out-of-sample anomaly scores [N] -> Calibration -> surprise [M]

Inside the sample p is the conformal p-value (1 + #{e_i >= e}) / (N + 1). The sample's upper end is smoothed and
continued by a generalised Pareto tail over a high threshold u (peaks over threshold; Pickands 1975, Coles 2001 ch. 4):

    p(e) = p_u (1 + xi (e - u) / sigma)^(-1/xi),  0 <= xi <= 1/2,  exponential for xi = 0

A negative xi would claim that nothing stranger than some value can be normal; it is not allowed, so that a surprise
stays finite and the error, where there is one, is on the quiet side.

What people are promised bends at the anomaly score v where p = 1 / (N + 1), since of rarer records N say nothing:

    p(e) = (1 + zeta (e - v) / tau)^(-1/zeta) / (N + 1),  zeta = 1/2,  tau = sigma + xi (v - u)

The tail leaves v as steep as it came (tau makes the hazard rate continuous) and grows ever flatter: zeta is the heaviest
shape that a sample may be said to have. A fit to the few largest, continued for ever, says 10^-15 of what lies somewhat
beyond them, and then every alert is as loud as any other.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.kernels import compiled
from latentwatch.domain.errors import BundleRefused, InvalidHistory

MAXIMUM_KNOTS = 512
_FEWEST_BEYOND = 30
"""Records that the tail of a composite is fitted on, where there are enough."""
_HEAVIEST = 0.5
"""The largest shape: beyond it a variance is infinite."""
_EXPONENTIAL = 1e-9
"""A shape up to which a tail is computed as exponential."""
_LOG10 = float(np.log(10.0))


@dataclass(frozen=True, slots=True)
class Tail:
    """The generalised Pareto tail beyond `start`, and its shape beyond what the sample can tell of."""

    start: float
    """u, the anomaly score where the tail begins."""
    share: float
    """p_u, chance that a normal record lies beyond it."""
    scale: float
    """sigma, positive, in units of the anomaly score."""
    shape: float
    """xi, 0 to 1/2."""
    far_shape: float
    """zeta, xi to 1/2; where it is xi the tail does not bend."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A monotone map from an anomaly score to its surprise. Strictly increasing, so that it never changes an order."""

    knots: NDArray[np.float64]
    """[2, K] anomaly scores and their surprises, both strictly increasing; the last score is the tail's start."""
    tail: Tail
    seen_until: float
    """The largest anomaly score of the sample; beyond it a surprise is extrapolated."""
    count: int
    """N, size of the sample."""
    pieces: NDArray[np.float64] = field(init=False, repr=False, compare=False)
    """[2, 4] where the tail starts and where it bends: anomaly score, surprise there, scale and shape from there on;
    twice the same where it does not bend."""

    def __post_init__(self) -> None:
        tail = self.tail
        near = far = (tail.start, -np.log10(tail.share), tail.scale, tail.shape)
        if tail.far_shape > tail.shape:
            level = max(float(np.log10(self.count + 1)), near[1])
            bend = _reached(level, *near)
            far = (bend, level, tail.scale + tail.shape * (bend - tail.start), tail.far_shape)
        object.__setattr__(self, "pieces", np.array([near, far], np.float64))

    def surprise(self, scores: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """-log10 p of each anomaly score, any shape.

        >>> calibration = fit_calibration(np.linspace(0.0, 1.0, 999))
        >>> calibration.surprise(np.array([0.5])).round(2).tolist()
        [0.30000001192092896]
        """
        values = np.ascontiguousarray(scores, np.float64)
        out = np.empty(values.shape, np.float32)
        look_up(values.ravel(), self.knots, self.pieces, out.ravel())
        return out

    @property
    def resolution(self) -> float:
        """The surprise of one record in all of the sample: of what is rarer it does not tell how rare."""
        return float(np.log10(self.count + 1))

    def extrapolated(self, scores: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
        """Whether each anomaly score lies beyond everything the sample held."""
        return np.asarray(scores, np.float64) > self.seen_until

    def anomaly_score(self, surprise: float) -> float:
        """The anomaly score whose surprise this is: the inverse of `surprise` from the first knot on."""
        position, level = self.knots
        near, far = self.pieces
        if surprise <= max(level[-1], near[1]):
            return float(np.interp(surprise, level, position))
        return _reached(surprise, *(near if surprise <= far[1] else far))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores as weights."""
        return {"knots": self.knots}

    def meta(self) -> dict[str, Any]:
        """What a bundle stores as JSON."""
        return {
            "tail": asdict(self.tail),
            "seen_until": self.seen_until,
            "count": self.count,
        }

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> Self:
        """The inverse of `arrays` and `meta`. Raises BundleRefused where they make no calibration.

        In bundles of format 3 and older no tail bends.
        """
        knots = np.asarray(arrays["knots"], np.float64)
        if knots.ndim != 2 or knots.shape[0] != 2 or knots.shape[1] < 2 or (np.diff(knots) <= 0).any():
            raise BundleRefused("a calibration's knots do not increase; the bundle is damaged: train again")
        known = {name: float(value) for name, value in meta["tail"].items()}
        tail = Tail(**{"far_shape": known["shape"], **known})
        count = int(meta["count"])
        possible = tail.scale > 0 and 0 < tail.share <= 1 and 0 <= tail.shape <= tail.far_shape <= _HEAVIEST
        if not possible or count < 1:
            raise BundleRefused("a calibration's tail is not a probability; the bundle is damaged: train again")
        return cls(knots, tail, float(meta["seen_until"]), count)


def _reached(surprise: float, start: float, level: float, scale: float, shape: float) -> float:
    """The score at which a piece of a tail that has `level` at its start reaches a surprise of at least that."""
    decay = (surprise - level) * _LOG10
    return float(start + scale * (np.expm1(decay * shape) / shape if shape > _EXPONENTIAL else decay))


@compiled
def look_up(
    scores: NDArray[np.float64],
    knots: NDArray[np.float64],
    pieces: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    """Surprises of scores [N]: linear between knots, the tail's pieces beyond them, and below the first knot a decay
    to 0."""
    position, level = knots[0], knots[1]
    last = position.shape[0] - 1
    width = max(position[last] - position[0], 1e-12)
    start, bend = pieces[0, 0], pieces[1, 0]
    for n in range(scores.shape[0]):
        score = scores[n]
        if score > start:
            piece = pieces[1] if score > bend else pieces[0]
            excess, shape = (score - piece[0]) / piece[2], piece[3]
            out[n] = piece[1] + (np.log1p(shape * excess) / shape if shape > _EXPONENTIAL else excess) / _LOG10
        elif score < position[0]:
            out[n] = level[0] * np.exp((score - position[0]) / width)
        else:
            low, left = 0, last
            while left > 1:  # halved without a branch, which no processor could predict
                half = left // 2
                low = low + half if position[low + half] <= score else low
                left -= half
            share = (score - position[low]) / (position[low + 1] - position[low])
            out[n] = level[low] + share * (level[low + 1] - level[low])


def fit_calibration(scores: NDArray[np.floating[Any]], *, smooth: bool = True) -> Calibration:
    """Calibrate on out-of-sample anomaly scores of normal records [N], N >= 1. Raises InvalidHistory without a finite one.

    A component's tail is smooth: it begins early, so that no single record decides how much the component counts. What people
    are promised is not: there the sample itself speaks as far out as it can, and the tail bends where it cannot.
    """
    sample = np.sort(np.asarray(scores, np.float64).ravel())
    sample = sample[np.isfinite(sample)]
    if not len(sample):
        raise InvalidHistory("no anomaly score to calibrate on; train on more records")
    tail = fit_tail(sample, smooth=smooth)
    position, chance = _conformal(sample, tail.start)
    return Calibration(_strictly_increasing(position, -np.log10(chance), tail), tail, float(sample[-1]), len(sample))


def _conformal(sample: NDArray[np.float64], end: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distinct anomaly scores up to `end`, thinned to at most the maximum of knots, and the conformal p-value of each."""
    position, first = np.unique(sample[sample <= end], return_index=True)
    if len(position) > MAXIMUM_KNOTS:
        keep = np.unique(np.linspace(0, len(position) - 1, MAXIMUM_KNOTS).round().astype(np.intp))
        position, first = position[keep], first[keep]
    return position, (len(sample) - first + 1) / (len(sample) + 1)


def _strictly_increasing(position: NDArray[np.float64], level: NDArray[np.float64], tail: Tail) -> NDArray[np.float64]:
    """Knots [2, K >= 2]; the surprise of the smallest score, 0 by the formula, is raised a little to leave room below."""
    if len(position) < 2:
        position, level = np.array([tail.start - tail.scale, tail.start]), np.append(0.0, level)
    top = -np.log10(tail.share)
    level = np.maximum(level, np.linspace(0.5, 1.0, len(level)) * 1e-3 * top)
    return np.stack([position, np.maximum.accumulate(level) + np.linspace(0.0, 1e-9, len(level))])


def fit_tail(sample: NDArray[np.float64], *, smooth: bool = True) -> Tail:
    """The tail of a sorted sample: its k largest, k growing like N^(2/3) or, where it need not be smooth, like N^(1/2); at
    most a tenth of the sample."""
    count = len(sample)
    aimed = 0.75 * count ** (2 / 3) if smooth else max(_FEWEST_BEYOND, 0.5 * count**0.5)
    beyond = int(np.clip(round(aimed), min(count, 8), max(0.1 * count, min(count, 8))))
    start = float(sample[count - beyond - 1]) if beyond < count else float(sample[0])
    excess = sample[sample > start] - start
    spread = float(sample[-1] - sample[0])
    floor = max(1e-6 * spread, 1e-9 * max(abs(start), 1.0))
    if not len(excess):
        return Tail(start, 1.0 / (count + 1), max(floor, 1e-3), 0.0, 0.0 if smooth else _HEAVIEST)
    shape, scale = _fit_pareto(excess)
    share = min(len(excess) + 1, count) / (count + 1)
    return Tail(start, share, max(scale, floor), shape, shape if smooth else _HEAVIEST)


def _fit_pareto(excess: NDArray[np.float64]) -> tuple[float, float]:
    """Shape and scale by maximum likelihood over a grid, the shape drawn to 0 by a normal prior of width 0.15."""
    best = (-np.inf, 0.0, float(excess.mean()))
    mean = float(excess.mean())
    for shape in np.linspace(0.0, _HEAVIEST, 11):
        for scale in mean * np.geomspace(0.35, 1.25, 25) if shape else (mean,):
            if shape:
                fit = -len(excess) * np.log(scale) - (1 + 1 / shape) * np.log1p(shape * excess / scale).sum()
            else:
                fit = -len(excess) * np.log(scale) - excess.sum() / scale
            fit -= 0.5 * (shape / 0.15) ** 2
            if fit > best[0]:
                best = (float(fit), float(shape), float(scale))
    return best[1], best[2]
