"""Synthetic streams: records that follow one another as an entity's do.

history -> codes of an autoencoder and what it leaves of each record -> a path through the codes, one through what is left -> decoded
codes + what is left -> records in the entity's units

Both paths are made of steps that the entity made, each from a state like the one that the stream is in. As they go their own
ways, no record is a copy. Words, values of few kinds and gaps come with the path through the codes.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from latentwatch.detector.latent.examples import Examples, TrainingPlan
from latentwatch.detector.latent.networks import Autoencoder
from latentwatch.detector.latent.sampling import refuse_to_sample
from latentwatch.detector.latent.state_model import Standardised, standardised_by
from latentwatch.detector.latent.training import train_autoencoder
from latentwatch.detector.sequences.channels import DISCRETE_VALUES
from latentwatch.detector.sequences.matched_blocks import FEWEST_RECORDS, Path, StateTrack, beside, bridged, draw_path
from latentwatch.detector.spread import spread_over
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.model_choice import ModelKind
from latentwatch.domain.record import Batch

Floats = NDArray[np.float32]

_MOST_RECORDS = 40_000
"""Of an entity, its latest: how levels drift over longer is none of a stream's own memory."""
_TRAINING_ROWS = 20_000
_STEPS, _HIDDEN = 2_000, 64
_MOST_WORDS = 20
"""Of a category that the autoencoder sees, its most frequent."""
_HELD = 0.05
"""Share of steps without change from which on a sensor is taken to hold its last value between its own readings."""
_NOISE_ROWS = 7
"""What an autoencoder leaves of records is noise as far as it changes within so many."""
_MOST_DECIMALS = 4


@dataclass(frozen=True, slots=True)
class _EntityHistory:
    """What one entity went through."""

    records: Batch
    level: NDArray[np.float64]
    """[F] the median of each number."""
    codes: Floats
    """[N, K] of the records without their noise."""
    left: Floats
    """[N, D] what the decoded codes leave of the standardised records without their noise."""
    noise: Floats
    """[N, D] what changes from record to record."""
    words: NDArray[np.intp]
    """[N] a number for each record's words and values of few kinds."""


