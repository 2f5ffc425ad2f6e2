"""The map of incidents, for programs."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from latentwatch.alerts.incident_places import MOST_MAPPED, MOST_PLACED
from latentwatch.alerts.monitors import registered_monitor
from latentwatch.domain.alert import Severity, Verdict
from latentwatch.review.incident_map import MappedIncident, incident_map
from latentwatch.review.room import InRoom

router = APIRouter(tags=["incidents"])


class MappedIncidentOut(BaseModel):
    """An incident where it lies."""

    incident: int
    place: tuple[float, float] = Field(description="in parts of the map's width")
    since_placed: bool = Field(description="whether it lies between those most like it until the next night")
    entity: str = Field(description="of its strangest alert")
    alerts: int
    started: datetime
    ended: datetime
    severity: Severity
    verdict: Verdict | None = Field(description="the one that all its alerts have")
    cause: str
    features: list[str]

    @classmethod
    def of(cls, found: MappedIncident) -> "MappedIncidentOut":
        """As the map has it."""
        dot = found.dot
        return cls(
            incident=dot.incident,
            place=found.place,
            since_placed=found.since_placed,
            entity=dot.entity,
            alerts=dot.alerts,
            started=dot.started,
            ended=dot.ended,
            severity=dot.severity,
            verdict=dot.verdict,
            cause=dot.cause,
            features=list(dot.features),
        )


@router.get("/monitors/{monitor}/incidents/map")
def get_incidents_map(
    room: InRoom, monitor: str, limit: Annotated[int, Query(ge=1, le=MOST_MAPPED)] = MOST_PLACED
) -> list[MappedIncidentOut]:
    """The latest incidents, oldest first; alike ones lie together. None before they were placed at night."""
    registered_monitor(room.engine, monitor)
    return [MappedIncidentOut.of(one) for one in incident_map(room.engine, monitor, limit)]
