"""A flagged record as the columns of its row, and back."""

from typing import Any

import numpy as np
from sqlalchemy import Row as Columns

from latentwatch.alerts.tables import FlaggedRecordRow
from latentwatch.domain.alert import FlaggedRecord
from latentwatch.domain.record import Position
from latentwatch.domain.rules import Grounds
from latentwatch.domain.scores import Explanation, Neighbour


def flagged_row(monitor: str, record: FlaggedRecord, alert: int | None) -> dict[str, Any]:
    """A record's columns; without an alert those of a record that has one already."""
    why = record.explanation
    return {
        "monitor": monitor,
        "source": record.position.source,
        "partition": record.position.partition,
        "offset": record.position.offset,
        "alert_id": alert,
        "entity": record.entity,
        "time": record.time,
        "surprise": record.surprise,
        "reconstruction": record.reconstruction,
        "density": record.density,
        "components": why.parts,
        "extrapolated": record.extrapolated,
        "warming": record.warming,
        "threshold": record.threshold,
        "model_version": record.model_version,
        "bundle": record.bundle,
        "values": record.values,
        "context": record.context,
        "seen": record.seen,
        "expected": why.expected,
        "contributions": why.contributions,
        "neighbours": [{"distance": near.distance, "values": near.values} for near in why.neighbours],
        "code": np.asarray(why.code, np.float32),
        "place_x": why.place[0],
        "place_y": why.place[1],
        "arrival": record.arrival,
        "revision": record.revision,
        "grounds": record.grounds.to_json(),
    }


def flagged_of(row: FlaggedRecordRow | Columns[Any]) -> FlaggedRecord:
    """A flagged record with its explanation."""
    return FlaggedRecord(
        position=Position(row.source, row.partition, row.offset),
        entity=row.entity,
        time=row.time,
        surprise=row.surprise,
        reconstruction=row.reconstruction,
        density=row.density,
        extrapolated=row.extrapolated,
        warming=row.warming,
        threshold=row.threshold,
        model_version=row.model_version,
        bundle=row.bundle,
        values=row.values,
        context=row.context,
        seen=row.seen,
        explanation=Explanation(
            expected=row.expected,
            contributions=row.contributions,
            neighbours=tuple(Neighbour(one["distance"], one["values"]) for one in row.neighbours),
            code=tuple(float(value) for value in row.code),
            place=(row.place_x, row.place_y),
            parts=row.components,
        ),
        grounds=Grounds.from_json(row.grounds),
        arrival=row.arrival,
        revision=row.revision,
    )
