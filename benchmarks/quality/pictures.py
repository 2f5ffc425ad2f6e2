"""Two pictures of a run: who ranks anomalies best on tables, and whether the promise was kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.quality.cases import CaseResult
from benchmarks.quality.measuring import SURPRISES
from benchmarks.quality.metrics import rate_interval
from benchmarks.quality.ours import OURS
from benchmarks.quality.statistics import standings, table

INK, QUIET, ACCENT = "#1f2933", "#9aa5b1", "#0b6e99"


def draw(outcomes: Sequence[CaseResult], folder: Path) -> list[Path]:
    """Write the pictures that the outcomes allow; returns their files."""
    import matplotlib as mpl

    mpl.use("Agg")
    drawn = [_quality(outcomes, folder / "tables.png"), _promise(outcomes, folder / "promise.png")]
    return [file for file in drawn if file]


def _quality(outcomes: Sequence[CaseResult], file: Path) -> Path | None:
    """Mean AUROC and AP on clean tables, with their intervals over sets."""
    from matplotlib import pyplot

    metrics = {"auroc": "AUROC, %", "ap": "average precision, %"}
    found = {metric: standings(table(outcomes, "tables", metric)) for metric in metrics}
    if not found["auroc"]:
        return None
    order = [place.method for place in reversed(found["auroc"])]
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 0.32 * len(order) + 1.2), sharey=True, layout="constrained")
    for axis, (metric, title) in zip(axes, metrics.items(), strict=True):
        for place in found[metric]:
            at = order.index(place.method)
            colour = ACCENT if place.method.startswith(OURS) else QUIET
            low, high = place.interval
            axis.plot([100 * low, 100 * high], [at, at], color=colour, linewidth=2, alpha=0.5)
            axis.plot(100 * place.mean, at, "o", color=colour)
            axis.annotate(
                f"{100 * place.mean:.1f}", (100 * place.mean, at), (0, 6), textcoords="offset points", ha="center",
                fontsize=8, color=INK,
            )  # fmt: skip
        axis.set_xlabel(title)
        _plain(axis)
    axes[0].set_yticks(range(len(order)), order)
    figure.suptitle("Tables, clean split: mean over sets, bootstrap 95 % interval", fontsize=10)
    figure.savefig(file, dpi=130)
    pyplot.close(figure)
    return file


def _promise(outcomes: Sequence[CaseResult], file: Path) -> Path | None:
    """Realised against promised false-alarm rate, by suite."""
    from matplotlib import pyplot

    ours = [one for one in outcomes if one.case.method == OURS and "normal_rows" in one.numbers]
    if not ours:
        return None
    figure, axis = pyplot.subplots(figsize=(6, 4.5), layout="constrained")
    promised = [10**-level for level in SURPRISES]
    axis.plot(promised, promised, color=INK, linewidth=1, linestyle="--", label="kept exactly")
    for shift, (suite, marker) in enumerate(zip(dict.fromkeys(one.case.suite for one in ours), "osD^v", strict=False)):
        mine = [one.numbers for one in ours if one.case.suite == suite]
        total = int(sum(numbers["normal_rows"] for numbers in mine))
        counts = [int(sum(numbers[f"above_{level:g}"] for numbers in mine)) for level in SURPRISES]
        nudged = [rate * 1.12**shift for rate in promised]
        bounds = [rate_interval(count, total) for count in counts]
        floor = 1e-6  # a logarithmic axis has no zero
        axis.vlines(
            nudged, [max(low, floor) for low, _ in bounds], [high for _, high in bounds], color=ACCENT, alpha=0.5
        )
        axis.plot(
            nudged,
            [max(count / total, floor) for count in counts],
            marker,
            color=ACCENT,
            label=f"{suite} ({total} rows)",
        )
    axis.set(
        xscale="log", yscale="log", xlabel="promised false-alarm rate", ylabel="realised on normal rows never seen"
    )
    axis.set_ylim(bottom=5e-7)
    axis.legend(frameon=False, fontsize=8)
    _plain(axis)
    figure.savefig(file, dpi=130)
    pyplot.close(figure)
    return file


def _plain(axis: Any) -> None:
    axis.grid(axis="x", color=QUIET, alpha=0.25)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
