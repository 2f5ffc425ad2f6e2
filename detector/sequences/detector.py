"""A detector for records that follow one another, as it serves: numpy and numba only.

Contexts → anomaly scores of the recipe's components → calibrated → fused → Scores
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.array_prefixes import below, prefixed
from latentwatch.detector.budget import Budget
from latentwatch.detector.components.block_density import FittedBlockDensity
from latentwatch.detector.interface import Contexts, MapGround
from latentwatch.detector.latent.state_space import StateSpace
from latentwatch.detector.recipes import SEQUENCE
from latentwatch.detector.sequences.blame import relief_by_feature
from latentwatch.detector.sequences.channels import Channels, unclip
from latentwatch.detector.sequences.context import SequenceContext
from latentwatch.detector.sequences.explanation import ReferenceRecords, explain_rows
from latentwatch.detector.sequences.model import SequenceModel
from latentwatch.detector.sequences.neutral import deviations, neutral
from latentwatch.detector.sequences.novelty import NOVELTY, Novelty
from latentwatch.detector.sequences.pace import Pace
from latentwatch.detector.sequences.promise import SequenceCalibration
from latentwatch.detector.sequences.shorter_memories import shorter_memories
from latentwatch.detector.sequences.warm_up import WarmUp
from latentwatch.detector.surprise_parts import parts_of
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.record import Batch, Value
from latentwatch.domain.schema import RecordSchema
from latentwatch.domain.scores import Explanation, Scores

Floats = NDArray[np.float32]


_CHUNK = 2048
"""Rows scored at a time, so that what is between stays in the cache."""
_JITTER = np.float32(1e-3)
"""Of a channel's scale, by which what stands in for a number moves."""


