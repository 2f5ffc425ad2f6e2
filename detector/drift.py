"""Is the promise still true? Two readings of live surprises, without labels.

A test martingale asks whether p-values are still those of normal records; a slow offset keeps the share of flagged records
near the promised one while the level drifts. Both are fixed-size states that live in a few numbers.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ALARM = 1e4
"""Wealth at which the promise is called broken."""

_BETS = (0.25, 0.5, 0.75)
"""Exponents of the power bets e p^(e - 1); each pays when small p-values come too often (Vovk 2003)."""
_FORGET = 1e-2
"""Least wealth of a bet: what was lost while all was well does not have to be earned again (as a CUSUM does). On calibrated
independent records a false call then comes once in ALARM / _FORGET / len(_BETS), 300,000, records or more rarely."""


@dataclass(frozen=True, slots=True)
class PromiseState:
    """What is known so far; start with the default."""

    log_wealth: tuple[float, ...] = (0.0,) * len(_BETS)
    """Natural logarithm of each bet's wealth."""
    records: int = 0
    """Records that were read, after thinning."""

    @property
    def broken(self) -> bool:
        """Whether the scores have left the regime that they were calibrated on."""
        return max(self.log_wealth) >= math.log(ALARM)

    @property
    def verdict(self) -> str:
        """What to tell people."""
        if self.broken:
            return "the promise no longer holds: recalibrate"
        return "the promise holds" if self.records else "too early to tell"


def watch(state: PromiseState, surprises: NDArray[np.float32], every: int = 1) -> PromiseState:
    """Read surprises of one stream in order [N]; `every` thins autocorrelated ones, whose neighbours say the same twice.

    The wealth of a bet e multiplies by e p^(e - 1) per record. p is kept above 1e-3, so that a short anomaly, however
    strange, cannot break the promise by itself: only a lasting change of level does.
    """
    chances = np.clip(10.0 ** -surprises[::every].astype(np.float64), 1e-3, 1.0)
    logs = list(state.log_wealth)
    floor = math.log(_FORGET)
    for index, exponent in enumerate(_BETS):
        gains = math.log(exponent) + (exponent - 1.0) * np.log(chances)
        wealth = logs[index]
        for gain in gains.tolist():
            wealth = max(wealth + gain, floor)
        logs[index] = wealth
    return PromiseState(tuple(logs), state.records + len(chances))


def recalibrated() -> PromiseState:
    """The state after a new model or a new calibration."""
    return PromiseState()


@dataclass(frozen=True, slots=True)
class SlowThreshold:
    """A threshold that follows a slow drift of level: adaptive conformal inference in units of surprise.

    After each record the offset moves by gamma (flagged - rate), so that over 1 / (gamma rate) records the share of flagged
    ones comes near the rate (Gibbs and Candes 2021). Slow on purpose: an anomaly of a few hundred records must not become
    the new normal. The offset never lowers the threshold below the one that was promised.
    """

    threshold: float
    """The promised one."""
    rate: float
    """Share of records it may flag."""
    gamma: float = 0.01
    offset: float = 0.0
    highest: float = 6.0
    """Most that the offset may add."""

    def follow(self, surprises: NDArray[np.float32]) -> tuple[NDArray[np.bool_], "SlowThreshold"]:
        """[N] which records are flagged, read in order, and the threshold after them."""
        flagged = np.empty(len(surprises), bool)
        offset = self.offset
        for row, surprise in enumerate(surprises.tolist()):
            flagged[row] = surprise >= self.threshold + offset
            offset = min(max(offset + self.gamma * (float(flagged[row]) - self.rate), 0.0), self.highest)
        return flagged, SlowThreshold(self.threshold, self.rate, self.gamma, offset, self.highest)
