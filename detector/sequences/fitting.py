"""History becomes a sequence detector: channels, context, components, calibration. The training side.

Folds are blocks of time: each is scored by what saw neither it nor its neighbourhood, and those scores, pooled, are what
normal looks like out of sample. Then everything but the judges of the state model is fitted again on all rows. What that knows
more than what scored a fold is taken from what people are promised: see `as_if_fresh`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.array_prefixes import below, prefixed
from latentwatch.detector.components.block_density import PROTOTYPES
from latentwatch.detector.components.component import Progress
from latentwatch.detector.components.context_rows import TrainingRows, score_out_of_fold
from latentwatch.detector.components.folds import FOLDS, time_blocks
from latentwatch.detector.components.prototypes import fit_prototypes
from latentwatch.detector.entities import entity_numbers
from latentwatch.detector.recipes import SEQUENCE
from latentwatch.detector.sequences.carried_basis import carried_basis
from latentwatch.detector.sequences.channels import Channels, fit_channels
from latentwatch.detector.sequences.context import PATCHES, SequenceContext, encode, fit_context
from latentwatch.detector.sequences.detector import SequenceDetector
from latentwatch.detector.sequences.encoded_history import EncodedHistory, learn_charts, read_again
from latentwatch.detector.sequences.followed_levels import drifts, growth_of_levels
from latentwatch.detector.sequences.model import SequenceModel, fit_model
from latentwatch.detector.sequences.novelty import Novelty, fit_novelty
from latentwatch.detector.sequences.pace import fit_pace
from latentwatch.detector.sequences.promise import HistoryScores, as_if_fresh, calibrate_together
from latentwatch.detector.sequences.reference_records import remember
from latentwatch.detector.sequences.warm_up import WarmUp, measure_warm_up
from latentwatch.domain.errors import InvalidHistory
from latentwatch.domain.model_choice import ModelChoice, ModelKind
from latentwatch.domain.record import Batch
from latentwatch.domain.schema import RecordSchema

Floats = NDArray[np.float32]

FEWEST_RECORDS = 30


@dataclass(frozen=True, slots=True)
class FittedSequences:
    """A sequence model trained on records, not calibrated yet; can be put aside like a bundle."""

    context: SequenceContext
    model: SequenceModel
    choice: ModelChoice
    encoded: EncodedHistory | None = field(default=None, repr=False, compare=False)
    """What it was trained on, so that calibration need not read it again; not stored."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every array."""
        return {**prefixed("context.", self.context.arrays()), **self.model.arrays()}

    def meta(self) -> dict[str, Any]:
        """Everything else."""
        return {
            "detector": "fitted sequences",
            "schema": self.context.channels.schema.model_dump(mode="json"),
            "context": self.context.meta(),
            "choice": self.choice.model_dump(mode="json"),
        }

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], bundle: str = "") -> Self:
        """The inverse of `arrays` and `meta`."""
        schema = RecordSchema.model_validate(meta["schema"])
        of_context = below(arrays, "context.")
        channels = Channels.from_bundle(schema, of_context, meta["context"])
        context = SequenceContext.from_bundle(channels, of_context, meta["context"])
        choice = ModelChoice.model_validate(meta["choice"])
        return cls(context, SequenceModel.from_bundle(arrays, context.layout), choice)


def fit_sequences(
    history: Batch,
    choice: ModelChoice,
    window: int,
    progress: Progress | None = None,
    replaced: SequenceDetector | None = None,
) -> FittedSequences:
    """Train on normal records, each entity's in order of time. `window` is W in records, at least 2.

    `replaced` is the version that serves now: its landmarks keep their places in the latent space. Raises InvalidHistory where there are too few records, or text among them.
    """
    if history.schema.texts:
        raise InvalidHistory(
            f"text is read only where each record is scored on its own: set 'window: 1', "
            f"or leave {', '.join(history.schema.texts)} out of the features"
        )
    if len(history) < FEWEST_RECORDS:
        raise InvalidHistory(
            f"{len(history)} records are too few to learn a sequence from; at least {FEWEST_RECORDS} are needed"
        )
    tell = progress or (lambda _stage, _share: None)
    tell("reading context", 0.0)
    channels = fit_channels(history)
    patches = 0 if choice.effort == "light" and choice.kind is not ModelKind.WINDOWED else PATCHES
    window = max(2, window)
    follows = _drifts(channels, history, window, choice.seed) if choice.follow_drift == "auto" else choice.follow_drift
    untold = fit_context(channels, history, window, patches, follows=follows)
    encoded = learn_charts(untold, history)
    if replaced is not None:
        encoded = encoded.keeping(carried_basis(replaced.model.coded.basis, replaced.context, encoded.context))
    tell("fitting the components", 0.1)
    model = fit_model(encoded.rows, choice, lambda step, share: tell(step, 0.2 + 0.8 * share))
    return FittedSequences(encoded.context, model, choice, encoded)


