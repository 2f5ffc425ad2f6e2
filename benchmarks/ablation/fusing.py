"""Parts fused again, without some of them.

Parts -> [N] scores of each tested stretch, as the detector would rank its records
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.ablation.parts import WORKS, Parts, PartScores, RowParts, SequenceParts
from latentwatch.detector.forecasts.forecaster import Forecasts
from latentwatch.detector.forecasts.fusion import empty_histograms, fit_fusion
from latentwatch.detector.recipes import ALONE, SEQUENCE
from latentwatch.detector.rows.cascade import CascadeCalibration, fit_levels
from latentwatch.detector.rows.model import GLANCE, AnomalyScores, Work
from latentwatch.detector.sequences.promise import calibrate_together
from latentwatch.domain.model_choice import ModelChoice

Floats = NDArray[np.float32]

READINGS = ("error", "quick", "slow", "noise", "level", "frozen")
"""What forecasts are read by, in the order of `latentwatch.detector.forecasts.recursion`."""
ROWS = (*ALONE.weights, "glance", "study")
"""Parts of records that stand alone; without `glance` every record is studied, without `study` none is."""
SEQUENCES = (*SEQUENCE.weights, "novelty", "warm-up")
FORECASTS = ("forecasts", *(f"reading: {name}" for name in READINGS), "season", "week", "lately")
"""Parts of metrics."""
REFITTED: dict[str, ModelChoice] = {"following": ModelChoice(follow_drift=False)}
"""Parts that take another fit to leave out."""


def applies(parts: Parts, left_out: str) -> bool:
    """Whether a part of that name took part."""
    if isinstance(parts, RowParts):
        return left_out in ROWS
    return (
        left_out in SEQUENCES
        or (left_out in REFITTED and parts.follows)
        or (left_out in FORECASTS and bool(parts.forecasts))
    )


def fuse(parts: Parts, left_out: Collection[str] = ()) -> list[Floats]:
    """[N] scores of each tested stretch."""
    return [_rows(parts, left_out)] if isinstance(parts, RowParts) else _sequences(parts, left_out)


def _rows(parts: RowParts, left_out: Collection[str]) -> Floats:
    weights = {name: weight for name, weight in ALONE.weights.items() if name not in left_out}
    effort = "full" if "glance" in left_out else "light" if "study" in left_out else "balanced"

    def fused(told: Any, known: bool) -> dict[str, AnomalyScores]:
        met = {name: {part: told[name][part] for part in weights if part in told[name]} for name in WORKS}
        whole = {name: ALONE.total(each, weights) for name, each in met.items()}
        return {name: AnomalyScores(sums, {}, np.full(len(sums), known)) for name, sums in whole.items()}

    def levels(told: Any, known: bool) -> CascadeCalibration:
        sums = fused(told, known)

        def judge(work: Work, rows: NDArray[np.intp]) -> AnomalyScores:
            found = sums["glance" if work is GLANCE else "study"]
            return AnomalyScores(found.fused[rows], {}, found.known[rows])

        return fit_levels(effort, len(sums["study"].fused), judge)[0]  # type: ignore[arg-type]

    new, learned = levels(parts.unseen, False), levels(parts.kept, True)
    tested = fused(parts.tested, False)
    cheap, careful = tested["glance"].fused, tested["study"].fused
    out = np.empty(len(cheap), np.float32)
    for level, rows in ((new, ~parts.known), (learned, parts.known)):
        studied = cheap[rows] >= level.gate
        out[rows] = level.surprise(np.where(studied, careful[rows], cheap[rows]), studied)[0]
    return out


def _sequences(parts: SequenceParts, left_out: Collection[str]) -> list[Floats]:
    kept = [name for name in SEQUENCE.weights if name not in left_out and name in parts.history.fresh]

    def together(told: PartScores) -> Floats:
        source = told.unsettled if "warm-up" in left_out else told.surprises
        mean = SEQUENCE.mean({name: source[name] for name in kept})
        return mean if "novelty" in left_out else mean + told.novelty

    fused = [together(told) for told in parts.tested]
    if not parts.forecasts or "forecasts" in left_out:
        return fused
    history = replace(
        parts.history,
        out_of_fold={name: parts.history.out_of_fold[name] for name in kept},
        fresh={name: parts.history.fresh[name] for name in kept},
        novelty=parts.history.novelty * np.float32("novelty" not in left_out),
    )
    calibration, learned = calibrate_together(history)
    composite = calibration.composite
    forecast = parts.forecasts[next((name for name in ("season", "week") if name in left_out), "as it is")]
    chosen = [at for at, name in enumerate(READINGS) if f"reading: {name}" not in left_out]
    read = forecast.history._replace(readings=forecast.history.readings[:, :, chosen])
    histograms = empty_histograms(len(read.entities))
    fusion, _ = fit_fusion(histograms, read, composite.surprise(learned), parts.memory)
    out = []
    for told, readings in zip(fused, forecast.tested, strict=True):
        owners, ages = np.zeros(len(told), np.intp), np.full(len(told), 1 << 20, np.int64)
        forecasts = Forecasts(readings[:, :, chosen], np.zeros((len(told), 0), np.float32), ages)
        judged = fusion.judge(histograms.copy(), owners, forecasts, composite.surprise(told))
        raw = (2 * judged.forecast + composite.surprise(told)) / 3
        out.append(np.asarray(raw if "lately" in left_out else judged.surprise, np.float32))
    return out
