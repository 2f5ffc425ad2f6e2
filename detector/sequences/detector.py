"""A detector for records that follow one another, as it serves: numpy and numba only.

Contexts → energies of seven to ten witnesses → calibrated → fused → Scores
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.calibration import Calibration
from latentwatch.detector.interface import Contexts, MapGround
from latentwatch.detector.parts import below
from latentwatch.detector.sequences.channels import Channels
from latentwatch.detector.sequences.context import SequenceContext
from latentwatch.detector.sequences.explanation import Memory, explain_rows
from latentwatch.detector.sequences.model import (
    ACTIVITY,
    DENSITY,
    PATTERN,
    RECONSTRUCTION,
    RELATIONS,
    SHAPE,
    SequenceModel,
)
from latentwatch.detector.sequences.pace import Pace
from latentwatch.domain.monitor import AlertPolicy
from latentwatch.domain.record import Batch
from latentwatch.domain.schema import RecordSchema
from latentwatch.domain.scores import Explanation, Scores

Floats = NDArray[np.float32]


WEIGHTS = {
    "now": 1.0,
    "level": 1.0,
    "dyn": 1.0,
    "slow": 0.1,
    ACTIVITY: 1.0,
    RELATIONS: 0.5,
    SHAPE: 1.0,
    PATTERN: 1.0,
    RECONSTRUCTION: 1.0,
    DENSITY: 0.5,
}
"""What each witness counts for, the same for all; chosen on pumps, a chemical plant and servers, relations by the pumps."""
AGES = 9
"""Ages of a context at which it is settled apart: 0, 1, 3, ... 2^(AGES - 1) - 1 records."""
_FORGOTTEN, _LONG_FORGOTTEN = 0.02, 0.005
"""Recent moved constants below which the last one is long ago, on the shorter and the longer average."""
_CHUNK = 2048
"""Rows scored at a time, so that what is between stays in the cache."""


@dataclass(frozen=True, slots=True)
class SequenceCalibration:
    """Witnesses calibrated one by one, their mean and the novelty of moved constants calibrated together."""

    witnesses: dict[str, Calibration]
    composite: Calibration
    missing_usual: float
    """The largest recent number of missing values in training."""
    youth: dict[str, Floats]
    """By witness, [AGES] how much higher the energies of normal records are while the context is that young."""

    def settle(self, energies: Mapping[str, Floats], seen: NDArray[np.int64]) -> dict[str, Floats]:
        """Energies as they would be with a full context, by how many records came before [N]."""
        if not len(seen) or int(seen.min()) >= 1 << (AGES - 1):
            return dict(energies)
        age = np.log2(seen + 1.0)
        knots = np.arange(AGES)
        return {name: energy - np.interp(age, knots, self.youth[name]) for name, energy in energies.items()}

    def novelty(self, moved: Floats, missing: Floats, moved_long: Floats, standstill: Floats) -> Floats:
        """[N] surprise of constant channels that moved, recently and over a longer time, of values missing as never in
        training, and of a channel that stands still or is missing longer than ever in training."""
        recently = 2.0 * np.log1p(8.0 * np.maximum(moved - _FORGOTTEN, 0.0))
        longer = 0.5 * np.log1p(16.0 * np.maximum(moved_long - _LONG_FORGOTTEN, 0.0))
        lacking = np.log1p(4.0 * np.maximum(missing - self.missing_usual, 0.0))
        return np.asarray(recently + longer + lacking + 0.5 * standstill, np.float32)

    def fuse(self, surprises: Mapping[str, Floats], novelty: Floats) -> Floats:
        """[N] energy of the whole."""
        total = sum(WEIGHTS[name] * part for name, part in surprises.items())
        return np.asarray(total / sum(WEIGHTS[name] for name in surprises) + novelty, np.float32)


@dataclass(frozen=True, slots=True)
class SequenceDetector:
    """A trained detector for sequences. Immutable, thread-safe."""

    schema: RecordSchema
    context: SequenceContext
    model: SequenceModel
    calibration: SequenceCalibration
    memory: Memory
    pace: Pace
    bundle: str = ""
    kind: str = "denoising"

    @property
    def follows_drift(self) -> bool:
        """Whether levels that drift slowly are followed."""
        return self.context.levels.followed

    def score(self, batch: Batch, contexts: Contexts) -> Scores:
        """Calibrated scores; everything a score needs from the record is in its context row."""
        parts = [
            self._score(contexts.features[start : start + _CHUNK], contexts.seen[start : start + _CHUNK])
            for start in range(0, max(1, len(batch)), _CHUNK)
        ]
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        fused = joined.pop("fused")
        return Scores(
            surprise=self.calibration.composite.surprise(fused),
            reconstruction=joined.pop(RECONSTRUCTION),
            density=joined.pop(DENSITY),
            witnesses=joined,
            extrapolated=self.calibration.composite.extrapolated(fused),
            warming=contexts.seen < self.context.warm_after,
        )

    def _score(self, features: Floats, seen: NDArray[np.int64]) -> dict[str, Floats]:
        energies = self.calibration.settle(self.model.energies(features), seen)
        surprises = {name: self.calibration.witnesses[name].surprise(energy) for name, energy in energies.items()}
        novelty = self.calibration.novelty(*(self.model.tail(features, at) for at in (0, 1, 2, 4)))
        return {**surprises, "novelty": novelty, "fused": self.calibration.fuse(surprises, novelty)}

    def explain(self, batch: Batch, contexts: Contexts, scores: Scores) -> list[Explanation]:
        """Why each record scored as it did."""
        return explain_rows(self.model, self.context, self.memory, batch, contexts, scores)

    def threshold(self, policy: AlertPolicy) -> float:
        """The surprise from which records are flagged: by share of records, or by episodes a day."""
        return self.pace.threshold(policy)

    def map_ground(self) -> MapGround:
        """Where normal records are dense on the map."""
        return self.memory.ground

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every array of the bundle."""
        parts: dict[str, Mapping[str, NDArray[Any]]] = {
            "context.": self.context.arrays(),
            "": self.model.arrays(),
            "memory.": self.memory.arrays(),
            "pace.": self.pace.arrays(),
            "composite.": self.calibration.composite.arrays(),
            **{f"witness.{name}.": part.arrays() for name, part in self.calibration.witnesses.items()},
            "youth.": self.calibration.youth,
        }
        return {prefix + name: array for prefix, part in parts.items() for name, array in part.items()}

    def meta(self) -> dict[str, Any]:
        """Everything else."""
        return {
            "detector": "sequences",
            "kind": self.kind,
            "schema": self.schema.model_dump(mode="json"),
            "context": self.context.meta(),
            "memory": self.memory.meta(),
            "pace": self.pace.meta(),
            "composite": self.calibration.composite.meta(),
            "missing_usual": self.calibration.missing_usual,
            "witnesses": {name: part.meta() for name, part in self.calibration.witnesses.items()},
        }

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], bundle: str = "") -> Self:
        """The inverse of `arrays` and `meta`. Raises KeyError for what is missing, ValueError for what does not fit."""
        schema = RecordSchema.model_validate(meta["schema"])
        channels = Channels.from_bundle(schema, below(arrays, "context."), meta["context"])
        context = SequenceContext.from_bundle(channels, below(arrays, "context."), meta["context"])
        model = SequenceModel.from_bundle(arrays, context)
        witnesses = {
            name: Calibration.from_bundle(below(arrays, f"witness.{name}."), part)
            for name, part in meta["witnesses"].items()
        }
        if witnesses.keys() != {*model.witnesses}:
            raise ValueError("the calibrations do not name the witnesses")
        youth = below(arrays, "youth.")
        if youth.keys() != witnesses.keys() or any(part.shape != (AGES,) for part in youth.values()):
            raise ValueError("the corrections for young contexts do not fit the witnesses")
        composite = Calibration.from_bundle(below(arrays, "composite."), meta["composite"])
        return cls(
            schema=schema,
            context=context,
            model=model,
            calibration=SequenceCalibration(witnesses, composite, float(meta["missing_usual"]), youth),
            memory=Memory.from_bundle(schema, below(arrays, "memory."), meta["memory"]),
            pace=Pace.from_bundle(below(arrays, "pace."), meta["pace"]),
            bundle=bundle,
            kind=str(meta["kind"]),
        )

    def named(self, bundle: str) -> Self:
        """The same detector under the content hash it was saved as."""
        return replace(self, bundle=bundle)
