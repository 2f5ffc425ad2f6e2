"""Records in, a row detector out: features, model, then calibration on anomaly scores out of sample.

Batch -> FittedRecords -> RowDetector
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.array_prefixes import below, prefixed
from latentwatch.detector.cadence import cadence_of, recurring_gap_of
from latentwatch.detector.components.component import Progress
from latentwatch.detector.entities import rows_by_entity
from latentwatch.detector.lately import Lately, compared_in_words, memory_of
from latentwatch.detector.latent.examples import Landmarks
from latentwatch.detector.rows.blocks import fit_in_blocks
from latentwatch.detector.rows.cascade import fit_cascade
from latentwatch.detector.rows.detector import RowDetector
from latentwatch.detector.rows.features import Features, fit_features
from latentwatch.detector.rows.fitting import FittedRows, fit_rows
from latentwatch.detector.rows.model import GLANCE, STUDY, AnomalyScores, Work, join
from latentwatch.detector.rows.normal_records import keep_normal
from latentwatch.detector.rows.relations import fit_relations
from latentwatch.detector.rows.row_map import RowMap, map_rows
from latentwatch.detector.rows.usual_scores import ENOUGH, UsualScores, medians
from latentwatch.detector.spread import spread_over
from latentwatch.domain.model_choice import ModelChoice, ModelKind
from latentwatch.domain.record import Batch

ENOUGH_TO_CALIBRATE = 1_000
"""Calibration records from which they alone say what is normal; with fewer, out-of-fold training records say it with them."""
ENOUGH_RECORDS = 1_300
"""A history so long leaves as many to learn from, once a fifth of it is held out with a gap before."""
MICROSECONDS_PER_DAY = 86_400e6


@dataclass(frozen=True, slots=True)
class FittedRecords:
    """A row model trained on records, not calibrated yet; can be put aside like a bundle."""

    features: Features
    rows: FittedRows
    chosen: NDArray[np.intp]
    """[N] which of the records it looked at, in order."""
    choice: ModelChoice
    map: RowMap
    records_per_day: float
    cadence: float = 0.0
    """Seconds between the records of an entity; 0 where they do not come regularly."""
    entities: int = 1
    """How many there were."""
    recurring_gap: float = 0.0
    """Seconds of the longest pause between the records of an entity that is usual; 0 where there is none."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every array."""
        return {
            "chosen": self.chosen,
            **prefixed("features.", self.features.arrays()),
            **prefixed("rows.", self.rows.arrays()),
            **prefixed("map.", self.map.arrays()),
        }

    def meta(self) -> dict[str, Any]:
        """Everything else."""
        return {
            "detector": "fitted rows",
            "features": self.features.meta(),
            "model": self.rows.model.meta(),
            "choice": self.choice.model_dump(mode="json"),
            "map": self.map.meta(),
            "records_per_day": self.records_per_day,
            "cadence": self.cadence,
            "entities": self.entities,
            "recurring_gap": self.recurring_gap,
        }

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], bundle: str = "") -> Self:
        """The inverse of `arrays` and `meta`."""
        features = Features.from_bundle(below(arrays, "features."), meta["features"])
        choice = ModelChoice.model_validate(meta["choice"])
        rows = FittedRows.from_bundle(below(arrays, "rows."), meta["model"], len(features.owners), choice.seed)
        shape = (rows.model.normal.width, rows.model.coded.code_size)
        return cls(
            features,
            rows,
            arrays["chosen"],
            choice,
            RowMap.from_bundle(below(arrays, "map."), meta["map"], features.schema, shape),
            float(meta["records_per_day"]),
            float(meta.get("cadence", 0.0)),
            int(meta.get("entities", 1)),
            float(meta.get("recurring_gap", 0.0)),
        )


def fit_records(
    batch: Batch, choice: ModelChoice, progress: Progress, before: RowDetector | None = None
) -> FittedRecords:
    """Train on normal records, at least one. Records like those of the version `before` keep their places on the map."""
    features = fit_features(batch, choice.seed)
    held = None if before is None else before.map.held(before.schema, features)
    fitted, chosen = fit_rows(features.transform(batch), features, choice, progress, held)
    landmarks = None if held is None else Landmarks(fitted.model.prepare(held.rows)[0], held.codes)
    codes = fitted.model.coded.codes(fitted.values)
    places = map_rows(batch.take(chosen), fitted.values, codes, None if before is None else before.map, landmarks)
    span = float(np.ptp(batch.times)) / MICROSECONDS_PER_DAY
    daily = len(batch) / span if span > 0 else 0.0
    entities = len(rows_by_entity(batch.entities))
    cadence = cadence_of(batch.times, batch.entities)
    gap = recurring_gap_of(batch.times, batch.entities)
    return FittedRecords(features, fitted, chosen, choice, places, daily, cadence, entities, gap)


