"""Alerts of a plant whose faults are known: what was flagged of each fault, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.latent.rigs import BEGIN, DAY_RECORDS, Rigs
from latentwatch.detector.faults import PlantedFault
from latentwatch.detector.interface import Contexts
from latentwatch.detector.sequences.context import encode
from latentwatch.detector.sequences.detector import SequenceDetector
from latentwatch.domain.record import Batch
from latentwatch.domain.scores import Explanation, Scores

MOST_EXPLAINED = 100
"""Records of an alarm that are explained, evenly over its course."""
_AFTERWARDS = 40
"""Records after a fault's end that may still be flagged because of it."""


class KnownFault(Protocol):
    """A stretch of records of which it is known what was wrong."""

    @property
    def kind(self) -> str:
        """What was wrong."""
        ...

    @property
    def entity(self) -> str:
        """Whose records."""
        ...

    @property
    def guilty(self) -> tuple[str, ...]:
        """The features that it is about; empty where nobody knows."""
        ...

    @property
    def rows(self) -> NDArray[np.intp]:
        """Those of the records."""
        ...


@dataclass(frozen=True, slots=True)
class Alarm:
    """What was flagged of one fault."""

    kind: str
    entity: str
    guilty: tuple[str, ...]
    shares: Mapping[str, float]
    """What each feature added to the surprise, over the course."""
    at_first: Mapping[str, float]
    """The same of the first flagged record alone."""
    records: Batch = field(repr=False)
    """The entity's, up to the strangest."""
    begun: int
    """Row of the first flagged one."""


def faulty_days(rigs: Rigs, first: int, count: int) -> list[tuple[Batch, tuple[PlantedFault, ...]]]:
    """Days with faults of every kind of the plant's own."""
    return [rigs.plant.stream(BEGIN + timedelta(days=day), DAY_RECORDS) for day in range(first, first + count)]


def alarms_of(
    detector: SequenceDetector, day: Batch, faults: Sequence[KnownFault], threshold: float
) -> list[Alarm | None]:
    """For each fault its alarm, None where no record of it was flagged."""
    contexts = encode(detector.context, day)
    scores = detector.score(day, contexts)
    entities = day.entities.astype(str)
    rows = {name: np.flatnonzero(entities == name) for name in np.unique(entities)}
    return [_alarm(detector, day, contexts, scores, rows[each.entity], each, threshold) for each in faults]


def _alarm(
    detector: SequenceDetector,
    day: Batch,
    contexts: Contexts,
    scores: Scores,
    mine: NDArray[np.intp],
    fault: KnownFault,
    threshold: float,
) -> Alarm | None:
    first, last = np.searchsorted(mine, [fault.rows[0], fault.rows[-1]])
    during = mine[first : last + 1 + _AFTERWARDS]
    flagged = during[scores.surprise[during] >= threshold]
    if not len(flagged):
        return None
    chosen = flagged[np.unique(np.linspace(0, len(flagged) - 1, MOST_EXPLAINED).astype(np.intp))]
    part = day.take(chosen)
    told = detector.explain(part, contexts.take(chosen), scores.take(chosen))
    counted = [_counting(each, part, row) for row, each in enumerate(told)]
    names = detector.schema.names
    peak = flagged[np.argmax(scores.surprise[flagged])]
    until = mine[: np.searchsorted(mine, peak) + 1]
    return Alarm(
        kind=fault.kind,
        entity=fault.entity,
        guilty=fault.guilty,
        shares={name: sum(each.get(name, 0.0) for each in counted) for name in names},
        at_first=counted[0],
        records=day.take(until),
        begun=int(np.searchsorted(until, flagged[0])),
    )


def _counting(told: Explanation, part: Batch, row: int) -> dict[str, float]:
    """Contributions without words and flags that are as expected, as an alert's course counts them."""
    values = part.values(row)
    return {
        name: share
        for name, share in told.contributions.items()
        if share > 0 and not (isinstance(values[name], str | bool) and values[name] == told.expected.get(name))
    }
