"""What the terminal can do with incidents: list, show, split, merge."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from latentwatch.alerts.incident_review import put_together, split_off
from latentwatch.alerts.reading import AlertFilter, Incident, incident_inbox, incident_of
from latentwatch.domain.alert import AlertStatus
from latentwatch.domain.errors import NotFound
from latentwatch.inbox import asked_database, one_of

_UNNAMED = "command line"


def recent_incidents(monitor: str | None, status: str | None, limit: int) -> tuple[Incident, ...]:
    """Incidents, newest first. Raises InvalidInput for a status that does not exist."""
    statuses = () if status is None else (one_of(AlertStatus, status, "status"),)
    return incident_inbox(asked_database(), AlertFilter(monitor=monitor, statuses=statuses), limit=limit).incidents


def one_incident(incident: int) -> Incident:
    """Raises NotFound."""
    found = incident_of(asked_database(), incident)
    if found is None:
        raise NotFound(f"there is no incident {incident}; 'latentwatch incidents list' shows those there are")
    return found


def summary(incident: Incident) -> dict[str, Any]:
    """An incident for scripts, under the names that the API uses."""
    said = asdict(incident)
    return said | {
        name: getattr(incident, name)
        for name in ("entities", "monitors", "assignees", "snoozed_until", "features", "verdict")
    }


def split_incident(incident: int, alerts: Sequence[int], author: str) -> int:
    """Returns the new incident's number. Raises InvalidInput, NotFound."""
    return split_off(asked_database(), incident, alerts, author or _UNNAMED)


def merge_incidents(incidents: Sequence[int], author: str) -> int:
    """Returns the number of the one. Raises InvalidInput, NotFound."""
    return put_together(asked_database(), incidents, author or _UNNAMED)
