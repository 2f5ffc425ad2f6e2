"""What a detector finds of faults that are planted into normal records.

Normal records as they were read + how to read others -> how many of each kind were planted and found, and what else is worth telling

A fault is found when one of its records is flagged that is not flagged without the fault. All are planted and read at once; where
records follow one another one makes the next usual, so that those which are missed there are read again, each alone.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.faults import PlantedFault, plant_faults, rows_by_series
from latentwatch.detector.fresh_reading import FreshReading
from latentwatch.detector.side_by_side import OUTCOMES, outcome
from latentwatch.domain.errors import InvalidHistory
from latentwatch.domain.record import Batch
from latentwatch.domain.scores import Explanation

_FAULTS_PER_KIND = 4
_SIZES = (1.0, 2.0, 4.0)
"""Of what is planted: three spreads of a sensor are much on one, and within the usual of another."""
_FAULT_RECORDS = 60
_ENOUGH_FAULTS = 60
"""A model that does not see one sensor of six misses ten of them, which is no accident."""
_MOST_TURNS = 8
"""How often faults are planted anew until there are so many."""
_MOST_READ_ALONE = 300_000
"""Records that are read again for the faults of a turn; with more, faults lie too far apart to hide each other."""

Read = Callable[[Batch], FreshReading]
"""How a detector reads records, each entity from where it stood before them."""
Explain = Callable[[FreshReading, NDArray[np.intp]], list[Explanation]]


@dataclass(slots=True)
class PlantedFaults:
    """What became of them."""

    planted: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """How many, by kind."""
    caught: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Of those, how many are found."""

    @property
    def count(self) -> int:
        """How many were planted."""
        return sum(self.planted.values())

    @property
    def found(self) -> int:
        """How many of them are found."""
        return sum(self.caught.values())

    @property
    def by_kind(self) -> dict[str, float]:
        """The share of each kind that is found."""
        return {kind: self.caught[kind] / self.planted[kind] for kind in sorted(self.planted)}


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a reading says of one fault."""

    fault: PlantedFault
    reading: FreshReading
    rows: NDArray[np.intp]
    """Its rows in what was read."""
    new: NDArray[np.bool_]
    """[len(rows)] whether they are not flagged without it."""

    @property
    def hits(self) -> NDArray[np.intp]:
        """Which of its records are flagged for it."""
        return np.flatnonzero(self.reading.flagged[self.rows] & self.new)

    @property
    def surprises(self) -> NDArray[np.float32]:
        """Of its records."""
        return self.reading.scores.surprise[self.rows]


def find_planted(
    clean: FreshReading, read: Read, explain: Explain, threshold: float, seed: int, *, in_time: bool
) -> tuple[PlantedFaults, dict[str, Any]]:
    """What becomes of faults in the records of `clean`, and details that are worth telling.

    Where the records have room for few, others are planted into them again, as they were, and read again.
    """
    longest = max(map(len, rows_by_series(clean.batch)))
    length = max(4, min(_FAULT_RECORDS, longest // 12)) if in_time else 1
    per_kind = _FAULTS_PER_KIND if in_time else 10 * _FAULTS_PER_KIND
    told = PlantedFaults()
    outcomes: dict[str, str] = defaultdict(str)
    delays: list[int] = []
    strangest: list[float] = []
    named: list[bool] = []
    for turn in range(_MOST_TURNS):
        try:
            faulty, faults = plant_faults(
                clean.batch, seed + turn, per_kind=per_kind, length=length, in_time=in_time, sizes=_SIZES
            )
        except InvalidHistory as error:
            return PlantedFaults(), {"no_faults": str(error)}
        reading = read(faulty)
        seen = [_Seen(fault, reading, fault.rows, ~clean.flagged[fault.rows]) for fault in faults]
        if in_time and sum(len(_course(clean.batch, fault)) for fault in faults) <= _MOST_READ_ALONE:
            seen = [each if len(each.hits) else _alone(clean, faulty, each, read) for each in seen]
        for each in seen:
            kind, hits, surprises = each.fault.kind.value, each.hits, each.surprises
            told.planted[kind] += 1
            told.caught[kind] += bool(len(hits))
            largest = float(surprises[each.new].max(initial=0.0))
            outcomes[f"{kind} of {each.fault.guilty[0]}"] += outcome(bool(len(hits)), largest, threshold)
            strangest.append(float(surprises.max()))
            delays += hits[:1].tolist()
        named += _named([each for each in seen if len(each.hits)], explain)
        if len(strangest) >= _ENOUGH_FAULTS:
            break
    details: dict[str, Any] = {
        "fault_records": length,
        "half_found_at": float(f"{min(1.0, 10.0 ** -float(np.median(strangest))):.2g}"),
        OUTCOMES: dict(outcomes),
    }
    if delays:
        details["median_delay_records"] = float(np.median(delays))
        details["guilty_in_top_2"] = round(float(np.mean(named)), 3)
    return told, details


def _alone(clean: FreshReading, faulty: Batch, seen: _Seen, read: Read) -> _Seen:
    """A fault in records that are normal up to it."""
    rows, normal = seen.fault.rows, clean.batch
    mine = _course(normal, seen.fault)
    at = np.searchsorted(mine, rows)
    columns = [getattr(normal, name)[mine] for name in ("numbers", "categories", "texts")]
    for column, name in zip(columns, ("numbers", "categories", "texts"), strict=True):
        column[at] = getattr(faulty, name)[rows]
    numbers, categories, texts = columns
    course = replace(normal.take(mine), numbers=numbers, categories=categories, texts=texts)
    return _Seen(seen.fault, read(course), at, seen.new)


def _course(batch: Batch, fault: PlantedFault) -> NDArray[np.intp]:
    """Rows of the fault's entity up to its end, which are all that count for it."""
    return np.flatnonzero(batch.entities[: fault.rows[-1] + 1] == batch.entities[fault.rows[0]])


def _named(found: list[_Seen], explain: Explain) -> list[bool]:
    """Of each found fault, whether its guilty feature is among the two that contribute most at the peak."""
    named = []
    for reading in {id(each.reading): each.reading for each in found}.values():
        mine = [each for each in found if each.reading is reading]
        peaks = [int(each.rows[np.argmax(each.surprises)]) for each in mine]
        for each, explanation in zip(mine, explain(reading, np.array(peaks, np.intp)), strict=True):
            top = sorted(explanation.contributions, key=lambda name: -explanation.contributions[name])[:2]
            named.append(bool(set(top) & set(each.fault.guilty)))
    return named
