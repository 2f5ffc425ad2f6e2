"""A detector for metrics: the components of a sequence detector, and forecasts beside them. Numpy and numba only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.array_prefixes import below, prefixed
from latentwatch.detector.budget import Budget
from latentwatch.detector.forecasts.context import ForecastContext
from latentwatch.detector.forecasts.forecaster import Forecaster
from latentwatch.detector.forecasts.fusion import HISTOGRAMS, Fusion, share_of_forecasts
from latentwatch.detector.interface import Contexts, MapGround
from latentwatch.detector.lately import BINS
from latentwatch.detector.latent.state_space import StateSpace
from latentwatch.detector.metrics import DAY
from latentwatch.detector.sequences.detector import SequenceDetector
from latentwatch.detector.sequences.pace import Pace
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.record import Batch, Value
from latentwatch.domain.schema import RecordSchema
from latentwatch.domain.scores import AGAINST_TRAINING, Explanation, Scores

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ForecastDetector:
    """A trained detector for metrics. Immutable, thread-safe."""

    context: ForecastContext
    pace: Pace
    found: tuple[str, ...]
    """What training found of seasons, a sentence for each forecast channel, and by what the promise is kept."""
    bundle: str = ""

    @property
    def components(self) -> SequenceDetector:
        """What judges without a clock."""
        return self.context.components

    @property
    def kind(self) -> str:
        """The kind of the autoencoder."""
        return self.components.kind

    @property
    def schema(self) -> RecordSchema:
        """The records it scores."""
        return self.components.schema

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
        """Whether the components follow levels that drift slowly."""
        return self.components.follows_drift

    @property
    def notes(self) -> tuple[str, ...]:
        """What training found, in sentences."""
        return self.found

    def reading(self, schema: RecordSchema) -> Self:
        """The same detector of records whose fields stand elsewhere: features of the same names and types in this order."""
        return replace(self, context=replace(self.context, components=self.components.reading(schema)), bundle="")

    def carried_on(self, later: Batch) -> Self:
        """The same detector, begun where records end that follow those it learned from."""
        return replace(self, context=self.context.carried_on(later), bundle="")

    def score(self, batch: Batch, contexts: Contexts) -> Scores:
        """Calibrated scores: what their context rows hold."""
        inner, parts = self.components.context.width, self.components.parts
        told = dict(zip(parts, contexts.features[:, inner : inner + len(parts)].T.copy(), strict=True))
        fused = told.pop("fused")
        surprise = np.ascontiguousarray(contexts.features[:, -1])
        composite = self.components.calibration.composite
        return Scores(
            surprise=surprise,
            reconstruction=told.pop("reconstruction"),
            density=told.pop("density"),
            components={
                **told,
                "forecast": np.ascontiguousarray(contexts.features[:, -2]),
                AGAINST_TRAINING: composite.surprise(fused),
            },
            extrapolated=surprise > self.context.fusion.seen_until,
            warming=contexts.seen < self.context.warm_after,
        )

    def explain(self, batch: Batch, contexts: Contexts, scores: Scores) -> list[Explanation]:
        """Why each record scored as it did: of the forecast channels what was expected for its time, of others what goes
        with the rest of the record."""
        components, chosen = self.components, self.context.forecaster.channels
        channels = components.context.channels
        found = components.explain(batch, self._inner(contexts), scores)
        expected, strength = self._forecasts(batch, contexts)
        values = expected.tolist()
        blamed = strength / np.maximum(strength.sum(axis=1, keepdims=True), 1e-12)
        by_forecasts = share_of_forecasts(scores.components["forecast"], scores.components["components"])
        by_forecasts = np.where(strength.any(axis=1), by_forecasts, 0.0).tolist()
        names = [batch.schema.names[owner] for owner in channels.owners[chosen].tolist()]
        out = []
        for row, explanation in enumerate(found):
            ours = by_forecasts[row] * float(scores.surprise[row])
            shares = {name: (1 - by_forecasts[row]) * part for name, part in explanation.contributions.items()}
            for name, share in zip(names, blamed[row].tolist(), strict=True):
                shares[name] += ours * share
            parts = {name: (1 - by_forecasts[row]) * part for name, part in explanation.parts.items()}
            usual = {**explanation.expected, **dict(zip(names, values[row], strict=True))}
            out.append(replace(explanation, expected=usual, contributions=shares, parts={"forecast": ours, **parts}))
        return out

    def codes(self, batch: Batch, contexts: Contexts) -> Floats:
        """[N, K] latent codes of records."""
        return self.components.codes(batch, self._inner(contexts))

    def decoded(self, codes: Floats) -> list[dict[str, Value]]:
        """The mean record at each code [N, K], whatever is forecast."""
        return self.components.decoded(codes)

    def deviations(self, batch: Batch, contexts: Contexts, names: Sequence[str]) -> NDArray[np.float64]:
        """[N, K] how far numbers lie from what was forecast of them, or lately lay from what the components know, whichever
        is furthest, in their own units."""
        off = self.components.deviations(batch, self._inner(contexts), names)
        expected, _ = self._forecasts(batch, contexts)
        chosen = self.context.forecaster.channels.tolist()
        for place, name in enumerate(names):
            channel = self.components.context.channels.of_number(name)
            if channel in chosen:
                shown = batch.numbers[:, batch.schema.numbers.index(name)].astype(np.float64)
                missed = shown - expected[:, chosen.index(channel)]
                off[:, place] = np.where(np.abs(missed) >= np.abs(off[:, place]), missed, off[:, place])
        return off

    def score_without(self, batch: Batch, contexts: Contexts, names: Sequence[str], left: NDArray[np.bool_]) -> Scores:
        """Scores as if the numbers left out, [N, K], were as the others predict.

        A context row does not tell what was strange lately: the rest is taken to be as rare as it was in training, where
        that is less than the record's own surprise.
        """
        scores = self.components.score_without(batch, self._inner(contexts), names, left)
        _, strength = self._forecasts(batch, contexts)
        kept, chosen = np.array(strength), self.context.forecaster.channels.tolist()
        for place, name in enumerate(names):
            channel = -1 if name in batch.schema.categories else self.components.context.channels.of_number(name)
            if channel in chosen:
                kept[left[:, place], chosen.index(channel)] = 0.0
        rest = self.context.fusion.as_in_training(kept, scores.surprise)
        surprise = np.minimum(contexts.features[:, -1], rest)
        return replace(scores, surprise=surprise, extrapolated=surprise > self.context.fusion.seen_until)

    def with_stand_ins(self, batch: Batch, names: Sequence[str]) -> Batch:
        """Records at the entity's usual levels, as the components know them."""
        return self.components.with_stand_ins(batch, names)

    def _inner(self, contexts: Contexts) -> Contexts:
        """The components' own part."""
        return Contexts(contexts.features[:, : self.components.context.width], contexts.seen)

    def _forecasts(self, batch: Batch, contexts: Contexts) -> tuple[Floats, Floats]:
        """What was forecast [N, C], in the records' units, and by how much each channel missed it [N, C]."""
        forecaster, channels = self.context.forecaster, self.components.context.channels
        chosen = forecaster.channels
        tail = contexts.features[:, self.components.context.width + len(self.components.parts) : -2]
        centre = channels.centre[channels.entity_rows(batch.entities)][:, chosen]
        expected = forecaster.unscaled(tail[:, : len(chosen)]) * channels.scale[chosen] + centre
        return np.asarray(expected, np.float32), tail[:, len(chosen) :]

    def ongoing(self, batch: Batch, contexts: Contexts, scores: Scores) -> NDArray[np.float32]:
        """The surprise itself: what was strange lately is in it, and what has ended is soon usual."""
        return scores.surprise

    def budget(self, policy: AlertPolicy) -> Budget:
        """What the policy comes to: by share of records, or by episodes a day, as far as calibration can tell.

        Where no budget is said, at most one record a day of each entity as well.
        """
        one_a_day = float(-np.log10(self.cadence * 1e6 / DAY)) if policy.is_default and self.cadence else 0.0
        return self.pace.budget(policy, self.context.fusion.resolution, one_a_day)

    def threshold(self, policy: AlertPolicy) -> float:
        """The surprise from which records are flagged."""
        return self.budget(policy).threshold

    def state_space(self) -> StateSpace:
        """Its codes of normal records, and which code lies where on the map."""
        return self.components.state_space()

    def map_ground(self) -> MapGround:
        """Where normal records are dense on the map."""
        return self.components.map_ground()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every array of the bundle."""
        return {
            **prefixed("components.", self.components.arrays()),
            **prefixed("forecaster.", self.context.forecaster.arrays()),
            **prefixed("fusion.", self.context.fusion.arrays()),
            **prefixed("pace.", self.pace.arrays()),
            "starts": self.context.starts,
        }

    def meta(self) -> dict[str, Any]:
        """Everything else."""
        return {
            "detector": "forecasts",
            "components": self.components.meta(),
            "forecaster": self.context.forecaster.meta(),
            "fusion": self.context.fusion.meta(),
            "pace": self.pace.meta(),
            "entities": list(self.context.entities),
            "found": list(self.found),
        }

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], bundle: str = "") -> Self:
        """The inverse of `arrays` and `meta`. Raises KeyError for what is missing, ValueError for what does not fit."""
        components = SequenceDetector.from_bundle(below(arrays, "components."), meta["components"], bundle)
        count = components.context.channels.count
        forecaster = Forecaster.from_bundle(below(arrays, "forecaster."), meta["forecaster"], count)
        fusion = Fusion.from_bundle(below(arrays, "fusion."), meta["fusion"], len(forecaster.channels))
        entities = tuple(map(str, meta["entities"]))
        if arrays["starts"].shape != (1 + len(entities), forecaster.state_size + HISTOGRAMS * BINS):
            raise ValueError("the states that forecasts begin with do not fit them")
        return cls(
            context=ForecastContext(components, forecaster, fusion, entities, arrays["starts"]),
            pace=Pace.from_bundle(below(arrays, "pace."), meta["pace"]),
            found=tuple(map(str, meta["found"])),
            bundle=bundle,
        )

    def named(self, bundle: str) -> Self:
        """The same detector under the content hash it was saved as."""
        return replace(self, bundle=bundle)
