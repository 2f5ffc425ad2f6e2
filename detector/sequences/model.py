"""A trained model of sequences: context rows in, the uncalibrated energies of its witnesses out.

Contexts [N, D] → energies [N] by witness; numpy and numba only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.parts import below, prefixed
from latentwatch.detector.sequences.context import SequenceContext
from latentwatch.detector.sequences.densities import PrototypeDensity, WindowMemory
from latentwatch.detector.sequences.reconstruction import Retrieval
from latentwatch.detector.sequences.recursion import RECENT, TAIL

Floats = NDArray[np.float32]

RECONSTRUCTION, DENSITY = "reconstruction", "density"
SHAPE, PATTERN, ACTIVITY, RELATIONS = "shape", "pattern", "activity", "relations"
_BARELY_OFF = 0.1
"""Usual sizes of a chart below which a smaller one says nothing."""


def density_blocks(patches: int) -> dict[str, tuple[int, int]]:
    """Blocks of the context row that each density sees: first and one past the last."""
    return {"now": (0, 1), "level": (0, 3), "dyn": (0, RECENT), "slow": (RECENT + patches, RECENT + patches + 1)}


def window_names(context: SequenceContext) -> tuple[str, ...]:
    """The witnesses that look at whole windows."""
    return (*((SHAPE,) if context.patches else ()), *((PATTERN,) if len(context.graded) else ()))


@dataclass(frozen=True, slots=True)
class SequenceModel:
    """Everything that turns a context row into energies."""

    densities: dict[str, PrototypeDensity]
    windows: dict[str, WindowMemory]
    """Usual shapes of the window, and remembered windows, where they are looked at."""
    retrieval: Retrieval
    channels: int
    """C."""
    patches: int

    @property
    def witnesses(self) -> tuple[str, ...]:
        """Their names."""
        return (*self.densities, *self.windows, ACTIVITY, RELATIONS, RECONSTRUCTION, DENSITY)

    def blocks(self, features: Floats, name: str) -> Floats:
        """The part of context rows [N, D] that a density sees."""
        first, stop = density_blocks(self.patches)[name]
        return features[:, first * self.channels : stop * self.channels]

    def tail(self, features: Floats, at: int) -> Floats:
        """[N] one of the numbers after the blocks."""
        return features[:, (RECENT + self.patches + 2) * self.channels + at]

    def window(self, features: Floats, name: str) -> Floats:
        """The part of context rows [N, D] that tells of the window: its shape, or the graded channels as they are."""
        if name == SHAPE:
            return features[:, RECENT * self.channels : (RECENT + self.patches) * self.channels]
        return features[:, (RECENT + self.patches + 2) * self.channels + TAIL :]

    def recent(self, features: Floats) -> Floats:
        """The part of context rows [N, D] that the autoencoder sees: the record and its recent past, with full effort the
        window's shape."""
        return features[:, : len(self.retrieval.centre)]

    def activity(self, features: Floats) -> Floats:
        """[N] energy of how many channels are moving: log of the mean over channels of v / (1 + sqrt v)^2, v the
        short-term variance of steps in squared scales. No channel counts more than once, however wild."""
        return np.asarray(0.5 * np.log(self.tail(features, 3) + 1e-3), np.float32)

    def relations(self, features: Floats) -> Floats:
        """[N] energy of the channel that is furthest from what the others foretell."""
        first = (RECENT + self.patches + 1) * self.channels
        return furthest(features[:, first : first + self.channels])

    def energies(self, features: Floats) -> dict[str, Floats]:
        """Energies [N] by witness, of context rows [N, D]."""
        out = {name: part.energy(self.blocks(features, name)) for name, part in self.densities.items()}
        out |= {name: memory.energy(self.window(features, name)) for name, memory in self.windows.items()}
        badly, sparse = self.retrieval.energies(self.recent(features))
        out |= {ACTIVITY: self.activity(features), RELATIONS: self.relations(features)}
        return {**out, RECONSTRUCTION: badly, DENSITY: sparse}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every array."""
        out = prefixed("retrieval.", self.retrieval.arrays())
        for name, part in self.densities.items():
            out |= prefixed(f"density.{name}.", part.arrays())
        for name, memory in self.windows.items():
            out |= prefixed(f"window.{name}.", memory.arrays())
        return out

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], context: SequenceContext) -> Self:
        """The inverse of `arrays`. Raises ValueError where they do not fit the context."""
        channels = context.channels.count
        spans = density_blocks(context.patches)
        densities = {name: PrototypeDensity.from_bundle(below(arrays, f"density.{name}.")) for name in spans}
        retrieval = Retrieval.from_bundle(below(arrays, "retrieval."))
        if any(len(part.mean) != (spans[name][1] - spans[name][0]) * channels for name, part in densities.items()):
            raise ValueError("the densities do not fit the channels")
        if len(retrieval.centre) not in (RECENT * channels, (RECENT + context.patches) * channels):
            raise ValueError("the autoencoder does not fit the channels")
        windows = {name: WindowMemory(arrays[f"window.{name}.rows"]) for name in window_names(context)}
        model = cls(densities, windows, retrieval, channels, context.patches)
        nothing = np.zeros((1, context.width), np.float32)
        if any(memory.rows.shape[1:] != model.window(nothing, name).shape[1:] for name, memory in windows.items()):
            raise ValueError("the remembered windows do not fit the channels")
        return model


def furthest(charts: Floats) -> Floats:
    """[N] energy of charts [N, C] in usual sizes: the log of the largest."""
    return np.asarray(np.log(np.abs(charts).max(axis=1) + _BARELY_OFF), np.float32)
