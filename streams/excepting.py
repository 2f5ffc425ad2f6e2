"""Exceptions on a stream: what they came to is counted, and those made or taken back are taken up between two batches."""

from collections.abc import Mapping
from datetime import datetime

import numpy as np
import structlog

from latentwatch.detector.corrected_readings import CorrectedDetector
from latentwatch.domain.clock import from_microseconds
from latentwatch.domain.exceptions import InForce
from latentwatch.domain.outcome import ExceptedCount
from latentwatch.domain.record import Batch
from latentwatch.streams.outcomes import Serving
from latentwatch.streams.scorer_state import ScorerState

log = structlog.get_logger()


def count_excepted(batch: Batch, excepted: Mapping[int, int], model: Serving) -> tuple[ExceptedCount, ...]:
    """Of each exception how many records of a batch it let pass (`excepted`, row to exception), or had read otherwise."""
    rows: dict[int, list[int]] = {}
    for row, exception in excepted.items():
        rows.setdefault(exception, []).append(row)
    if isinstance(model.detector, CorrectedDetector):
        for one in model.detector.exceptions:
            rows[one.id] = np.flatnonzero(one.covers(batch)).tolist()
    return tuple(
        ExceptedCount(exception, len(mine), _latest(batch, mine)) for exception, mine in sorted(rows.items()) if mine
    )


def take_up(after: Serving, running: ScorerState) -> None:
    """Score on with the same model under other exceptions. Of entities whose past was remembered under others it says nothing any more."""
    was, now = (
        {_key(one) for one in (each.detector.exceptions if isinstance(each.detector, CorrectedDetector) else ())}
        for each in (running.model, after)
    )
    concerned = {entity for entity, _ in was ^ now}
    running.contexts.reread(after.detector.context, lambda name: name in concerned or None in concerned)
    running.model = after
    log.info("exceptions taken up", exceptions=[one.id for one in after.exceptions])


def _key(one: InForce) -> tuple[str | None, str]:
    return one.form.entity, one.form.model_dump_json()


def _latest(batch: Batch, rows: list[int]) -> datetime:
    return from_microseconds(int(batch.times[rows].max()))
