"""Words as numbers: a category becomes a place in a small space, a text the mixture of its character n-grams.

Each column of words gets as much variance as one numeric column, so that none dominates by its cardinality or length.
"""

import zlib
from collections import Counter
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.rows.numbers import MOVED
from latentwatch.detector.spread import spread_over

Floats: TypeAlias = NDArray[np.float32]
ONE_HOT_UNTIL = 12
"""Levels up to which a category gets a column for each of them."""
MOST_LEVELS = 2_000
"""Levels beyond the most frequent so many count as never seen."""
EMBEDDED = 8
"""Columns of a category with more levels, and of a text."""
LEARNED_TEXTS = 5_000
"""Texts from which directions are learned, of as many as there are."""
BUCKETS = 512
"""Places that n-grams are hashed to."""


@dataclass(frozen=True, slots=True)
class CategoryTable:
    """One category's levels and where each lies. The last column says how strange a value is that has no level."""

    levels: tuple[str | None, ...]
    """Most frequent first; None stands for missing, where that occurred in training."""
    places: Floats
    """[levels, D]"""

    @property
    def width(self) -> int:
        """Columns it gives, D + 1."""
        return int(self.places.shape[1]) + 1

    def transform(self, words: NDArray[np.object_]) -> Floats:
        """[N, D + 1]; a value never seen lies in the middle of the levels and has moved in the last column."""
        index = {level: place for place, level in enumerate(self.levels)}
        known = np.array([index.get(word, -1) for word in words], np.intp)
        out = np.zeros((len(words), self.width), np.float32)
        seen = known >= 0
        out[seen, :-1] = self.places[known[seen]]
        out[~seen, -1] = MOVED
        return out

    def closest(self, place: Floats) -> str | None:
        """The level nearest to a place [D]."""
        if not self.levels:
            return None
        return self.levels[int(np.square(self.places - place).sum(axis=1).argmin())]


def fit_category(words: NDArray[np.object_], company: NDArray[np.float64], seed: int) -> CategoryTable:
    """Learn the places of a category's levels from the company they keep: other columns [N, Q], of order 1.

    Few levels get a column each. Many share `EMBEDDED` columns: half say in what company a level is found (the leading
    directions of its rows' means, shrunk for rare levels), half tell it apart from the others by a random direction.
    """
    counts = Counter(words.tolist()).most_common(MOST_LEVELS)
    levels = tuple(level for level, _ in counts)
    share = np.array([count for _, count in counts], np.float64) / max(len(words), 1)
    places = (
        np.eye(len(levels))
        if len(levels) <= ONE_HOT_UNTIL
        else _embed(words, levels, company, np.random.default_rng(seed))
    )
    middle = share @ places
    variance = float(share @ np.square(places - middle).sum(axis=1))
    gain = min(1.0 / np.sqrt(max(variance, 1e-9)), 2.0)
    return CategoryTable(levels, ((places - middle) * gain).astype(np.float32))


def _embed(
    words: NDArray[np.object_],
    levels: tuple[str | None, ...],
    company: NDArray[np.float64],
    random: np.random.Generator,
) -> NDArray[np.float64]:
    index = {level: place for place, level in enumerate(levels)}
    owner = np.array([index.get(word, -1) for word in words], np.intp)
    rows = company[owner >= 0] - company.mean(axis=0) if company.shape[1] else np.zeros((int((owner >= 0).sum()), 1))
    owner = owner[owner >= 0]
    means = np.zeros((len(levels), rows.shape[1]))
    np.add.at(means, owner, rows)
    means /= np.bincount(owner, minlength=len(levels))[:, None] + 5.0
    left, strength, _ = np.linalg.svd(means, full_matrices=False)
    half = EMBEDDED // 2
    profile = np.zeros((len(levels), half))
    kept = min(half, len(strength))
    profile[:, :kept] = (left * strength)[:, :kept]
    profile /= max(float(np.sqrt(np.square(profile).sum(axis=1).mean())), 1e-9)
    apart = random.normal(size=(len(levels), half))
    apart /= np.linalg.norm(apart, axis=1, keepdims=True)
    return np.concatenate([profile, apart], axis=1)


@dataclass(frozen=True, slots=True)
class TextMap:
    """One text column: hashed n-grams, projected to their leading directions.

    The last column but one is how much of the text lies outside them, the last whether there was none at all.
    """

    directions: Floats
    """[BUCKETS, D]"""
    middle: Floats
    """[D]"""
    gain: float
    """Gives the projected columns together a variance of 1."""
    outside: tuple[float, float]
    """Mean and spread of the part outside."""
    had_missing: bool

    @property
    def width(self) -> int:
        """Columns it gives, D + 2."""
        return int(self.directions.shape[1]) + 2

    def transform(self, texts: NDArray[np.object_]) -> Floats:
        """[N, D + 2]"""
        grams = hash_grams(texts)
        inside = grams @ self.directions
        rest = np.sqrt(np.maximum((grams**2).sum(axis=1) - (inside**2).sum(axis=1), 0.0))
        mean, spread = self.outside
        missing = np.array([not text for text in texts], bool)
        out = np.empty((len(texts), self.width), np.float32)
        out[:, :-2] = (inside - self.middle) * self.gain
        out[:, -2] = np.where(missing, 0.0, np.clip((rest - mean) / spread, -8.0, 8.0))
        out[:, -1] = missing * (1.0 if self.had_missing else MOVED)
        out[missing, :-2] = 0.0
        return out


def fit_text(texts: NDArray[np.object_]) -> TextMap:
    """Learn the leading directions of a text column [N]."""
    grams = hash_grams(texts[spread_over(len(texts), LEARNED_TEXTS)])
    present = grams.any(axis=1)
    grams = grams[present] if present.any() else grams
    _, strength, directions = np.linalg.svd(grams, full_matrices=False)
    kept = min(EMBEDDED, int((strength > 1e-6).sum()))
    chosen = directions[:kept].T
    inside = grams @ chosen
    rest = np.sqrt(np.maximum((grams**2).sum(axis=1) - (inside**2).sum(axis=1), 0.0))
    spread = float(np.sqrt(inside.var(axis=0).sum()))
    return TextMap(
        chosen.astype(np.float32),
        inside.mean(axis=0).astype(np.float32),
        1.0 / max(spread, 1e-3),
        (float(rest.mean()), max(float(rest.std()), 0.02)),
        any(not text for text in texts),
    )


def hash_grams(texts: NDArray[np.object_]) -> Floats:
    """[N, BUCKETS] unit rows of log counts of words and of three letters in a row; zero for no text."""
    out = np.zeros((len(texts), BUCKETS), np.float32)
    for row, text in enumerate(texts):
        if not text:
            continue
        lowered = f" {text.lower()[:1000]} "
        grams = [lowered[i : i + 3] for i in range(len(lowered) - 2)] + lowered.split()
        places = [zlib.crc32(gram.encode("utf-8", "surrogatepass")) % BUCKETS for gram in grams]
        np.add.at(out[row], places, 1.0)
    np.log1p(out, out=out)
    out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)
    return out
