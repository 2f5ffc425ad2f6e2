"""What a known incident did, put upon a stretch of records, so that people see what an alert of it would look like."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from latentwatch.alerts.database import Engine
from latentwatch.alerts.reading import alert_detail
from latentwatch.alerts.reading.causes import alerts_of_cause, known_causes
from latentwatch.domain.errors import InvalidInput, NotFound
from latentwatch.domain.monitor import Monitor
from latentwatch.domain.record import Batch

_FAULT_FROM = 2 / 3
"""Where in an entity's records a fault begins: behind enough of them for a context."""


@dataclass(frozen=True, slots=True)
class FaultCase:
    """What a known incident did, from its first flagged record to its last."""

    alert: int
    seconds: float
    shifts: dict[str, NDArray[np.float64]]
    """Of each number, how far it lay from what was expected, record by record."""
    words: dict[str, str]
    """Categories that showed another word than expected at the strangest record."""


def fault_case(engine: Engine, monitor: Monitor, cause: str) -> FaultCase:
    """The longest kept alert that people labelled with a cause. Raises NotFound, saying which causes there are."""
    alerts = alerts_of_cause(engine, monitor.name, cause)
    details = [detail for number in alerts if (detail := alert_detail(engine, number)) and detail.peak]
    if not details:
        known = ", ".join(known_causes(engine, monitor.name)) or "none yet"
        raise NotFound(
            f"monitor {monitor.name!r}: no alert labelled true has the cause {cause!r}; causes that people named: {known}."
            " 'latentwatch alerts label ALERT true --cause ...' names one"
        )
    detail = max(details, key=lambda one: len(one.flagged))
    shifts: dict[str, NDArray[np.float64]] = {}
    counters = set(monitor.record.counters)
    for name in monitor.record.numbers:
        pairs = [(one.values.get(name), one.explanation.expected.get(name)) for one in detail.flagged]
        off = [float(a) - float(b) for a, b in pairs if isinstance(a, int | float) and isinstance(b, int | float)]
        if off and name not in counters and np.isfinite(off).all():
            shifts[name] = np.array(off)
    assert detail.peak is not None  # of those chosen
    shown, expected = detail.peak.values, detail.peak.explanation.expected
    words = {
        name: word
        for name in monitor.record.categories
        if isinstance(word := shown.get(name), str) and word != expected.get(name)
    }
    seconds = (detail.alert.ended - detail.alert.started).total_seconds()
    return FaultCase(detail.alert.id, seconds, shifts, words)


def with_fault(batch: Batch, case: FaultCase, entity: str) -> tuple[Batch, NDArray[np.bool_]]:
    """The records with a stretch of one entity shifted by what the incident did, for as long; and [N] which those are.

    Raises InvalidInput for an entity that has no records here.
    """
    owner = entity or str(batch.entities[0])
    rows = np.flatnonzero(batch.entities == owner)
    if not len(rows):
        known = ", ".join(sorted(set(batch.entities.tolist()))[:5])
        raise InvalidInput(f"--entity {owner}: has no records here; there are {known}")
    start = int(len(rows) * _FAULT_FROM)
    length = max(
        1, int(np.searchsorted(batch.times[rows], batch.times[rows[start]] + case.seconds * 1e6, "right")) - start
    )
    hit = rows[start : start + length]
    share = np.linspace(0, 1, len(hit))
    numbers, categories = batch.numbers.copy(), batch.categories.copy()
    for name, off in case.shifts.items():
        if name in batch.schema.numbers:
            column = batch.schema.numbers.index(name)
            numbers[hit, column] += np.interp(share, np.linspace(0, 1, len(off)), off).astype(numbers.dtype)
    for name, word in case.words.items():
        if name in batch.schema.categories:
            categories[hit, batch.schema.categories.index(name)] = word
    stretch = np.zeros(len(batch), bool)
    stretch[hit] = True
    return replace(batch, numbers=numbers, categories=categories), stretch
