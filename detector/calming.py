"""What would calm an alert: the fewest features that, had they shown what was to be expected, would have left it unraised.

An entity's records up to the strangest one -> changes, found greedily: in each round every feature that may change is set, from
some records before the first flagged one on, to what the detector expects of it given the others, everything is scored again, and
the change that leaves the least surprise stays. Then those before it are asked once more: what is expected of them now follows
what is no longer wrong beside them. Expected is conditional: a sensor that is merely higher because the load is higher is
expected to be so. numpy only.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.interface import Contexts, Detector
from latentwatch.domain.record import Batch, Value, concatenate
from latentwatch.domain.scores import Scores

MOST_CHANGED = 5
"""Features changed at most; where more are needed, the process as a whole moved."""
LEAD = 48
"""Records before the first flagged one that are changed too: what led up to it is part of it, and averages remember it."""
HELD = 16
"""Records before it from which on a value tried by hand holds: held for longer, it would stand still as no reading does."""
_TRIED_AGAIN = 16
"""Of the features that stay, those tried in the next round: the ones that left least in this."""
_REACHED = 0.1
"""What a record counts that just reaches the threshold."""


@dataclass(frozen=True, slots=True)
class Change:
    """One feature as it was and as it would have had to be, where the two differ most while records were flagged."""

    feature: str
    actual: Value
    instead: Value
    surprise: float
    """The highest that is left with this change and those before it."""


@dataclass(frozen=True, slots=True)
class Calming:
    """What was found; its changes are in the order in which they help most."""

    before: float
    """The highest surprise of the flagged stretch, scored again from the records given."""
    threshold: float
    changes: tuple[Change, ...]
    changed: Batch
    """The records from `first` on, as they would have had to be."""
    first: int
    """The row from which on they are changed."""
    surprises: NDArray[np.float32]
    """[N - first] of the records so changed."""

    @property
    def after(self) -> float:
        """The highest surprise that is left."""
        return self.changes[-1].surprise if self.changes else self.before

    @property
    def calm(self) -> bool:
        """Whether no alert would be left."""
        return self.after < self.threshold


def calming(
    detector: Detector,
    records: Batch,
    begun: int,
    threshold: float,
    fixed: Collection[str] = (),
    most: int = MOST_CHANGED,
) -> Calming:
    """What would have left an alert unraised.

    `records` [N] are of one entity in the order of time, as many before row `begun`, the first flagged one, as are known;
    the last is the strangest. Features in `fixed` stay as they were. Raises ValueError where `begun` is no row.
    """
    if not 0 <= begun < len(records):
        raise ValueError(f"row {begun} is not one of {len(records)} records")
    first = max(0, begun - LEAD) if detector.context.state_size else begun
    again = _Again(detector, records.take(slice(0, first)), begun - first, threshold)
    was = rows = records.take(slice(first, None))
    surprises, contexts, scores = again.whole(rows)
    before, left_by = float(surprises[begun - first :].max()), dict[str, float]()
    free = [name for name in detector.schema.names if name not in fixed]
    excess = again.excess([rows])[0]
    while free and len(left_by) < most and excess > 0:
        expected = [each.expected for each in detector.explain(rows, contexts, scores)]
        trials = [changed(rows, name, [each.get(name) for each in expected]) for name in free]
        left = again.excess(trials)
        best = int(np.argmin(left))
        if left[best] >= excess:
            break
        name, rows, excess = free[best], trials[best], left[best]
        free = [free[place] for place in np.argsort(left, kind="stable")[1 : 1 + _TRIED_AGAIN].tolist()]
        rows, excess = again.asked_once_more(rows, tuple(left_by), excess)
        surprises, contexts, scores = again.whole(rows)
        left_by[name] = float(surprises[begun - first :].max())
    flagged = slice(begun - first, None)
    changes = tuple(
        Change(name, *_furthest(name, was.take(flagged), rows.take(flagged)), left) for name, left in left_by.items()
    )
    return Calming(before, threshold, changes, rows, first, surprises)


def with_readings(detector: Detector, records: Batch, begun: int, readings: Mapping[str, Value]) -> NDArray[np.float32]:
    """[N - first] surprises of the records that `calming` may change, had each named feature shown this value from shortly
    before row `begun` on; `records` and `begun` as there. Raises KeyError for a feature that the detector does not know."""
    first = max(0, begun - LEAD) if detector.context.state_size else begun
    rows = records.take(slice(first, None))
    held = max(0, begun - first - HELD)
    for name, value in readings.items():
        detector.schema.feature(name)
        shown = [each[name] for each in rows.take(slice(0, held)).all_values()]
        rows = changed(rows, name, [*shown, *[value] * (len(rows) - held)])
    return _Again(detector, records.take(slice(0, first)), begun - first, 0.0).whole(rows)[0]


def changed(batch: Batch, name: str, values: Sequence[Value]) -> Batch:
    """The same records with other values [N] of one feature."""
    for part in ("numbers", "categories", "texts"):
        names: tuple[str, ...] = getattr(batch.schema, part)
        if name in names:
            column = getattr(batch, part).copy()
            missing = np.nan if part == "numbers" else None
            column[:, names.index(name)] = [missing if value is None else value for value in values]
            return replace(batch, **{part: column})
    raise KeyError(name)


def _furthest(name: str, was: Batch, now: Batch) -> tuple[Value, Value]:
    """The feature's two values where they differ most: by number, or at the last record where both are not one word."""
    pairs = [(old[name], new[name]) for old, new in zip(was.all_values(), now.all_values(), strict=True)]
    return max(reversed(pairs), key=lambda pair: _difference(*pair))


