"""Synthetic normal records that stand alone: columns as normal scores, an autoencoder of those, and back by ranks.

batch [N] -> randomised normal scores [N, F] -> LatentSampler -> drawn scores [n, F] -> values that the columns have shown

Each column becomes standard normal whatever its shape: a value's score is the quantile of its rank, and rows of one value are
spread over its ranks by chance. A category is ranked by frequency; a missing value is a value too, and comes out as often.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.latent.examples import Floats, TrainingPlan
from latentwatch.detector.latent.sampling import LatentSampler, fit_sampler, refuse_to_sample
from latentwatch.detector.spread import spread_over
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.model_choice import ModelKind
from latentwatch.domain.record import Batch, Value, values_of
from latentwatch.domain.schema import RecordSchema

_TRAINING_ROWS = 20_000
_STEPS = 3_000
_HIDDEN, _LAYERS = 128, 2


@dataclass(frozen=True, slots=True)
class RowSampler:
    """Draws records like those of a table."""

    sampler: LatentSampler
    schema: RecordSchema
    numbers: Floats
    """[N, numbers] each column sorted, missing values last."""
    words: tuple[tuple[str | None, ...], ...]
    """[categories][N] each column in the order of its scores."""
    entities: NDArray[np.object_]

    def draw(self, count: int, random: np.random.RandomState) -> tuple[list[dict[str, Value]], NDArray[np.object_]]:
        """Records, and the entity [count] of each, which says nothing about the record."""
        from scipy.special import ndtr

        scores = self.sampler.draw(count, random)
        size = len(self.entities)
        ranks = np.clip((ndtr(scores) * size).astype(np.intp), 0, size - 1)
        width = self.numbers.shape[1]
        numbers = np.take_along_axis(self.numbers, ranks[:, :width], axis=0)
        words = {
            name: [column[rank] for rank in ranks[:, width + at].tolist()]
            for at, (name, column) in enumerate(zip(self.schema.categories, self.words, strict=True))
        }
        return values_of(self.schema, numbers, words), self.entities[random.randint(size, size=count)]


def fit_row_sampler(history: Batch, kind: ModelKind, seed: int) -> RowSampler:
    """Learn from normal records. Raises InvalidInput for kinds that cannot sample, and for text, which nothing can draw."""
    kind = ModelKind.VARIATIONAL if kind is ModelKind.AUTO else kind
    refuse_to_sample(kind)
    if history.schema.texts:
        raise InvalidInput(f"text cannot be sampled; leave {', '.join(history.schema.texts)} out of the columns")
    history = history.take(spread_over(len(history), _TRAINING_ROWS))
    random = np.random.default_rng(seed)
    orders = [*map(_rank_of_frequency, history.categories.T)]
    columns = [*history.numbers.T, *orders]
    scores = np.stack([normal_scores(column, random) for column in columns], axis=1).astype(np.float32)
    plan = TrainingPlan(
        kind,
        code=int(np.clip(scores.shape[1] // 2, 2, 16)),
        judges=0,
        hidden=_HIDDEN,
        layers=_LAYERS,
        noise_by_record=True,
        steps=_STEPS,
        seed=seed,
    )
    words = tuple(
        tuple(column[np.argsort(order, kind="stable")].tolist())
        for column, order in zip(history.categories.T, orders, strict=True)
    )
    return RowSampler(
        fit_sampler(scores, plan), history.schema, np.sort(history.numbers, axis=0), words, history.entities
    )


def normal_scores(column: NDArray[np.floating], random: np.random.Generator) -> NDArray[np.float64]:
    """[N] quantiles of N(0, 1) at the ranks of a column [N], missing values last; ties take their ranks by chance."""
    from scipy.special import ndtri

    ranks = np.empty(len(column), np.intp)
    ranks[np.lexsort((random.random(len(column)), column))] = np.arange(len(column))
    return np.asarray(ndtri((ranks + 0.5) / len(column)), np.float64)


def _rank_of_frequency(words: NDArray[np.object_]) -> NDArray[np.float64]:
    """[N] 0 for the most frequent word of a column [N], a missing one being a word too."""
    named = np.array(["" if word is None else f"={word}" for word in words.tolist()])
    _, inverse, counts = np.unique(named, return_inverse=True, return_counts=True)
    rank = np.empty(len(counts))
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return rank[inverse]
