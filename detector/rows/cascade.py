"""Looks at every row cheaply, and with care at those it cannot call normal; calibrated as one.

A row whose cheap energy stays below the gate has the p-value of that energy. One that reaches it, as a share g of normal
rows does, has g times the conditional p-value of its careful energy:

    p = P(cheap >= gate) P(careful >= e | cheap >= gate)

so that the composite is a p-value whatever both energies have to do with each other. Which rows are looked at with care
depends on the row alone, never on load.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.calibration import Calibration, fit_calibration
from latentwatch.detector.recipes import ALONE
from latentwatch.detector.rows.model import GLANCE, STUDY, Energies, RowModel, Work, replace_rows, take_rows
from latentwatch.domain.scores import Scores

Floats: TypeAlias = NDArray[np.float32]
Effort: TypeAlias = Literal["light", "balanced", "full"]
SHARE = 0.25
"""g, share of normal rows that are looked at with care under balanced effort."""
ENOUGH = 50
"""Rows that must pass the gate in calibration for the cascade to be worth it; with fewer every row is studied."""


@dataclass(frozen=True, slots=True)
class Cascade:
    """The calibrated cascade of one effort."""

    effort: Effort
    gate: float
    """Cheap energy from which a row is studied: infinite for light effort, minus infinity for full."""
    share: float
    """Share of normal rows that reach the gate."""
    cheap: Calibration
    careful: Calibration
    told: dict[str, Calibration]
    """By name in Scores, of what the recipe tells beside the whole."""

    def score(self, model: RowModel, values: Floats, present: Floats) -> Scores:
        """Calibrated scores of prepared rows [N, P]."""
        energies, studied = look(model, values, present, self.gate)
        first = self.careful if self.gate == -np.inf else self.cheap
        surprise, extrapolated = first.surprise(energies.fused), first.extrapolated(energies.fused)
        rows = np.flatnonzero(studied) if first is self.cheap else np.arange(0)
        if len(rows):
            careful = energies.fused[rows]
            surprise[rows] = self.careful.surprise(careful) - np.float32(np.log10(self.share))
            extrapolated[rows] = self.careful.extrapolated(careful)
        told = {name: calibration.surprise(energies.told[name]) for name, calibration in self.told.items()}
        return Scores(
            surprise=surprise,
            reconstruction=told.pop("reconstruction"),
            density=told.pop("density"),
            witnesses=told,
            extrapolated=extrapolated,
            warming=np.zeros(len(values), bool),
        )

    @property
    def calibrations(self) -> dict[str, Calibration]:
        """All, by the name a bundle stores them under."""
        return {"cheap": self.cheap, "careful": self.careful, **self.told}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores as weights."""
        found = self.calibrations.items()
        return {f"{name}.{key}": array for name, calibration in found for key, array in calibration.arrays().items()}

    def meta(self) -> dict[str, Any]:
        """What a bundle stores as JSON."""
        gate = self.gate if np.isfinite(self.gate) else None
        return {
            "effort": self.effort,
            "gate": gate,
            "share": self.share,
            **{name: calibration.meta() for name, calibration in self.calibrations.items()},
        }

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> Self:
        """The inverse of `arrays` and `meta`."""
        gate = meta["gate"]
        if gate is None:
            gate = np.inf if meta["effort"] == "light" else -np.inf
        cheap, careful, *rest = (
            Calibration.from_bundle({"knots": arrays[f"{name}.knots"]}, meta[name])
            for name in ("cheap", "careful", *dict(ALONE.told))
        )
        told = dict(zip(dict(ALONE.told), rest, strict=True))
        return cls(meta["effort"], float(gate), float(meta["share"]), cheap, careful, told)


def look(model: RowModel, values: Floats, present: Floats, gate: float) -> tuple[Energies, NDArray[np.bool_]]:
    """Energies of prepared rows, careful where a row reaches the gate, and where that is [N]."""
    if gate == -np.inf:
        return model.energies(values, present, STUDY), np.ones(len(values), bool)
    energies = model.energies(values, present, GLANCE)
    studied = energies.fused >= gate
    rows = np.flatnonzero(studied)
    if len(rows):
        mask = present if len(present) == 1 else present[rows]
        replace_rows(energies, model.energies(values[rows], mask, STUDY), rows)
    return energies, studied


def fit_cascade(effort: Effort, count: int, judge: Callable[[Work, NDArray[np.intp]], Energies]) -> Cascade:
    """Calibrate on out-of-sample energies of `count` normal records; `judge` gives those of some for a kind of work."""
    everyone = np.arange(count)
    if effort == "light":
        return _of_one(effort, np.inf, judge(GLANCE, everyone))
    if effort == "full" or SHARE * count < ENOUGH:
        return _of_one(effort, -np.inf, judge(STUDY, everyone))
    cheap = judge(GLANCE, everyone)
    gate = float(np.quantile(cheap.fused, 1.0 - SHARE))
    rows = np.flatnonzero(cheap.fused >= gate)
    careful = judge(STUDY, rows)
    mixed = take_rows(cheap, everyone)
    replace_rows(mixed, careful, rows)
    return Cascade(
        effort,
        gate,
        len(rows) / count,
        fit_calibration(cheap.fused, smooth=False),
        fit_calibration(careful.fused, smooth=False),
        {name: fit_calibration(part) for name, part in mixed.told.items()},
    )


def _of_one(effort: Effort, gate: float, energies: Energies) -> Cascade:
    fused = fit_calibration(energies.fused, smooth=False)
    told = {name: fit_calibration(part) for name, part in energies.told.items()}
    return Cascade(effort, gate, 1.0, fused, fused, told)
