"""What people say of incidents themselves: these alerts do not belong with the others, or these belong together."""

from collections.abc import Sequence

from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from latentwatch.alerts.incident_members import PUT_TOGETHER, SPLIT_OFF, IncidentMemberRow
from latentwatch.alerts.incidents import assign, members_of, turn_of
from latentwatch.alerts.reviewing import locked_alert, write_event
from latentwatch.alerts.session import reading, take_turns, transaction
from latentwatch.domain.clock import Clock, stopped
from latentwatch.domain.errors import InvalidInput, NotFound


def alerts_of_incident(engine: Engine, incident: int) -> list[int]:
    """Its alerts, in the order in which they began. Raises NotFound, Unavailable."""
    with reading(engine) as session:
        return _alerts_of(session, incident)


def split_off(engine: Engine, incident: int, alerts: Sequence[int], author: str, clock: Clock | None = None) -> int:
    """Make some alerts of an incident one of their own; returns its number.

    What comes later joins the others as it did, and not these. Raises NotFound, Unavailable, and InvalidInput where an alert
    is not of the incident, or all are.
    """
    chosen = sorted(set(alerts))
    with transaction(engine) as session:
        _take_turns_over(session, [incident])
        members = _alerts_of(session, incident)
        strangers = [alert for alert in chosen if alert not in members]
        if strangers or not chosen:
            raise InvalidInput(
                f"incident {incident} has no alert {strangers[0]}" if strangers else "name the alerts to split off"
            )
        if len(chosen) == len(members):
            raise InvalidInput(f"these are all alerts of incident {incident}: nothing would be left of it")
        rest = [alert for alert in members if alert not in chosen]
        # Both keep the number of their first alert, so that no number means two things.
        assign(session.connection(), {alert: min(chosen) for alert in chosen}, SPLIT_OFF)
        if min(rest) != incident:
            row = IncidentMemberRow
            session.execute(update(row).where(row.alert_id.in_(rest)).values(incident=min(rest)))
        named, clock = ", ".join(map(str, chosen)), stopped(clock)
        for alert in members:
            said = f"of incident {incident}" if alert in chosen else f"alerts {named} of incident {incident}"
            write_event(session, locked_alert(session, alert), "split off", author, said, clock)
        return min(chosen)


def put_together(engine: Engine, incidents: Sequence[int], author: str, clock: Clock | None = None) -> int:
    """Make several incidents one, of one monitor or of several; returns its number.

    Raises NotFound, Unavailable, and InvalidInput for fewer than two.
    """
    chosen = sorted(set(incidents))
    if len(chosen) < 2:
        raise InvalidInput("name at least two incidents to put together")
    with transaction(engine) as session:
        _take_turns_over(session, chosen)
        members = [alert for incident in chosen for alert in _alerts_of(session, incident)]
        assign(session.connection(), dict.fromkeys(members, chosen[0]), PUT_TOGETHER)
        named, clock = ", ".join(map(str, chosen)), stopped(clock)
        for alert in sorted(members):
            write_event(session, locked_alert(session, alert), "put together", author, f"incidents {named}", clock)
        return chosen[0]


def _alerts_of(session: Session, incident: int) -> list[int]:
    found = members_of(session.connection(), [incident]).get(incident)
    if not found:
        raise NotFound(f"there is no incident {incident}; it may have joined another, or never have been")
    return found


def _take_turns_over(session: Session, incidents: Sequence[int]) -> None:
    row = IncidentMemberRow
    monitors = session.scalars(select(row.monitor).where(row.incident.in_(incidents)).distinct()).all()
    take_turns(session.connection(), [turn_of(monitor) for monitor in sorted(monitors)])
