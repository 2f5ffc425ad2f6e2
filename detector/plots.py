"""Pictures of an estimator's view of rows, drawn by matplotlib: the extra `plot`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.interface import MapGround
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.record import Value
from latentwatch.domain.scores import Explanation

_INK, _QUIET, _GROUND, _ALARM = "#1f2933", "#9aa5b1", "Blues", "#c0392b"
_LEVELS = (0.02, 0.1, 0.3, 0.6, 1.0)
_FEATURES_SHOWN = 12
_LONGEST_VALUE = 24


def draw_map(ax: Any, ground: MapGround, places: NDArray[np.floating[Any]], flagged: NDArray[np.bool_]) -> Any:
    """Where normal records are dense, some of them as grey dots, and `places` [N, 2], red where flagged [N]. Two lines hold 80
    and 95 % of normal records that were not learned from.

    Returns the axes, new ones where `ax` is None.
    """
    ax = _axes(ax)
    ax.contourf(ground.x, ground.y, ground.density, levels=_LEVELS, cmap=_GROUND, alpha=0.6)
    if len(levels := np.unique(ground.contours[ground.contours > 0])):
        ax.contour(
            ground.x, ground.y, ground.density, levels=levels, colors=_INK, linewidths=0.8, linestyles=["--", "-"]
        )
    ax.plot(*ground.sample.T, ".", color=_QUIET, markersize=2, label="normal, from training")
    for rows, colour, mark, label in ((~flagged, _INK, "o", "normal"), (flagged, _ALARM, "D", "abnormal")):
        if rows.any():
            ax.plot(*places[rows].T, mark, color=colour, markersize=4, label=f"{label} ({rows.sum():,})")
    ax.set(xlabel="first direction of the latent code", ylabel="second direction", title="Latent map")
    ax.use_sticky_edges = False  # what lies at the edge of the map is drawn whole
    ax.margins(0.03)
    ax.legend(loc="best", fontsize="small", frameon=False)
    return ax


def draw_explanation(ax: Any, explanation: Explanation, values: dict[str, Value], surprise: float) -> Any:
    """A bar for each feature's contribution, the largest on top, with its value and what was expected beside it; at most
    twelve, the others summed in the last. Returns the axes, new ones where `ax` is None."""
    ax = _axes(ax)
    ranked = sorted(explanation.contributions.items(), key=lambda share: -share[1])
    shown, others = ranked, ranked[:0]
    if len(ranked) > _FEATURES_SHOWN:
        shown, others = ranked[: _FEATURES_SHOWN - 1], ranked[_FEATURES_SHOWN - 1 :]
    labels = [f"{name} = {_short(values[name])}" for name, _ in shown]
    beside = [f"expected {_short(explanation.expected[name])}" for name, _ in shown]
    lengths = [share for _, share in shown]
    if others:
        labels, beside = [*labels, f"{len(others)} other features"], [*beside, ""]
        lengths.append(sum(share for _, share in others))
    bars = ax.barh(np.arange(len(lengths)), lengths, color=_ALARM)
    ax.bar_label(bars, beside, padding=4, color=_INK, fontsize="small")
    ax.set_yticks(np.arange(len(lengths)), labels)
    ax.invert_yaxis()
    ax.margins(x=0.3)
    ax.set(xlabel="contribution to the surprise", title=f"surprise of the whole {surprise:.1f}")
    return ax


def _short(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = "missing" if value is None else str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _axes(ax: Any) -> Any:
    return ax if ax is not None else _pyplot().subplots(layout="constrained")[1]


def require_matplotlib() -> None:
    """Raise InvalidInput, with what to install, where matplotlib is absent: before anything is computed."""
    _pyplot()


def _pyplot() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError:
        raise InvalidInput("matplotlib, which draws, is not installed; install 'latentwatch[plot]'") from None
    return pyplot
