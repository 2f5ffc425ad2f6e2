"""The linear autoencoder: principal components, in closed form and without torch."""

import numpy as np

from detector.autoencoders.examples import Examples, Floats, TrainingPlan
from detector.autoencoders.network import Layer, Network


def fit_linear(examples: Examples, plan: TrainingPlan) -> Network:
    """Each member's best linear code of size K for the rows it may see, least squares."""
    width = 0 if examples.aside is None else examples.aside.shape[1]
    importance = np.ones(examples.rows.shape[1], np.float32) if examples.importance is None else examples.importance
    parts = [_principal(_seen_by(member, examples), importance, plan.code) for member in range(plan.members)]
    down = np.stack([down for down, _, _ in parts])
    up = np.stack([up for _, up, _ in parts])
    mean = np.stack([mean for _, _, mean in parts])
    blind = np.zeros((plan.members, width, down.shape[2]), np.float32)
    bias = -np.einsum("mp,mpk->mk", mean, down).astype(np.float32)
    return Network(
        (Layer(np.concatenate([down, blind], axis=1), bias),),
        (Layer(up, mean),),
    )


def _seen_by(member: int, examples: Examples) -> Floats:
    others = np.ones(len(examples.rows), bool) if examples.folds is None else examples.folds != member
    seen: Floats = examples.rows[others if others.any() else ~others]
    return seen


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
