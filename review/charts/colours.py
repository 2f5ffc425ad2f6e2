"""The colours of charts, and what is drawn alike in several."""

from typing import Any


def colour(name: str) -> str:
    """What the page fills in for a colour of the style sheet, such as `ink`: it follows light and dark."""
    return f"latentwatch.colour('{name}')"


def threshold_line(threshold: float) -> dict[str, Any]:
    """A dashed line across a chart of surprises, with its label on it."""
    return {
        "silent": True,
        "symbol": "none",
        "data": [{"yAxis": round(threshold, 3)}],
        "lineStyle": {":color": colour("high"), "type": "dashed", "width": 1.2},
        "label": {
            "formatter": f"threshold {threshold:.1f}",
            "position": "insideStartTop",
            ":color": colour("high"),
            ":backgroundColor": colour("ground"),  # legible over the lines it lies on
            "padding": [1, 3],
        },
    }
