"""Two models on the same records: is one worse than the other, or does it only look so by chance?

Outcomes of the same planted faults by both; records flagged in the same parts of time by both -> Shortfall
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, fisher_exact, ttest_rel

from latentwatch.domain.model import Evaluation

OUTCOMES = "outcomes"
"""Under which an evaluation's details hold what became of each planted fault, by kind and feature: a letter each."""
FLAGGED_BY_PART = "flagged_by_part"
"""Under which they hold how many records are flagged, by equal parts of the holdout in the order of time."""
PARTS = 20
FOUND, NEARLY, MISSED = "1", "~", "0"
"""Letters of what became of a planted fault."""
NEAR = 0.3
"""A fault whose surprise lies so little below the threshold is nearly found: at twice the promised rate it would be. One
retraining moves every threshold by as much, so that such faults come and go together and tell nothing of a model."""
CHANCE = 0.05
"""A difference that chance alone makes as large as this often says nothing."""
FEWER_FOUND = 0.02
"""Share of the planted faults from which finding fewer matters."""
MORE_FLAGGED = 1.25
"""Times as many flagged normal records from which that matters."""


@dataclass(frozen=True, slots=True)
class Shortfall:
    """By how much a challenger does worse than the champion."""

    worse: float
    """What the challenger misses and the champion finds, of faults; what it flags, of normal records."""
    better: float
    """The reverse."""
    chance: float
    """How often models that are equally good differ by as much in this direction."""
    matters: bool
    """Whether it is large enough to matter, were it real."""
    paired: bool = True
    """Whether both were asked for the very same."""

    @property
    def is_real(self) -> bool:
        """Whether it matters and is no accident."""
        return self.matters and self.chance < CHANCE


def by_part(flagged: NDArray[np.bool_], times: NDArray[np.int64]) -> list[int]:
    """How many of N records are flagged, by part of time."""
    return [int(part.sum()) for part in np.array_split(flagged[np.argsort(times, kind="stable")], PARTS)]


def fewer_found(challenger: Evaluation, champion: Evaluation) -> Shortfall:
    """Of planted faults, those that one finds and the other does not even nearly. By McNemar's exact test where both were
    asked for the very same; by Fisher's of what each finds where they were not, such as models of other fields."""
    mine, theirs = (_outcomes(each) for each in (challenger, champion))
    if mine is not None and theirs is not None and mine[0] == theirs[0]:
        lost = int(((mine[1] == MISSED) & (theirs[1] == FOUND)).sum())
        won = int(((mine[1] == FOUND) & (theirs[1] == MISSED)).sum())
        chance = float(binom.sf(lost - 1, lost + won, 0.5))
        return Shortfall(lost, won, chance, lost - won >= FEWER_FOUND * len(mine[1]))
    shares = [each.faults_found / max(1, each.faults_planted) for each in (challenger, champion)]
    table = [[each.faults_found, each.faults_planted - each.faults_found] for each in (challenger, champion)]
    chance = float(fisher_exact(table, alternative="less")[1])
    lost, won = champion.faults_found, challenger.faults_found
    return Shortfall(lost, won, chance, shares[1] - shares[0] >= FEWER_FOUND, paired=False)


def more_flagged(challenger: Evaluation, champion: Evaluation) -> Shortfall:
    """Of normal records. Alarms come in clusters, so that parts of time are compared, not records: by a paired t-test."""
    mine, theirs = challenger.realised_rate, champion.realised_rate
    matters = mine >= MORE_FLAGGED * theirs and mine > theirs
    parts = [each.details.get(FLAGGED_BY_PART) for each in (challenger, champion)]
    if parts[0] and parts[1] and len(parts[0]) == len(parts[1]) and parts[0] != parts[1]:
        chance = float(ttest_rel(parts[0], parts[1], alternative="greater").pvalue)
    else:  # whose parts are not known: the challenger's interval has to lie wholly above
        chance = 0.0 if challenger.realised_interval[0] > theirs else 1.0
    return Shortfall(mine, theirs, chance, matters)


def outcome(flagged: bool, surprise: float, threshold: float) -> str:
    """What became of a planted fault; `surprise` is the largest of its records that are not flagged without it."""
    return FOUND if flagged else NEARLY if surprise >= threshold - NEAR else MISSED


def _outcomes(evaluation: Evaluation) -> tuple[list[tuple[str, int]], NDArray[np.str_]] | None:
    """What was planted, and [M] what became of it; None where that is not known of each fault."""
    told: dict[str, Any] = evaluation.details.get(OUTCOMES) or {}
    if not told:
        return None
    planted = sorted(told)
    return [(each, len(told[each])) for each in planted], np.array(list("".join(told[each] for each in planted)))
