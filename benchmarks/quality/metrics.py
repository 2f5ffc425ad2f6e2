"""What is measured on one test set: ranking, verdicts at a default threshold, and realised rates with their intervals."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import beta
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.quality.datasets import Floats, Truth

CONSECUTIVE = 6
"""Rows in a row above the limit before a fault counts as detected (Chiang, Russell & Braatz 2001)."""


def auroc(truth: Truth, scores: Floats) -> float:
    """Chance that an anomaly scores above a normal row."""
    return float(roc_auc_score(truth, scores))


def average_precision(truth: Truth, scores: Floats) -> float:
    """Area under the precision-recall curve, by steps."""
    return float(average_precision_score(truth, scores))


@dataclass(frozen=True, slots=True)
class FlagCounts:
    """Counts of flagged and unflagged rows; added up over sets before rates are taken."""

    hits: int = 0
    misses: int = 0
    false_alarms: int = 0
    quiet: int = 0

    @classmethod
    def count(cls, truth: Truth, flags: Truth) -> "FlagCounts":
        """Of one set."""
        return cls(
            int((truth & flags).sum()),
            int((truth & ~flags).sum()),
            int((~truth & flags).sum()),
            int((~truth & ~flags).sum()),
        )

    def __add__(self, other: "FlagCounts") -> "FlagCounts":
        return FlagCounts(
            self.hits + other.hits,
            self.misses + other.misses,
            self.false_alarms + other.false_alarms,
            self.quiet + other.quiet,
        )

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, row by row."""
        return 2 * self.hits / max(1, 2 * self.hits + self.misses + self.false_alarms)

    @property
    def false_alarm_rate(self) -> float:
        """Share of normal rows flagged (FAR)."""
        return self.false_alarms / max(1, self.false_alarms + self.quiet)

    @property
    def missed_alarm_rate(self) -> float:
        """Share of anomalous rows not flagged (MAR)."""
        return self.misses / max(1, self.hits + self.misses)


def delay(flags: Truth, onset: int) -> int:
    """Rows from the fault's onset to the first of CONSECUTIVE flagged rows; the rows that remain, if there is none."""
    after = flags[onset:].astype(int)
    run = np.convolve(after, np.ones(CONSECUTIVE, int), "valid")
    found = np.flatnonzero(run == CONSECUTIVE)
    return int(found[0]) if len(found) else len(after)


def rate_interval(count: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper-Pearson interval of a rate seen `count` times in `total`.

    >>> [round(bound, 4) for bound in rate_interval(0, 100)]
    [0.0, 0.0362]
    """
    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, count, total - count + 1)) if count else 0.0
    high = float(beta.ppf(1 - tail, count + 1, total - count)) if count < total else 1.0
    return low, high
