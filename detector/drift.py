"""Is the promise still true? A reading of live surprises, without labels.

A test martingale asks whether p-values are still those of normal records. Its state is a few numbers.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.kernels import compiled

BROKEN = "the promise no longer holds: recalibrate"
"""What to tell people when it is so; everybody who says it says it in these words."""

ALARM = 1e4
"""Wealth at which the promise is called broken."""

_BETS = (0.25, 0.5, 0.75)
"""Exponents of the power bets e p^(e - 1); each pays when small p-values come too often (Vovk 2003)."""
_FORGET = 1e-2
"""Least wealth of a bet: what was lost while all was well does not have to be earned again (as a CUSUM does). On calibrated
records a false call then comes once in ALARM / _FORGET / len(_BETS), 300,000, records or more rarely."""
_SATED = 1e5
"""Most wealth of a bet, so that the promise can be called kept again some hundred records after what broke it has gone."""
_ALIKE = 20
"""Neighbouring records of a sensor that may say the same: each counts as this part of a record."""
_LOG10 = math.log(10.0)
_MOST = 1.0
"""A surprise above it counts as this much: an anomaly, however strange, does not break the promise unless it lasts."""


@dataclass(frozen=True, slots=True)
class PromiseState:
    """What is known so far; start with the default."""

    log_wealth: tuple[float, ...] = (0.0,) * len(_BETS)
    """Natural logarithm of each bet's wealth."""
    records: int = 0
    """Records that were read."""

    @property
    def broken(self) -> bool:
        """Whether the scores have left the regime that they were calibrated on."""
        return max(self.log_wealth) >= math.log(ALARM)

    @property
    def verdict(self) -> str:
        """What to tell people."""
        if self.broken:
            return BROKEN
        return "the promise holds" if self.records else "too early to tell"


def watch(state: PromiseState, surprises: NDArray[np.float32]) -> PromiseState:
    """Read surprises of one stream in order [N]; what is not a number is left out. Cutting a stream anywhere is free.

    The wealth of a bet e multiplies by (e p^(e - 1))^(1 / 20) per record. With the root, the wealth of twenty records in
    expectation does not grow however they depend on each other (Hoelder's inequality). p is kept above 0.1.
    """
    read = surprises[~np.isnan(surprises)]
    wealth = np.array(state.log_wealth)
    _bet(read, wealth, np.array(_BETS), math.log(_FORGET), math.log(_SATED))
    return PromiseState(tuple(wealth.tolist()), state.records + len(read))


@compiled
def _bet(
    surprises: NDArray[np.float32],
    wealth: NDArray[np.float64],
    exponents: NDArray[np.float64],
    least: float,
    most: float,
) -> None:
    """Move the logarithms of every bet's wealth over the surprises, in place."""
    for bet in range(len(wealth)):
        stake = np.log(exponents[bet]) / _ALIKE
        slope = (1.0 - exponents[bet]) * _LOG10 / _ALIKE
        now = wealth[bet]
        for row in range(len(surprises)):
            surprise = min(max(surprises[row], 0.0), _MOST)
            now = min(max(now + stake + slope * surprise, least), most)
        wealth[bet] = now


def recalibrated() -> PromiseState:
    """The state after a new model or a new calibration."""
    return PromiseState()
