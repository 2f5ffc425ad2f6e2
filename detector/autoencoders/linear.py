"""The linear autoencoder: principal components, in closed form and without torch."""

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.autoencoders.examples import Floats, RowExamples, RowTrainingPlan
from latentwatch.detector.autoencoders.network import Layer, Network


def fit_linear(examples: RowExamples, plan: RowTrainingPlan) -> Network:
    """Each member's best linear code of size K for the rows it may see, least squares.

    Where there is a baseline, what is coded is the deviation from it; `aside` then begins with the baseline.
    """
    rows = examples.rows if examples.baseline is None else examples.rows - examples.baseline
    importance = np.ones(rows.shape[1], np.float32) if examples.importance is None else examples.importance
    parts = [
        _principal(_seen_by(member, rows, examples.folds), importance, plan.code) for member in range(plan.members)
    ]
    down = np.stack([down for down, _, _ in parts])
    up = np.stack([up for _, up, _ in parts])
    mean = np.stack([mean for _, _, mean in parts])
    weights = [down] if examples.baseline is None else [down, -down]
    width = rows.shape[1] + (0 if examples.aside is None else examples.aside.shape[1])
    zeros = np.zeros((plan.members, width - len(weights) * rows.shape[1], down.shape[2]), np.float32)
    bias = -np.einsum("mp,mpk->mk", mean, down).astype(np.float32)
    return Network((Layer(np.concatenate([*weights, zeros], axis=1), bias),), (Layer(up, mean),))


def components(rows: Floats, share: float = 0.85) -> int:
    """How many principal components hold that share of the rows' variance; at least one, and fewer than columns."""
    spread = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False) ** 2
    enough = int(np.searchsorted(np.cumsum(spread), share * spread.sum()) + 1)
    return max(1, min(enough, int(rows.shape[1]) - 1))


def _seen_by(member: int, rows: Floats, folds: NDArray[np.intp] | None) -> Floats:
    others = np.ones(len(rows), bool) if folds is None else folds != member
    return np.asarray(rows[others if others.any() else ~others], np.float32)


def _principal(rows: Floats, importance: Floats, code: int) -> tuple[Floats, Floats, Floats]:
    """Maps to the code [P, K] and back [K, P], and the mean [P]; padded with zeros where there are fewer directions."""
    mean = rows.mean(axis=0, dtype=np.float64)
    weight = np.sqrt(np.maximum(importance, 1e-6)).astype(np.float64)
    _, spread, directions = np.linalg.svd((rows - mean) * weight, full_matrices=False)
    keep = min(code, int((spread > 1e-9 * max(spread[0], 1e-300)).sum()) if len(spread) else 0)
    padded = np.zeros((code, rows.shape[1]))
    padded[:keep] = directions[:keep]
    down, up = (padded * weight).T, padded / weight
    return down.astype(np.float32), up.astype(np.float32), mean.astype(np.float32)