@dataclass(frozen=True, slots=True)
class StreamSampler:
    """Draws streams of the entities that it learned from."""

    standardised: Standardised
    network: Autoencoder
    known: dict[str, _EntityHistory]
    few: NDArray[np.bool_]
    """[F] numbers with few values."""
    scale: NDArray[np.float64]
    """[F] spread of each number within an entity."""

    def draw(self, entity: str, count: int, random: np.random.RandomState) -> Batch:
        """So many records of an entity, in time from where its history ends."""
        known = self.known[entity]
        states = StateTrack(known.codes, known.words, known.records.times)
        path = draw_path(states, count, random)
        with torch.no_grad():
            decoded = self.network.decode(torch.from_numpy(bridged(known.codes, path, states.block // 2))[None])[0][0]
        standing = decoded.numpy() + bridged(known.left, path, states.block // 2)
        standing += known.noise[beside(states, path, random)]
        width = len(self.scale)
        drawn = self.standardised.back(standing)[:, :width] * self.scale + known.level
        return _as_recorded(known.records, drawn, path, self.few)


def fit_stream_sampler(history: Batch, kind: ModelKind, seed: int) -> StreamSampler:
    """Learn from normal records in time. Raises InvalidInput for kinds that cannot sample, and where every entity has fewer
    than FEWEST_RECORDS."""
    refuse_to_sample(kind)
    owned = {str(name): np.flatnonzero(history.entities == name) for name in np.unique(history.entities.astype(str))}
    owned = {name: rows[-_MOST_RECORDS:] for name, rows in owned.items() if len(rows) >= FEWEST_RECORDS}
    if not owned:
        raise InvalidInput(f"no entity has {FEWEST_RECORDS} records: too few to learn how they follow one another")
    parts = {name: history.take(rows) for name, rows in owned.items()}
    filled = {name: _filled(part.numbers) for name, part in parts.items()}
    levels = {name: np.median(values, axis=0) for name, values in filled.items()}
    within = np.concatenate([values - levels[name] for name, values in filled.items()])
    scale = within.std(axis=0)
    scale[~(scale > 0)] = 1.0
    words = _frequent_words(history)
    rows = np.column_stack([within / scale, np.concatenate([_shown(part, words) for part in parts.values()])])
    rows = rows.astype(np.float32)
    standardised = standardised_by(rows)
    standing = standardised(rows)
    chosen = spread_over(len(standing), _TRAINING_ROWS)
    code = int(np.clip(rows.shape[1] // 2, 2, 8))
    plan = TrainingPlan(kind, code, judges=0, hidden=_HIDDEN, steps=_STEPS, seed=seed)
    network = train_autoencoder(Examples(standing[chosen], np.full(len(chosen), -1)), plan, lambda _share: None)
    few = np.array(
        [len(np.unique(column[np.isfinite(column)])) <= DISCRETE_VALUES for column in history.numbers.T], bool
    )
    known, begin = {}, 0
    for name, part in parts.items():
        mine = slice(begin, begin + len(part))
        whole = (rows[mine] - standardised.centre) * standardised.factor
        kinds = _kinds(part, few)
        calm = _without_noise(whole, kinds)
        with torch.no_grad():
            codes = network.encode(torch.from_numpy(np.clip(calm, -20, 20))[None], code)
            left = calm - network.decode(codes)[0][0].numpy()
        known[name] = _EntityHistory(part, levels[name], codes[0].numpy(), left, whole - calm, kinds)
        begin += len(part)
    return StreamSampler(standardised, network, known, few, scale)


def _without_noise(rows: Floats, kinds: NDArray[np.intp]) -> Floats:
    """[N, D] the mean of the rows around each, of those with the same words, back to where these last changed."""
    count, reach = len(rows), _NOISE_ROWS // 2
    total = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0, dtype=np.float64)])
    edges = np.flatnonzero(np.append(True, kinds[1:] != kinds[:-1]))
    run = np.searchsorted(edges, np.arange(count), "right")
    first, stop = edges[run - 1], np.append(edges, count)[run]
    half = np.minimum(np.minimum(reach, np.arange(count) - first), stop - 1 - np.arange(count))
    low, high = np.arange(count) - half, np.arange(count) + half + 1
    return np.asarray((total[high] - total[low]) / (high - low)[:, None], np.float32)


def _filled(numbers: NDArray[np.floating]) -> NDArray[np.float64]:
    """[N, F] with missing values between those around them, and 0 where a column has none."""
    filled = numbers.astype(np.float64)
    for column in filled.T:
        known = np.flatnonzero(np.isfinite(column))
        column[:] = np.interp(np.arange(len(column)), known, column[known]) if len(known) else 0.0
    return filled


def _frequent_words(history: Batch) -> list[list[str]]:
    """By category."""
    chosen = []
    for column in history.categories.T:
        names, counts = np.unique([word for word in column.tolist() if word is not None], return_counts=True)
        chosen.append([str(name) for name in names[np.argsort(-counts, kind="stable")][:_MOST_WORDS]])
    return chosen


def _shown(records: Batch, words: list[list[str]]) -> NDArray[np.float64]:
    """[N, W] 1 where a record shows the word."""
    shown = [records.categories[:, at] == word for at, names in enumerate(words) for word in names]
    return np.column_stack([np.empty((len(records), 0)), *shown])


def _kinds(records: Batch, few: NDArray[np.bool_]) -> NDArray[np.intp]:
    """[N] a number for each record's words and values of few kinds together."""
    told = [np.array([str(word) for word in column.tolist()]) for column in records.categories.T]
    told += [column.astype(str) for column in records.numbers[:, few].T]
    kinds = np.zeros(len(records), np.intp)
    for column in told:
        _, place = np.unique(column, return_inverse=True)
        _, kinds = np.unique(kinds * (place.max() + 1) + place, return_inverse=True)
    return kinds


def _as_recorded(real: Batch, drawn: NDArray[np.float64], path: Path, few: NDArray[np.bool_]) -> Batch:
    """Drawn numbers [n, F] as the entity's sensors would tell them: within what they showed, with as many decimals, held and
    missing where they were."""
    along = real.take(path.rows)
    first = np.zeros(len(path.rows), bool)
    first[path.begins] = True
    numbers = along.numbers.astype(np.float64)
    for column in range(numbers.shape[1]):
        known = real.numbers[:, column].astype(np.float64)
        seen = np.isfinite(known)
        if few[column] or not seen.any():
            continue
        told = np.clip(drawn[:, column], known[seen].min(), known[seen].max())
        decimals = _decimals(known[seen])
        told = told if decimals is None else np.round(told, decimals)
        same = np.append(False, known[1:] == known[:-1])
        if same.mean() > _HELD:
            held = same[path.rows] & ~first
            told = told[np.maximum.accumulate(np.where(held, 0, np.arange(len(told))))]
        numbers[:, column] = np.where(np.isnan(numbers[:, column]), np.nan, told)
    return replace(along, numbers=numbers.astype(real.numbers.dtype), times=path.times)


def _decimals(values: NDArray[np.float64]) -> int | None:
    """Behind the point of all values [N]; None where there are more than a few."""
    for decimals in range(_MOST_DECIMALS):
        if np.allclose(values, np.round(values, decimals), rtol=1e-6, atol=1e-9):
            return decimals
    return None