def calibrate_records(
    fitted: FittedRecords, trained_on: Batch, calibration: Batch, *, remembers: bool = False
) -> RowDetector:
    """Calibrate on records that training did not see, or, where they are few, on its own out of fold as well.

    Folds are drawn at random. Where a record `remembers` those just before it, and with them teaches what judges the next, each is
    judged by a model fitted without its block of time; of few records blocks promise nothing, and the promise is taken from
    what was lately.
    """
    model, rows = fitted.rows.model, fitted.rows
    fresh = model.prepare(fitted.features.transform(calibration)) if len(calibration) else None
    later = 0 if fresh is None else len(fresh[0])
    present = rows.present if len(rows.present) == 1 else rows.present[rows.kept]
    own = len(rows.values) if later < ENOUGH_TO_CALIBRATE else 0
    few = own + later < ENOUGH_TO_CALIBRATE
    blocked = fit_in_blocks(trained_on.take(fitted.chosen), fitted.choice) if remembers and own and not few else None

    def judge(work: Work, chosen: NDArray[np.intp]) -> AnomalyScores:
        mine = chosen[chosen < own]
        parts = [blocked.judge(work, mine) if blocked else rows.out_of_fold(work, mine)] if own else []
        if fresh is not None:
            values, there = fresh
            at = chosen[chosen >= own] - own
            met = model.meet(values[at], there if len(there) == 1 else there[at], work)
            parts.append(model.judge(met.as_new()))
        return join(parts)

    def judge_learned(work: Work, places: NDArray[np.intp]) -> AnomalyScores:
        at = rows.kept[places]
        return model.judge(model.meet(rows.values[at], present if len(present) == 1 else present[places], work))

    cascade = fit_cascade(fitted.choice.effort, (own + later, judge), (len(rows.kept), judge_learned))
    lately = _lately_of(fitted, own + later) if remembers and few else None
    kind = ModelKind.VARIATIONAL if fitted.choice.kind is ModelKind.AUTO else fitted.choice.kind
    return RowDetector(
        features=fitted.features,
        model=model,
        cascade=cascade,
        normal=keep_normal(trained_on.take(fitted.chosen[rows.kept])),
        map=fitted.map,
        relations=fit_relations(model.normal.rows, fitted.features),
        usual=_usual_scores(rows, STUDY if cascade.studies else GLANCE),
        kind=kind.value,
        records_per_day=fitted.records_per_day,
        cadence=fitted.cadence,
        entities=fitted.entities,
        recurring_gap=fitted.recurring_gap,
        lately=lately,
        notes=() if lately is None else (_until_in_words(fitted, trained_on),),
    )


def _lately_of(fitted: FittedRecords, calibrated_by: int) -> Lately:
    """What is remembered of an entity; the promise weighs a quarter of the records that taught it."""
    return Lately(memory_of(fitted.records_per_day / fitted.entities), prior=calibrated_by / 4)


def _until_in_words(fitted: FittedRecords, trained_on: Batch) -> str:
    return compared_in_words(ENOUGH_RECORDS, ENOUGH_RECORDS / fitted.records_per_day, int(trained_on.times.min()))


def _usual_scores(rows: FittedRows, work: Work) -> UsualScores:
    """Of some of the rows that the memory holds: out of fold, as new rows are judged, and as they are when they come again."""
    model, some = rows.model, rows.kept[spread_over(len(rows.kept), ENOUGH)]
    present = rows.present if len(rows.present) == 1 else rows.present[some]
    again = model.anomaly_scores(model.meet(rows.values[some], present, work))
    by_fold = some[np.argsort(rows.folds[some], kind="stable")]  # those of one member are asked together
    return UsualScores(medians(rows.scores_out_of_fold(work, by_fold), model.scores), medians(again, model.scores))
