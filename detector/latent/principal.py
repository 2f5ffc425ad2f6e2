"""The linear kind: principal components, in closed form and without torch."""

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.latent.examples import Examples, Floats, Landmarks, TrainingPlan, rows_seen
from latentwatch.detector.latent.served_network import Layer, Network


def fit_principal(examples: Examples, plan: TrainingPlan) -> Network:
    """Each member's K leading principal components of the rows it may see, whitened; zeros where there are fewer.

    The last member's are turned towards the landmarks' places by the orthogonal matrix nearest to that (Schönemann 1966),
    and shifted.
    """
    maps = [_principal(examples.rows[rows_seen(member, examples, plan)], plan.code) for member in range(plan.members)]
    if examples.landmarks is not None:
        maps[-1] = _turned(*maps[-1], examples.landmarks)
    down, shift, up, mean = (np.stack(part).astype(np.float32) for part in zip(*maps, strict=True))
    return Network((Layer(down, shift),), (Layer(up, mean),))


_Affine = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""To the code [D, K] and [K], back [K, D] and [D]."""


def _principal(rows: Floats, code: int) -> _Affine:
    values = rows.astype(np.float64)
    mean = values.mean(axis=0)
    _, spread, directions = np.linalg.svd(values - mean, full_matrices=False)
    keep = min(code, int((spread > 1e-6 * max(float(spread[0]), 1e-12)).sum()))
    deviation = spread[:keep] / np.sqrt(len(values))
    down, up = np.zeros((rows.shape[1], code)), np.zeros((code, rows.shape[1]))
    down[:, :keep], up[:keep] = directions[:keep].T / deviation, directions[:keep] * deviation[:, None]
    return down, -mean @ down, up, mean


def _turned(
    down: NDArray[np.float64],
    shift: NDArray[np.float64],
    up: NDArray[np.float64],
    mean: NDArray[np.float64],
    landmarks: Landmarks,
) -> _Affine:
    codes, places = landmarks.rows @ down + shift, landmarks.codes.astype(np.float64)
    off, towards = codes.mean(axis=0), places.mean(axis=0)
    left, _, right = np.linalg.svd((codes - off).T @ (places - towards))
    turn = left @ right
    moved = towards - off @ turn
    return down @ turn, shift @ turn + moved, turn.T @ up, mean - moved @ turn.T @ up
