"""The detector of records scored on their own: features, model, cascade and calibration as one.

Batch -> Scores; numpy and compiled loops only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.budget import Budget
from latentwatch.detector.interface import ContextEncoder, Contexts, MapGround
from latentwatch.detector.lately import Lately
from latentwatch.detector.latent.state_space import StateSpace
from latentwatch.detector.rows.cascade import Cascade
from latentwatch.detector.rows.explanation import explain_rows
from latentwatch.detector.rows.features import Features
from latentwatch.detector.rows.lately_context import LatelyContext
from latentwatch.detector.rows.model import GLANCE, STUDY, RowModel
from latentwatch.detector.rows.neutral import deviations, neutral
from latentwatch.detector.rows.normal_records import Normal
from latentwatch.detector.rows.relations import RowRelations
from latentwatch.detector.rows.row_map import RowMap
from latentwatch.detector.rows.usual_scores import UsualScores
from latentwatch.detector.surprise_parts import parts_of
from latentwatch.domain.errors import BundleRefused
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.record import Batch, Value
from latentwatch.domain.schema import RecordSchema
from latentwatch.domain.scores import AGAINST_TRAINING, Explanation, Scores

Floats: TypeAlias = NDArray[np.float32]
SECONDS_PER_DAY = 86_400.0


class NoContext:
    """The context of a record scored on its own: none."""

    state_size = 0
    width = 0
    warm_after = 0

    def fresh(self, entities: Sequence[str]) -> Floats:
        return np.zeros((len(entities), 0), np.float32)

    def extend(self, states: Floats, owners: NDArray[np.intp], batch: Batch) -> Contexts:
        return Contexts(np.zeros((len(batch), 0), np.float32), np.zeros(len(batch), np.int64))

    def adopt(self, states: Floats, previous: object) -> Floats | None:
        return np.zeros((len(states), 0), np.float32)


@dataclass(frozen=True)
class RowDetector:
    """A trained and calibrated row model. Immutable and thread-safe."""

    features: Features
    model: RowModel
    cascade: Cascade
    normal: Normal
    """The memory's records as they were."""
    map: RowMap
    relations: RowRelations
    usual: UsualScores
    kind: str
    records_per_day: float
    """How many records the whole stream had a day in training; 0 where that is not known."""
    bundle: str = ""
    cadence: float = 0.0
    """Seconds between the records of an entity; 0 where training did not see them come regularly."""
    entities: int = 1
    """How many there were in training."""
    recurring_gap: float = 0.0
    """Seconds of the longest pause between an entity's records that is usual; 0 where there is none."""
    lately: Lately | None = None
    """By which the promise is kept where records are like those before them and the history is too short to promise by."""
    notes: tuple[str, ...] = ()
    """What training found, in sentences."""
    follows_drift = False

    @property
    def context(self) -> ContextEncoder:
        """None, but where the promise is taken from what was lately."""
        if self.lately is None:
            return NoContext()
        return LatelyContext(self.lately, lambda batch: self._scored_alone(batch).surprise)

    @property
    def schema(self) -> RecordSchema:
        """What its records look like."""
        return self.features.schema

    def reading(self, schema: RecordSchema) -> Self:
        """The same detector of records whose fields stand elsewhere: features of the same names and types in this order."""
        return replace(self, features=replace(self.features, schema=schema), bundle="")

    def score(self, batch: Batch, contexts: Contexts) -> Scores:
        """Calibrated scores of N records."""
        scores = self._scored_alone(batch)
        return scores if self.lately is None else _as_rare_as(scores, contexts.features[:, 0], self.lately)

    def _scored_alone(self, batch: Batch) -> Scores:
        return self.cascade.score(self.model, *self.model.prepare(self.features.transform(batch)))

    def explain(self, batch: Batch, contexts: Contexts, scores: Scores) -> list[Explanation]:
        """Why each record scored as it did."""
        values, present = self.model.prepare(self.features.transform(batch))
        met = self.model.meet(values, present, STUDY)
        judged = met if self.cascade.studies else self.model.meet(values, present, GLANCE)
        parts = parts_of(scores.surprise, self.usual.addends(self.model, judged))
        return explain_rows(self.features, self.model, self.relations, self.normal, self.map, batch, met, scores, parts)

    def codes(self, batch: Batch, contexts: Contexts) -> NDArray[np.float32]:
        """[N, K] latent codes of the records themselves."""
        values, _ = self.model.prepare(self.features.transform(batch))
        return self.model.coded.codes(values)

    def decoded(self, codes: NDArray[np.float32]) -> list[dict[str, Value]]:
        """The mean record at each code [N, K], at the level that all entities have in common; None for texts. Raises ValueError
        where codes are not of K numbers."""
        coded = self.model.coded
        if codes.ndim != 2 or codes.shape[1] != coded.code_size:
            raise ValueError(f"codes must be of {coded.code_size} columns, not of shape {codes.shape}")
        rows = coded.decode(np.asarray(codes, np.float32)) * self.model.divisor
        return self.features.read(rows.astype(np.float64), np.full(len(codes), "", object))

    def deviations(self, batch: Batch, contexts: Contexts, names: Sequence[str]) -> NDArray[np.float64]:
        """[N, K] how far numbers lie from what the other features predict, in their own units."""
        return deviations(self.model, self.features, batch, names)

    def score_without(self, batch: Batch, contexts: Contexts, names: Sequence[str], left: NDArray[np.bool_]) -> Scores:
        """Scores as if the numbers left out, [N, K], were as the others predict; what was rare lately is not asked anew."""
        scores = self.cascade.score(self.model, *neutral(self.model, self.features, batch, names, left))
        if self.lately is None:
            return scores
        return _as_rare_as(scores, np.minimum(scores.surprise, contexts.features[:, 0]), self.lately)

    def with_stand_ins(self, batch: Batch, names: Sequence[str]) -> Batch:
        """0 where a number is missing: the score without it asks only that it is there, and nothing of words and texts."""
        chosen = np.isin(batch.schema.numbers, names)
        return batch.with_numbers(np.where(chosen & np.isnan(batch.numbers), np.float32(0.0), batch.numbers))

    def ongoing(self, batch: Batch, contexts: Contexts, scores: Scores) -> NDArray[np.float32]:
        """The surprise itself: what was rare lately is in it, and records that stand alone remember nothing."""
        return scores.surprise

    def budget(self, policy: AlertPolicy) -> Budget:
        """What the policy comes to, as far as calibration can tell.

        Records are alone, so that each flagged one is counted as an alert; a budget per day needs the stream's rate, and counts on
        one record a second where training data had no times.
        """
        daily = self.records_per_day if self.records_per_day > 0 else SECONDS_PER_DAY
        resolution = self.cascade.new.resolution if self.lately is None else self.lately.resolution
        asked = None if policy.false_alarm_rate is not None else policy.daily_budget(self.entities)
        rate = policy.false_alarm_rate or 0.0
        if asked is not None:
            rate = min(0.5, policy.highest_rate, max(asked / daily, 10.0**-resolution))
        promised = rate * daily if self.records_per_day > 0 else None
        return Budget(float(-np.log10(rate)), self.entities, asked, promised, resolution)

    def threshold(self, policy: AlertPolicy) -> float:
        """The surprise from which normal records are flagged as rarely as the policy asks."""
        return self.budget(policy).threshold

    def state_space(self) -> StateSpace:
        """Its codes of normal records, and which code lies where on the map."""
        return StateSpace(self.map.basis)

    def map_ground(self) -> MapGround:
        """Where normal records are dense on the latent map."""
        return self.map.shown()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores as weights."""
        named = {
            "features": self.features.arrays(),
            "model": self.model.arrays(),
            "cascade": self.cascade.arrays(),
            "normal": self.normal.arrays(),
            "map": self.map.arrays(),
            "relations": self.relations.arrays(),
            "usual": self.usual.arrays(),
        }
        return {f"{part}.{name}": array for part, arrays in named.items() for name, array in arrays.items()}

    def meta(self) -> dict[str, Any]:
        """What a bundle stores as JSON."""
        return {
            "detector": "rows",
            "kind": self.kind,
            "records_per_day": self.records_per_day,
            "cadence": self.cadence,
            "entities": self.entities,
            "recurring_gap": self.recurring_gap,
            "lately": None if self.lately is None else [self.lately.memory, self.lately.prior],
            "notes": list(self.notes),
            "features": self.features.meta(),
            "model": self.model.meta(),
            "cascade": self.cascade.meta(),
            "normal": self.normal.meta(),
            "map": self.map.meta(),
        }

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], bundle: str = "") -> Self:
        """The inverse of `arrays` and `meta`. Raises BundleRefused where they do not fit each other."""
        part: dict[str, dict[str, NDArray[Any]]] = {}
        for name, array in arrays.items():
            half, _, rest = name.partition(".")
            part.setdefault(half, {})[rest] = array
        features = Features.from_bundle(part["features"], meta["features"])
        model = RowModel.from_bundle(part["model"], meta["model"], len(features.owners))
        normal = Normal.from_bundle(part["normal"], meta["normal"], features.schema)
        if len(normal) != len(model.normal.rows):
            raise BundleRefused("the memory and its records differ in number; the bundle is damaged: train again")
        return cls(
            features,
            model,
            Cascade.from_bundle(part["cascade"], meta["cascade"], model.alone),
            normal,
            RowMap.from_bundle(part["map"], meta["map"], features.schema, (model.normal.width, model.coded.code_size)),
            RowRelations.from_bundle(part["relations"], len(features.owners)),
            UsualScores.from_bundle(part["usual"], model.scores),
            str(meta["kind"]),
            float(meta["records_per_day"]),
            bundle,
            float(meta.get("cadence", 0.0)),  # bundles of before cadence was told
            int(meta.get("entities", 1)),
            float(meta.get("recurring_gap", 0.0)),
            _lately_of(meta.get("lately")),
            tuple(map(str, meta.get("notes", ()))),
        )


def _as_rare_as(scores: Scores, surprise: Floats, lately: Lately) -> Scores:
    """Scores whose surprise is how rare it was lately; what it is against training is told beside it."""
    told = {**scores.components, AGAINST_TRAINING: scores.surprise}
    rare = np.ascontiguousarray(surprise)
    return replace(scores, surprise=rare, components=told, extrapolated=rare > lately.resolution)


def _lately_of(told: list[float] | None) -> Lately | None:
    return None if told is None else Lately(float(told[0]), prior=float(told[1]))
