"""Strange lately: how rare a surprise is among the entity's own recent ones, with the promise as what is known before.

Surprises s [N] -> -log10 p [N], p the share of recent records that were at least as strange

The recent ones are kept as a histogram h of BINS bins that fades: before a record counts, every bin is multiplied by
exp(-1 / memory). With prior = memory / 4 records that behave as promised, 10^-s of them beyond s,

    p = (prior 10^-s + sum of h beyond s) / (prior + sum of h)

So it needs no warm-up: an entity of which nothing is known has p = 10^-s. A level that steps once is strange, and a while
later usual; and where normal records are stranger than the model promised, it is they that say what one in a thousand is,
but for what the prior still weighs: at most 1 + prior / memory times as many are then flagged as p says.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.kernels import compiled_exactly
from latentwatch.domain.clock import from_microseconds

Floats = NDArray[np.float32]

BINS = 121
"""Bins of a histogram, a tenth of a surprise wide; the last holds all from 12 on. A record falls into the two that are
nearest, by its distance from each, so that what is ranked is continuous in what is counted."""
MOST_RECORDS = 4_000.0
MOST_DAYS = 14.0
_PRIOR_SHARE = 0.25
"""Of the memory: what the promise weighs against the records."""
_STRANGE = 2.0
"""Surprise from which a record may count for less than one."""
_PER_UNIT = 10.0


@dataclass(frozen=True, slots=True)
class Lately:
    """How a histogram fades and fills. Immutable; the histograms are the caller's."""

    memory: float
    """Records after which one counts for 1/e."""
    dampening: float = 1.0
    """By what a record of surprise 2 or more is divided when it is counted: where anomalies come densely, they are not
    to become the usual within a few."""
    prior: float = np.inf
    """Records at most that the promise weighs, where fewer than a quarter of the memory taught it."""

    def __post_init__(self) -> None:
        if not self.memory > 0 or not self.dampening >= 1 or not self.prior > 0:
            raise ValueError("a memory and a prior are a positive number of records, and a dampening at least 1")

    @property
    def resolution(self) -> float:
        """The surprise of one record in all that are remembered."""
        return float(np.log10(1.0 + self.memory))

    def rank(self, histograms: Floats, owners: NDArray[np.intp], surprises: Floats) -> Floats:
        """[N] surprise of `surprises` [N] among what their entities showed lately; `histograms` [E, BINS] fill in place.

        Records are ranked before they are counted, in row order; `owners` [N] gives each one's histogram, zeros at first.
        """
        out = np.empty(len(surprises), np.float32)
        _rank(
            histograms,
            np.ascontiguousarray(owners, np.int64),
            np.ascontiguousarray(surprises, np.float32),
            np.exp(-1.0 / self.memory),
            min(self.prior, _PRIOR_SHARE * self.memory),
            1.0 / self.dampening,
            out,
        )
        return out


def memory_of(records_a_day: float) -> float:
    """The records that are remembered of a stream: MOST_DAYS of them, at most MOST_RECORDS.

    >>> memory_of(48.0), memory_of(1440.0)
    (672.0, 4000.0)
    """
    return min(MOST_RECORDS, max(1.0, MOST_DAYS * records_a_day))


def compared_in_words(records: int, days: float, start: int) -> str:
    """That a promise is taken from what was lately, and from when on it is the model's: once a history, which began at `start`
    (microseconds since 1970), holds so many `days`, and with them `records`.

    >>> compared_in_words(1_300, 4.4, 1_772_409_600_000_000).split(". ")[1]
    "A history of 1,300 records, which it will have on 6 March 2026, lets the model promise by itself: 'retrain: {history: 5d}' or longer."
    """
    ready, reach = from_microseconds(int(start + days * 86_400e6)), int(np.ceil(days))
    long = f"{records:,} records" if records else f"{reach} days"
    return (
        "The history is short, so for now each entity is compared with its own last records: a record is flagged where few of "
        f"those were as strange. A history of {long}, which it will have on {ready.day} {ready:%B %Y}, lets the model promise "
        f"by itself: 'retrain: {{history: {reach}d}}' or longer."
    )


@compiled_exactly
def _rank(
    histograms: Floats,
    owners: NDArray[np.int64],
    surprises: Floats,
    fading: float,
    prior: float,
    strange_counts: float,
    out: Floats,
) -> None:
    """`Lately.rank` into `out` [N]. What a bin holds is taken to lie evenly within half its width on each side."""
    for n in range(len(surprises)):
        surprise = max(np.float64(surprises[n]), 0.0)
        place = min(surprise * _PER_UNIT, BINS - 1.0)
        bins = histograms[owners[n]]
        total = beyond = 0.0
        for b in range(BINS):
            held = np.float64(bins[b])
            total += held
            beyond += held * min(max(b + 0.5 - place, 0.0), 1.0)
            bins[b] = np.float32(held * fading)
        chance = (prior * 10.0**-surprise + beyond) / (prior + total)
        out[n] = np.float32(max(-np.log10(chance), 0.0))
        counts = strange_counts if surprise >= _STRANGE else 1.0
        low = min(int(place), BINS - 2)
        bins[low] += np.float32(counts * (low + 1 - place))
        bins[low + 1] += np.float32(counts * (place - low))
