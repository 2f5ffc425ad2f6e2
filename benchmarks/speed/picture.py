"""Where the time of a record goes, as one picture."""

from pathlib import Path
from typing import Any

INK, QUIET = "#1f2933", "#9aa5b1"
COLOURS = {
    "client and rest": "#9aa5b1",
    "poll": "#cbd2d9",
    "decode": "#7b8794",
    "context": "#62b0c9",
    "score": "#0b6e99",
    "describe": "#e0a030",
    "commit": "#b4532a",
}


def draw(figures: dict[str, Any], file: Path) -> Path:
    """Microseconds of processor a record by stage, beside the client's own poll and decode."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    bars = {
        name: figures[name] for name in ("poll", "decode", *(each for each in figures if each.startswith("scorer ")))
    }
    figure, axis = pyplot.subplots(figsize=(9, 0.5 * len(bars) + 1.4), layout="constrained")
    for place, found in enumerate(reversed(bars.values())):
        start = 0.0
        for stage, colour in COLOURS.items():
            cost = found.get("cpu_us_by_stage", {}).get(stage, 0.0)
            axis.barh(place, cost, left=start, color=colour, label=stage if place == 0 else None)
            start += max(0.0, cost)
        if not start:
            axis.barh(place, found["cpu_us_per_record"], color=QUIET)
        axis.text(found["cpu_us_per_record"] + 0.1, place, f"{found['cpu_us_per_record']:.1f}", va="center", color=INK)
    axis.set_yticks(range(len(bars)), list(reversed(bars)))
    axis.set_xlabel("microseconds of processor a record")
    axis.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=len(COLOURS), fontsize="small", frameon=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=140)
    pyplot.close(figure)
    return file
