"""Whether records that stand alone keep their places: two tables, one half learned from, then the other.

The halves are drawn at random: a table has no time. Everything is measured on rows that neither version learned from.
"""

from pathlib import Path

import numpy as np
from sklearn.manifold import trustworthiness

from benchmarks.latent.halves import as_batch
from benchmarks.latent.places import TRUSTED, neighbours_kept, unexplained
from benchmarks.quality.datasets import clean_split
from latentwatch.detector.interface import Contexts
from latentwatch.detector.rows.detector import RowDetector
from latentwatch.detector.training import CalibrationSet, FitSet, calibrate, fit
from latentwatch.domain.model_choice import ModelChoice
from latentwatch.domain.record import Batch

RETRAINED = ("27_PageBlocks", "7_Cardiotocography")
_HELD_OUT = 2_000


def measure_table_places(folder: Path, table: str, seed: int) -> dict[str, float]:
    """Trustworthiness, the contours' realised shares, and what a retraining does to codes, without any alignment."""
    split = clean_split(folder, table, seed)
    learned, held = as_batch(split.train), as_batch(split.test[~split.truth][:_HELD_OUT])
    halves = np.array_split(np.random.default_rng(seed).permutation(len(learned)), 2)
    first, second = (learned.take(np.sort(half)) for half in halves)
    before = _version(first, seed, None)
    after = _version(second, seed + 1, before)
    ground = before.map_ground()
    if ground.basis != after.map_ground().basis:
        raise RuntimeError(f"{table}: the second version was not held to the first")
    old, new = (version.codes(held, _no_past(version, held)) for version in (before, after))
    places = before.map.basis.places(old)
    density = ground.density_at(places)
    wide, narrow = ground.contours
    values, _ = before.model.prepare(before.features.transform(held))
    return {
        "trust": float(trustworthiness(values, places, n_neighbors=TRUSTED)),
        "contour_80": float((density >= wide).mean()),
        "contour_95": float((density >= narrow).mean()),
        "unexplained_after_retrain": unexplained(old, new),
        "neighbours_kept": neighbours_kept(old, new),
    }


def _version(records: Batch, seed: int, replaced: RowDetector | None) -> RowDetector:
    learned, nothing = FitSet(records), CalibrationSet(records.take(slice(0, 0)))
    detector = calibrate(fit(learned, ModelChoice(seed=seed), 1, replaced=replaced), learned, nothing)
    if not isinstance(detector, RowDetector):
        raise TypeError("a table is scored row by row")
    return detector


def _no_past(version: RowDetector, batch: Batch) -> Contexts:
    return version.context.extend(np.zeros((1, 0), np.float32), np.zeros(len(batch), np.intp), batch)
