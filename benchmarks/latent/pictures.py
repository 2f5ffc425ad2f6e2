"""Pictures of the latent space for the docs: the map of the plant, and what a walk along each factor decodes to.

python -m benchmarks.latent.pictures docs/images
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.latent.rigs import Rigs, trained
from latentwatch.detector.plots import draw_map
from latentwatch.detector.sequences.context import encode
from latentwatch.detector.sequences.detector import SequenceDetector
from latentwatch.domain.model_choice import ModelKind
from latentwatch.domain.policies import AlertPolicy

_DAYS, _FAULTY_DAY = 2, 9
_SHOWN = 600
"""Records of the faulty day that are drawn, the flagged ones first."""
_WALK = np.linspace(-2.0, 2.0, 21)
"""Standard deviations of a factor."""
_DPI = 110


def main(folder: Path) -> None:
    """Write `latent-map.png` and `latent-factors.png` below the folder."""
    import matplotlib as mpl

    mpl.use("Agg")
    rigs = Rigs.of_seed(0)
    history = rigs.days(0, _DAYS)
    _map(rigs, trained(history, 0), folder / "latent-map.png")
    factors = trained(history, 0, ModelKind.DISENTANGLED)
    _walks(factors, factors.codes(history, encode(factors.context, history)), folder / "latent-factors.png")


def _map(rigs: Rigs, detector: SequenceDetector, file: Path) -> None:
    """A later day with faults on the map of two normal days."""
    batch, _ = rigs.faulty_day(_FAULTY_DAY)
    contexts = encode(detector.context, batch)
    flagged = detector.score(batch, contexts).surprise >= detector.threshold(AlertPolicy())
    random = np.random.default_rng(0)
    some = np.concatenate([
        random.permutation(np.flatnonzero(rows))[: _SHOWN // 2] for rows in (~flagged, flagged)
    ])  # fmt: skip
    codes = detector.codes(batch, contexts)[some]
    places = detector.model.coded.places(codes)
    _save(draw_map(None, detector.map_ground(), places, flagged[some]), file)


def _walks(detector: SequenceDetector, codes: np.ndarray[Any, Any], file: Path) -> None:
    """One picture a factor: each number of the decoded record, in its standard deviations along the walk."""
    from matplotlib import pyplot

    middle, spread = np.median(codes, axis=0), codes.std(axis=0)
    names = [feature.name for feature in detector.schema.features if feature.is_number]
    usual = _numbers(detector, codes[:: max(1, len(codes) // 2_000)], names).std(axis=0)
    moved = []
    for factor in range(codes.shape[1]):
        walk = np.repeat(middle[None], len(_WALK), axis=0)
        walk[:, factor] += _WALK * spread[factor]
        decoded = _numbers(detector, walk.astype(np.float32), names)
        moved.append((decoded - decoded[len(_WALK) // 2]) / np.where(usual > 0, usual, 1.0))
    order = np.argsort([-np.abs(one).max() for one in moved])[:4]
    _, axes = pyplot.subplots(1, len(order), figsize=(11, 2.9), sharey=True, layout="constrained")
    for axis, factor in zip(axes, order, strict=True):
        leading = np.argsort(-np.abs(moved[factor]).max(axis=0))
        for rank, number in enumerate(leading):
            loud = rank < 3
            axis.plot(
                _WALK, moved[factor][:, number], color=None if loud else "#c5ccd3", linewidth=1.8 if loud else 0.8,
                label=names[number] if loud else None, zorder=2 if loud else 1,
            )  # fmt: skip
        axis.set_title(f"factor {factor + 1}", fontsize=10)
        axis.legend(fontsize=7, frameon=False)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_xlabel("standard deviations along it", fontsize=8)
    axes[0].set_ylabel("decoded number,\nstandard deviations", fontsize=8)
    _save(axes[0], file)


def _numbers(detector: SequenceDetector, codes: np.ndarray[Any, Any], names: list[str]) -> np.ndarray[Any, Any]:
    return np.array([[record[name] for name in names] for record in detector.decoded(codes)], np.float64)


def _save(axis: Any, file: Path) -> None:
    from matplotlib import pyplot

    axis.figure.savefig(file, dpi=_DPI)
    pyplot.close(axis.figure)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