def calibrate_sequences(fitted: FittedSequences, history: Batch) -> tuple[SequenceDetector, Floats]:
    """Calibrate on the N records that it was fitted on, each fold scored by what did not learn from it; and the surprises [N]
    that these gave."""
    model, context, choice = fitted.model, fitted.context, fitted.choice
    encoded = fitted.encoded if fitted.encoded and fitted.encoded.history is history else read_again(context, history)
    warm_up = measure_warm_up(model, context, history, entity_numbers(history))
    novelty = fit_novelty(model.layout, encoded.rows.features)
    calibration, fused = calibrate_together(judge_history(fitted, encoded, warm_up, novelty))
    surprise = calibration.composite.surprise(fused)
    detector = SequenceDetector(
        schema=history.schema,
        context=context,
        model=model,
        warm_up=warm_up,
        novelty=novelty,
        calibration=calibration,
        memory=remember(model, context, history, encoded.rows.features),
        pace=fit_pace(history.times, entity_numbers(history), surprise),
        kind=(ModelKind.VARIATIONAL if choice.kind is ModelKind.AUTO else choice.kind).value,
    )
    return detector, surprise


def judge_history(fitted: FittedSequences, encoded: EncodedHistory, warm_up: WarmUp, novelty: Novelty) -> HistoryScores:
    """Score the history it was fitted on, each fold by what did not learn from it."""
    model, rows = fitted.model, encoded.rows
    entities = int(entity_numbers(encoded.history).max()) + 1
    brevity = fitted.context.spans[-1] / (len(encoded.history) / (FOLDS * entities))
    out_of_fold = model.out_of_fold(rows, fitted.choice.seed)
    learned = {name: component.learned for component, _ in SEQUENCE.weighted for name in component.scores}
    fresh = as_if_fresh(out_of_fold, model.in_sample(rows), learned, brevity)
    return HistoryScores(
        warm_up.settle(out_of_fold, encoded.seen),
        warm_up.settle(fresh, encoded.seen),
        novelty.surprise(model.layout, rows.features, encoded.standstill),
        rows.folds,
        brevity,
    )


def _drifts(channels: Channels, history: Batch, window: int, seed: int) -> bool:
    """Whether levels drift so that following them pays; see `following.drifts`."""
    fixed, followed = (fit_context(channels, history, window, follows=follows) for follows in (False, True))
    graded = channels.transform(history)[0][:, followed.levels.rates > 0]
    return drifts(
        growth_of_levels(graded, entity_numbers(history)),
        lambda: (_strangeness_of_unseen(fixed, history, seed), _strangeness_of_unseen(followed, history, seed)),
    )


def _strangeness_of_unseen(context: SequenceContext, history: Batch, seed: int) -> float:
    """By how much a fold looks stranger to a density of records and their averages that did not learn from it: mean log distance."""
    folds, inner = time_blocks(entity_numbers(history), 4 * context.window)
    features = encode(context, history).features
    rows = TrainingRows(features, context.layout, folds, inner, np.zeros((len(history), 0), np.float32))
    seen = context.layout.recent(features, 3)
    scores = score_out_of_fold(
        rows, lambda part: context.layout.recent(part, 3), lambda part: fit_prototypes(part, PROTOTYPES, seed)
    )
    unseen = sum(float(scores[rows.within(fold)].sum()) for fold in range(FOLDS))
    return unseen / len(scores) - float(fit_prototypes(seen, PROTOTYPES, seed).anomaly_score(seen).mean())
