"""Where each entity is on the latent map now, and where it came from: its sampled records, encoded again."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from latentwatch.alerts.reading import entities, trace
from latentwatch.detector.running_context import RunningContext
from latentwatch.review.kept_records import batch_of
from latentwatch.review.states import StateExplorer

MOST_ENTITIES = 24
"""Entities drawn: those heard of last."""
_TRACE = 200
"""Sampled records that are read, so that averages over the recent past have some."""
_TRAIL = 30
"""Of which the latest are drawn."""


@dataclass(frozen=True, slots=True)
class EntityTrail:
    """One entity's way over the map, oldest place first; where records were sampled, its averages are of the sampled ones."""

    entity: str
    places: tuple[tuple[float, float], ...]
    times: tuple[datetime, ...]
    flagged: bool
    """Whether its latest record is."""


def entity_trails(explorer: StateExplorer) -> tuple[EntityTrail, ...]:
    """Of the entities heard of last, by name. Raises Unavailable."""
    engine, detector = explorer.engine, explorer.detector
    found = []
    for one in entities(engine, explorer.monitor, MOST_ENTITIES):
        points = trace(engine, explorer.monitor, one.entity, _TRACE)
        if not points:
            continue
        times = [point.time for point in points]
        batch = batch_of(detector.schema, one.entity, times, [point.values for point in points])
        codes = detector.codes(batch, RunningContext(detector.context).extend(batch))[-_TRAIL:]
        places = detector.state_space().basis.places(np.ascontiguousarray(codes))
        drawn = tuple((float(x), float(y)) for x, y in places)
        found.append(EntityTrail(one.entity, drawn, tuple(times[-_TRAIL:]), points[-1].flagged))
    return tuple(found)
