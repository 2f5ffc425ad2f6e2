"""Synthetic normal records of a sequence detector: the present record, never a history.

The state model that is sampled from sees a record and its recent past, as the one that judges does; only the record is kept of
what it decodes. A whole context row that was drawn is told from a real one at a glance.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.components.state import code_size
from latentwatch.detector.latent.examples import TrainingPlan
from latentwatch.detector.latent.sampling import LatentSampler, fit_sampler, refuse_to_sample
from latentwatch.detector.sequences.channels import DISCRETE_VALUES, unclip
from latentwatch.detector.sequences.context import SequenceContext, encode
from latentwatch.detector.sequences.recursion import RECENT
from latentwatch.detector.spread import spread_over
from latentwatch.domain.model_choice import ModelKind
from latentwatch.domain.record import Batch, Value

Floats = NDArray[np.float32]

TRAINING_ROWS = 20_000
_STEPS = 3_000


@dataclass(frozen=True, slots=True)
class RecordSampler:
    """Draws records like those of a history, each in the units of an entity drawn from it."""

    sampler: LatentSampler
    context: SequenceContext
    entities: NDArray[np.object_]
    """[N] of the history."""
    span: Floats
    """[2, F] the lowest and the highest of each number in it."""
    steps: tuple[Floats | None, ...]
    """[F] of a number with few values all that it has; None for others."""

    def draw(self, count: int, random: np.random.RandomState) -> tuple[list[dict[str, Value]], NDArray[np.object_]]:
        """Records, and the entity [count] of each. No value is missing."""
        channels = self.context.channels
        drawn = self.sampler.draw(count, random)[:, : channels.count]
        owners = self.entities[random.randint(len(self.entities), size=count)]
        records = channels.values(unclip(drawn) * self.context.levels.spreads, owners, self.span)
        for name, steps in zip(channels.schema.numbers, self.steps, strict=True):
            if steps is None:
                continue
            for record in records:
                value = record[name]
                if isinstance(value, float):
                    record[name] = float(steps[np.abs(steps - value).argmin()])
        return records, owners


def fit_record_sampler(context: SequenceContext, history: Batch, kind: ModelKind, seed: int) -> RecordSampler:
    """Learn from a history of normal records. Raises InvalidInput for kinds that cannot sample."""
    kind = ModelKind.VARIATIONAL if kind in (ModelKind.AUTO, ModelKind.WINDOWED) else kind
    refuse_to_sample(kind)
    features = encode(context, history).features
    rows = np.ascontiguousarray(features[spread_over(len(features), TRAINING_ROWS), : RECENT * context.channels.count])
    plan = TrainingPlan(kind, code_size(rows.shape[1]), judges=0, steps=_STEPS, seed=seed)
    columns = [column[np.isfinite(column)] for column in history.numbers.T]
    span = [(column.min(), column.max()) if len(column) else (0.0, 0.0) for column in columns]
    values = [np.unique(column) for column in columns]
    steps = tuple(one if 0 < len(one) <= DISCRETE_VALUES else None for one in values)
    spread = np.array(span, np.float32).reshape(-1, 2).T
    return RecordSampler(fit_sampler(rows, plan), context, history.entities, spread, steps)
