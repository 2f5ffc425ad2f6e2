"""What the terminal can do with incidents: list, show, label, split, merge, and take back."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from latentwatch.alerts.bulk_review import BulkAction, BulkDone, act_on_many, undo
from latentwatch.alerts.incident_review import alerts_of_incident, put_together, split_off
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
    return said | {name: getattr(incident, name) for name in ("entities", "monitors", "features", "verdict")}


def act_on_incident(incident: int, action: str, author: str, cause: str = "", note: str = "") -> BulkDone:
    """Do one thing to all alerts of an incident. Raises InvalidInput, NotFound."""
    word = one_of(BulkAction, action, "action or a verdict")
    engine = asked_database()
    return act_on_many(engine, alerts_of_incident(engine, incident), word, author or _UNNAMED, cause, note)


def take_back(action: int, author: str) -> BulkDone:
    """Undo what was done to many alerts. Raises InvalidInput, NotFound."""
    return undo(asked_database(), action, author or _UNNAMED)


def split_incident(incident: int, alerts: Sequence[int], author: str) -> int:
    """Returns the new incident's number. Raises InvalidInput, NotFound."""
    return split_off(asked_database(), incident, alerts, author or _UNNAMED)


def merge_incidents(incidents: Sequence[int], author: str) -> int:
    """Returns the number of the one. Raises InvalidInput, NotFound."""
    return put_together(asked_database(), incidents, author or _UNNAMED)