@dataclass(frozen=True, slots=True)
class SequenceDetector:
    """A trained detector for sequences. Immutable, thread-safe."""

    schema: RecordSchema
    context: SequenceContext
    model: SequenceModel
    warm_up: WarmUp
    novelty: Novelty
    calibration: SequenceCalibration
    memory: ReferenceRecords
    pace: Pace
    bundle: str = ""
    kind: str = "denoising"

    @property
    def cadence(self) -> float:
        """Seconds between the records of an entity; 0 where training did not see them come regularly."""
        return self.pace.cadence

    @property
    def recurring_gap(self) -> float:
        """Seconds of the longest pause between an entity's records that is usual; 0 where there is none."""
        return self.pace.recurring_gap

    @property
    def follows_drift(self) -> bool:
        """Whether levels that drift slowly are followed."""
        return self.context.levels.followed

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing that a sentence would help with."""
        return ()

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of what `read` gives."""
        return (*self.model.scores, NOVELTY, "fused")

    def reading(self, schema: RecordSchema) -> Self:
        """The same detector of records whose fields stand elsewhere: features of the same names and types in this order."""
        context = replace(self.context, channels=replace(self.context.channels, schema=schema))
        return replace(self, schema=schema, context=context, bundle="")

    def score(self, batch: Batch, contexts: Contexts) -> Scores:
        """Calibrated scores; everything a score needs from the record is in its context row."""
        read = self.read(contexts)
        fused = read.pop("fused")
        return Scores(
            surprise=self.calibration.composite.surprise(fused),
            reconstruction=read.pop("reconstruction"),
            density=read.pop("density"),
            components=read,
            extrapolated=self.calibration.composite.extrapolated(fused),
            warming=contexts.seen < self.context.warm_after,
        )

    def read(self, contexts: Contexts) -> dict[str, Floats]:
        """Every part's surprise [N] by name, and what they say together under "fused", not calibrated yet."""
        parts = [
            self._score(contexts.features[start : start + _CHUNK], contexts.seen[start : start + _CHUNK])
            for start in range(0, max(1, len(contexts.seen)), _CHUNK)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _score(self, features: Floats, seen: NDArray[np.int64]) -> dict[str, Floats]:
        surprises = self._surprises(features, seen)
        novelty = self.novelty.surprise(self.model.layout, features)
        return {**surprises, NOVELTY: novelty, "fused": SEQUENCE.mean(surprises) + novelty}

    def _surprises(self, features: Floats, seen: NDArray[np.int64]) -> dict[str, Floats]:
        """[N] every component's, by the name of its score."""
        return self.calibration.surprises(self.warm_up.settle(self.model.anomaly_scores(features), seen))

    def explain(self, batch: Batch, contexts: Contexts, scores: Scores) -> list[Explanation]:
        """Why each record scored as it did."""
        parts = parts_of(scores.surprise[: len(batch)], self.addends(contexts))

        def relief(tried: NDArray[np.intp]) -> dict[str, Floats]:
            def without(features: Floats, left: NDArray[np.bool_]) -> Floats:
                return neutral(self.context, self._recent, features, left)

            return relief_by_feature(self._surprises, without, contexts, self.context.channels.of_features, tried)

        return explain_rows(self.model, self.context, self.memory, batch, contexts, parts, relief)

    def addends(self, contexts: Contexts) -> dict[str, Floats]:
        """[N] what each part adds to what they say together, by name."""
        read = self.read(contexts)
        return SEQUENCE.addends({name: read[name] for name in self.model.scores}) | {NOVELTY: read[NOVELTY]}

    def deviations(self, batch: Batch, contexts: Contexts, names: Sequence[str]) -> NDArray[np.float64]:
        """[N, K] how far numbers lie, or lately lay, from what the other channels predict, in their own units."""
        return deviations(self.context, self._recent, batch, contexts, names)

    def score_without(self, batch: Batch, contexts: Contexts, names: Sequence[str], left: NDArray[np.bool_]) -> Scores:
        """Scores as if the numbers left out, [N, K], were as the others predict."""
        of_features = self.context.channels.of_features[[self.schema.names.index(name) for name in names]]
        channels = np.asarray(left.astype(np.int64) @ of_features > 0)
        settled = neutral(self.context, self._recent, contexts.features, channels)
        return self.score(batch, replace(contexts, features=settled))

    def with_stand_ins(self, batch: Batch, names: Sequence[str]) -> Batch:
        """The entity's usual level, moved a little from record to record, since what stands still is strange; the commonest word."""
        channels = self.context.channels
        numbers, categories = batch.numbers.copy(), batch.categories.copy()
        centre = channels.centre[channels.entity_rows(batch.entities)]
        for name in names:
            if name in batch.schema.numbers:
                channel = channels.of_number(name)
                moved = (batch.offsets % 2) * _JITTER * channels.scale[channel]
                numbers[:, batch.schema.numbers.index(name)] = centre[:, channel] + moved
            elif name in batch.schema.categories and (words := channels.words[channels.schema.categories.index(name)]):
                categories[:, batch.schema.categories.index(name)] = words[0]
        return replace(batch, numbers=numbers, categories=categories)

    def ongoing(self, batch: Batch, contexts: Contexts, scores: Scores) -> Floats:
        """The least surprise of the record's own, that with the last quarter of the window for all of it, and that with the
        record itself for all of it."""
        shorter = shorter_memories(self.context.layout, contexts.features)
        read = self.read(Contexts(np.concatenate(shorter), np.tile(contexts.seen, len(shorter))))
        again = self.calibration.composite.surprise(read["fused"]).reshape(len(shorter), -1)
        return np.asarray(np.minimum(scores.surprise, again.min(axis=0)), np.float32)

    @property
    def _recent(self) -> FittedBlockDensity:
        """The density of a record with its recent past, which says what a channel should have shown."""
        found = self.model.explaining
        if not isinstance(found, FittedBlockDensity):
            raise TypeError("the component that explains is no density")
        return found

    def codes(self, batch: Batch, contexts: Contexts) -> Floats:
        """[N, K] latent codes of records."""
        return self.model.coded.codes(contexts.features)

    def decoded(self, codes: Floats) -> list[dict[str, Value]]:
        """The mean record at each code [N, K], at the level that all entities have in common. Raises ValueError where codes
        are not of K numbers."""
        size, channels = self.model.coded.basis.codes.shape[1], self.context.channels
        if codes.ndim != 2 or codes.shape[1] != size:
            raise ValueError(f"codes must be of {size} columns, not of shape {codes.shape}")
        drawn = self.model.coded.decode(codes)[:, : channels.count]
        nobody = np.full(len(codes), "", object)
        return channels.values(unclip(drawn) * self.context.levels.spreads, nobody, self.memory.span)

    def budget(self, policy: AlertPolicy) -> Budget:
        """What the policy comes to: by share of records, or by episodes a day, as far as calibration can tell."""
        return self.pace.budget(policy, self.calibration.composite.resolution)

    def threshold(self, policy: AlertPolicy) -> float:
        """The surprise from which records are flagged."""
        return self.budget(policy).threshold

    def state_space(self) -> StateSpace:
        """Its codes of normal records, and which code lies where on the map."""
        return StateSpace(self.model.coded.basis)

    def map_ground(self) -> MapGround:
        """Where normal records are dense on the map."""
        return replace(self.memory.ground, basis=self.model.coded.basis.id)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every array of the bundle."""
        return {
            **prefixed("context.", self.context.arrays()),
            **self.model.arrays(),
            **prefixed("memory.", self.memory.arrays()),
            **prefixed("pace.", self.pace.arrays()),
            **self.calibration.arrays(),
            **prefixed("warm_up.", self.warm_up.arrays()),
        }

    def meta(self) -> dict[str, Any]:
        """Everything else."""
        return {
            "detector": "sequences",
            "kind": self.kind,
            "schema": self.schema.model_dump(mode="json"),
            "context": self.context.meta(),
            "memory": self.memory.meta(),
            "pace": self.pace.meta(),
            "missing_usual": self.novelty.missing_usual,
            **self.calibration.meta(),
        }

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], bundle: str = "") -> Self:
        """The inverse of `arrays` and `meta`. Raises KeyError for what is missing, ValueError for what does not fit."""
        schema = RecordSchema.model_validate(meta["schema"])
        channels = Channels.from_bundle(schema, below(arrays, "context."), meta["context"])
        context = SequenceContext.from_bundle(channels, below(arrays, "context."), meta["context"])
        model = SequenceModel.from_bundle(arrays, context.layout)
        return cls(
            schema=schema,
            context=context,
            model=model,
            warm_up=WarmUp.from_bundle(below(arrays, "warm_up."), model.scores),
            novelty=Novelty(float(meta["missing_usual"])),
            calibration=SequenceCalibration.from_bundle(arrays, meta, model.scores),
            memory=ReferenceRecords.from_bundle(schema, below(arrays, "memory."), meta["memory"]),
            pace=Pace.from_bundle(below(arrays, "pace."), meta["pace"]),
            bundle=bundle,
            kind=str(meta["kind"]),
        )

    def named(self, bundle: str) -> Self:
        """The same detector under the content hash it was saved as."""
        return replace(self, bundle=bundle)
