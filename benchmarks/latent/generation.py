"""Whether sampled records can be told from real ones, and whether they only repeat training records.

Real ones were not trained on, and are of the same time: later ones are told from training records at a glance.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors

from benchmarks.latent.decoding import COMPARED, told_apart
from benchmarks.latent.halves import as_batch
from benchmarks.latent.rigs import Rigs
from benchmarks.quality.datasets import clean_split
from latentwatch.detector.latent.sampling import COMPONENTS
from latentwatch.detector.rows.sampling import fit_row_sampler, normal_scores
from latentwatch.detector.sequences.channels import Channels
from latentwatch.detector.sequences.detector import SequenceDetector
from latentwatch.detector.sequences.sampling import TRAINING_ROWS, fit_record_sampler
from latentwatch.detector.spread import spread_over
from latentwatch.domain.model_choice import ModelKind

Floats = NDArray[np.float64]

TABLES = (
    "47_yeast",
    "7_Cardiotocography",
    "41_Waveform",
    "27_PageBlocks",
    "19_landsat",
    "23_mammography",
    "1_ALOI",
    "35_SpamBase",
)


@dataclass(frozen=True, slots=True)
class MixtureOfRecords:
    """What a latent space has to be as good as: a mixture of Gaussians over the records' own normal scores."""

    mixture: Any

    def draw(self, count: int, random: np.random.RandomState) -> Floats:
        """[count, F] in random order."""
        return np.asarray(self.mixture.sample(count)[0][random.permutation(count)], np.float64)


def measure_plant_samples(rigs: Rigs, detector: SequenceDetector, days: int, seed: int) -> dict[str, float]:
    """Of the plant: sensors, each by its entity's level and its own scale."""
    history, random = rigs.days(0, days), np.random.RandomState(seed)
    sampler = fit_record_sampler(detector.context, history, ModelKind.AUTO, seed)
    learned = np.zeros(len(history), bool)
    learned[spread_over(len(history), TRAINING_ROWS)] = True
    records, owners = sampler.draw(COMPARED, random)
    names, channels = history.schema.numbers, detector.context.channels
    values = np.array([[record[name] for name in names] for record in records], np.float64)
    held = history.take(random.permutation(np.flatnonzero(~learned))[:COMPARED])
    known = history.take(random.permutation(np.flatnonzero(learned))[:COMPARED])
    made = _by_level(channels, values, owners)
    real, trained = (_by_level(channels, batch.numbers.astype(np.float64), batch.entities) for batch in (held, known))
    return {
        "variational_auc_plant": told_apart(real, made, seed),
        "nearest_plant": nearest_ratio(trained, real, made),
    }


def _by_level(channels: Channels, numbers: Floats, entities: NDArray[np.object_]) -> Floats:
    width = numbers.shape[1]
    scale = channels.scale[:width]
    centred = (numbers - channels.centre[channels.entity_rows(entities)][:, :width])[:, scale > 0]
    return np.asarray(np.nan_to_num(centred / scale[scale > 0]), np.float64)


def measure_table_samples(folder: Path, table: str, seed: int) -> dict[str, float]:
    """Of a table of normal records: half are learned from, the other half is real."""
    split = clean_split(folder, table, seed)
    # Both as the detector stores numbers: in double precision real values would be told by their last digits.
    batch, held = as_batch(split.train), as_batch(split.test[~split.truth][:COMPARED])
    real = held.numbers.astype(np.float64)
    sampler, random = fit_row_sampler(batch, ModelKind.AUTO, seed), np.random.default_rng(seed)
    scores = np.stack([normal_scores(column, random) for column in batch.numbers.T], axis=1)
    mixture = GaussianMixture(min(COMPONENTS, max(1, len(scores) // 20)), reg_covar=1e-4, random_state=seed)
    rival: Any = MixtureOfRecords(mixture.fit(scores))
    made, mixed = (
        np.array([list(record.values()) for record in one.draw(len(real), np.random.RandomState(seed))[0]], np.float64)
        for one in (sampler, replace(sampler, sampler=rival))
    )
    return {
        "variational_auc": told_apart(real, made, seed),
        "mixture_auc": told_apart(real, mixed, seed),
        "nearest": nearest_ratio(split.train, real, made),
    }


def nearest_ratio(trained: Floats, real: Floats, made: Floats) -> float:
    """Mean distance of made rows to the nearest training row, of that of real rows; far below 1 they are copies."""
    near = NearestNeighbors(n_neighbors=1).fit(trained)
    return float(near.kneighbors(made)[0].mean() / near.kneighbors(real)[0].mean())