def _difference(old: Value, new: Value) -> float:
    """What is missing differs the least: another record tells more."""
    if isinstance(old, str) or isinstance(new, str):
        return float("inf") if old != new else 0.0
    return abs(old - new) if old is not None and new is not None else -1.0


class _Again:
    """Scores variants of what came after the same past."""

    def __init__(self, detector: Detector, past: Batch, begun: int, threshold: float) -> None:
        self._detector, self._begun, self._threshold = detector, begun, threshold
        context = detector.context
        self._state = context.fresh([str(past.entities[0])] if len(past) else [""])
        if len(past):
            context.extend(self._state, np.zeros(len(past), np.intp), past)

    def whole(self, rows: Batch) -> tuple[NDArray[np.float32], Contexts, Scores]:
        """[N] surprises, and what they came from."""
        contexts = self._contexts(rows, 1)
        scores = self._detector.score(rows, contexts)
        return scores.surprise, contexts, scores

    def excess(self, variants: Sequence[Batch]) -> NDArray[np.float64]:
        """[V] how far each variant's surprises from row `begun` on reach above the threshold, summed; 0 where none does."""
        together = concatenate(variants)
        counted = np.flatnonzero(np.arange(len(together)) % len(variants[0]) >= self._begun)
        contexts = self._contexts(together, len(variants)).take(counted)
        surprises = self._detector.score(together.take(counted), contexts).surprise.reshape(len(variants), -1)
        above = surprises.astype(np.float64) - self._threshold
        return np.asarray(np.where(above >= 0, above + _REACHED, 0.0).sum(axis=1), np.float64)

    def asked_once_more(self, rows: Batch, names: Sequence[str], excess: float) -> tuple[Batch, float]:
        """The rows with all these features as they are expected now, where that leaves less; and what is left."""
        if not names or excess <= 0:
            return rows, excess
        _, contexts, scores = self.whole(rows)
        expected = [each.expected for each in self._detector.explain(rows, contexts, scores)]
        trial = rows
        for name in names:
            trial = changed(trial, name, [each.get(name) for each in expected])
        left = float(self.excess([trial])[0])
        return (trial, left) if left < excess else (rows, excess)

    def _contexts(self, rows: Batch, variants: int) -> Contexts:
        states = np.repeat(self._state, variants, axis=0)
        return self._detector.context.extend(states, np.repeat(np.arange(variants), len(rows) // variants), rows)
