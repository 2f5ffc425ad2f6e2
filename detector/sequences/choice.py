"""Whether a record should be judged with its past: the rule behind `window: auto`.

Rule. Per entity, in row order, the lag-1 autocorrelation of every moving number is compared with what shuffled rows would
give. When a quarter of the moving numbers exceed both 0.2 and four standard errors, neighbouring rows tell of each
other and the window is 32 records (a pump's vibration is noise from row to row, its temperatures are not); otherwise each record is scored on its own. At least 120 rows are needed to tell.
Numbers of two values have a say only where there are no others: on spacecraft telemetry, one channel among dozens of
rare command bits is the sequence, and the bits, alike or not, would outvote it.
Where an entity's records come at a regular cadence they are a sequence: then one number of any kind whose neighbouring rows
tell of each other, alike or opposite, is enough, and the past is left out only where that of none does.
Records with text are scored on their own: a context keeps averages, and text has none.
"""

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.cadence import cadence_of
from latentwatch.detector.entities import rows_by_entity
from latentwatch.domain.record import Batch

WINDOW = 32
"""Records a sequence detector looks back by default; its slowest average reaches four times as far."""
_FEWEST_ROWS = 120
_WORTHWHILE = 0.2
_ENOUGH = 0.25
"""Share of the numbers whose neighbouring rows are alike that makes a sequence."""
_STANDARD_ERRORS = 4.0


def choose_window(batch: Batch) -> int:
    """WINDOW where neighbouring rows of an entity are alike and hold no text, else 1."""
    if batch.schema.texts:
        return 1
    if neighbours_are_alike(batch):
        return WINDOW
    regular = batch.schema.time is not None and cadence_of(batch.times, batch.entities) > 0
    if not regular:
        return 1
    of_any, rows = lag_one_autocorrelation(batch, of_all=True)
    if rows < _FEWEST_ROWS or not len(of_any):
        return 1
    return WINDOW if float(np.abs(of_any).max()) > _least(rows) else 1


def neighbours_are_alike(batch: Batch) -> bool:
    """Whether neighbouring rows of an entity tell of each other in a quarter of the numbers; never where there are few rows."""
    together, rows = lag_one_autocorrelation(batch)
    if rows < _FEWEST_ROWS or not len(together):
        return False
    return float(np.quantile(together, 1 - _ENOUGH)) > _least(rows)


def _least(rows: int) -> float:
    return float(max(_WORTHWHILE, _STANDARD_ERRORS / np.sqrt(rows)))


def lag_one_autocorrelation(batch: Batch, *, of_all: bool = False) -> tuple[NDArray[np.float64], int]:
    """[numbers asked] rank autocorrelation at lag 1 within entities, and the number of row pairs behind it; with `of_all` of
    every number that moves.

    Ranks make it indifferent to a few wild values. Each entity's level is taken out first, or different levels would look
    like memory.
    """
    numbers = batch.numbers.astype(np.float64)
    before, after = [], []
    for mine in rows_by_entity(batch.entities):
        if len(mine) < 3:
            continue
        rows = _ranks(numbers[mine])
        before.append(rows[:-1])
        after.append(rows[1:])
    if not before:
        return np.zeros(0), 0
    first, second = np.concatenate(before), np.concatenate(after)
    both = np.isfinite(first) & np.isfinite(second)
    first, second = np.where(both, first, 0.0), np.where(both, second, 0.0)
    power = np.sqrt((first**2).sum(0) * (second**2).sum(0))
    moving = power > 1e-9
    graded = moving & np.array([len(np.unique(column[np.isfinite(column)])) > 2 for column in numbers.T], bool)
    asked = graded if graded.any() and not of_all else moving
    return (first * second).sum(0)[asked] / power[asked], len(first)


def _ranks(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """[N, F] ranks centred on 0, ties sharing theirs; NaN stays."""
    from scipy.stats import rankdata

    ranks = np.where(np.isfinite(rows), rankdata(np.where(np.isfinite(rows), rows, np.inf), axis=0), np.nan)
    with np.errstate(invalid="ignore"):
        seen = np.maximum(np.isfinite(ranks).sum(axis=0), 1)
        return np.asarray(ranks - np.nansum(ranks, axis=0) / seen)
