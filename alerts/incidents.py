"""Incidents, the database side: alerts in as they open; which incident each is part of, out.

Runs inside the one transaction. Processes take turns, monitor by monitor, from here to the end of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, bindparam, delete, insert, select, update

from latentwatch.alerts.grouping import shifted
from latentwatch.alerts.incident_members import BY_RULE, HIDDEN, SPLIT_OFF, IncidentMemberRow
from latentwatch.alerts.session import take_turns
from latentwatch.alerts.tables import AlertRow
from latentwatch.domain.incident import TAIL_GAPS, Opening, incidents, linked, union
from latentwatch.domain.incident_rule import IncidentRule

MOST_COMPARED = 2_000
"""Alerts that began at about the time of a new one and are compared with it; of more, those that began last."""
_AT_ONCE = 1_000


def join_incidents(
    connection: Connection, monitor: str, openings: Sequence[Opening], rule: IncidentRule, grown: Sequence[int] = ()
) -> dict[int, int]:
    """Put new alerts into incidents, which may connect incidents of before; returns the incident of each new alert.

    `grown` are alerts that a late record made longer, so that what began after them may have become their tail.
    """
    if not openings and not grown:
        return {}
    take_turns(connection, [turn_of(monitor)])
    again, incident_of = (
        _members(connection, IncidentMemberRow.alert_id.in_(grown), _comparable()) if grown else ([], {})
    )
    first = {each.alert: each.alert for each in openings}
    asked = [*openings, *again]
    if not asked:
        return {}
    near, incident_of_near = _near(connection, monitor, asked, rule.within)
    incident_of = {**incident_of, **incident_of_near}
    others = [*near, *asked]
    found = union(incident_of | first, asked, others, linked(asked, others, rule))
    if not openings:
        _merge(connection, incident_of, found)
        return {}
    connection.execute(
        insert(IncidentMemberRow),
        [_member(monitor, each, found[each.alert], BY_RULE) for each in openings],
    )
    _merge(connection, incident_of, found)
    return {alert: found[alert] for alert in first}


def _merge(connection: Connection, incident_of: Mapping[int, int], found: Mapping[int, int]) -> None:
    for former, incident in sorted({(former, found[alert]) for alert, former in incident_of.items()}):
        if former != incident:
            _move(connection, former, incident)


def stand_alone(connection: Connection, monitor: str, openings: Sequence[Opening]) -> None:
    """Let alerts that a silence hides be incidents of their own, which nothing joins."""
    if openings:
        connection.execute(insert(IncidentMemberRow), [_member(monitor, each, each.alert, HIDDEN) for each in openings])


def rejoin_incidents(
    connection: Connection, monitor: str, openings: Sequence[Opening], rule: IncidentRule
) -> dict[int, int]:
    """Put alerts that no silence hides any more into incidents, as `join_incidents` does with new ones."""
    row = IncidentMemberRow
    connection.execute(delete(row).where(row.alert_id.in_([each.alert for each in openings])))
    return join_incidents(connection, monitor, openings, rule)


def _member(monitor: str, opening: Opening, incident: int, decided: str) -> dict[str, object]:
    return {
        "alert_id": opening.alert,
        "incident": incident,
        "monitor": monitor,
        "entity": opening.entity,
        "onset": opening.time,
        "pattern": dict(opening.pattern),
        "shown": dict(opening.shown),
        "decided": decided,
    }


def leave_incident(connection: Connection, monitor: str, alert: int, rule: IncidentRule) -> list[int]:
    """Take an alert of which nothing is left out of its incident; what it alone held together falls apart.

    Returns the others of the incident, in the order in which they began.
    """
    take_turns(connection, [turn_of(monitor)])
    row = IncidentMemberRow
    incident = connection.scalar(select(row.incident).where(row.alert_id == alert))
    connection.execute(delete(row).where(row.alert_id == alert))
    remaining = [] if incident is None else members_of(connection, [incident]).get(incident, [])
    members, _ = _members(connection, row.incident == incident, row.decided == BY_RULE)
    for part in incidents(members, rule):
        assign(connection, {each: min(part) for each in part}, BY_RULE)
    return remaining


def turn_of(monitor: str) -> str:
    """What to lock before incidents of a monitor change."""
    return f"incidents of {monitor}"


def assign(connection: Connection, incident_of: Mapping[int, int], decided: str) -> None:
    """Write down which incident each of these alerts is part of, and who said so."""
    if incident_of:
        connection.execute(
            _ASSIGN,
            [{"alert": alert, "to": incident, "said_by": decided} for alert, incident in sorted(incident_of.items())],
        )


def members_of(connection: Connection, incidents_asked: Iterable[int]) -> dict[int, list[int]]:
    """The alerts of each of these incidents, in the order in which they began."""
    row, asked = IncidentMemberRow, sorted(set(incidents_asked))
    found: dict[int, list[int]] = {}
    for start in range(0, len(asked), _AT_ONCE):
        rows = connection.execute(
            select(row.incident, row.alert_id)
            .where(row.incident.in_(asked[start : start + _AT_ONCE]))
            .order_by(row.onset, row.alert_id)
        )
        for incident, alert in rows:
            found.setdefault(incident, []).append(alert)
    return found


_ASSIGN = (
    update(IncidentMemberRow)
    .where(IncidentMemberRow.alert_id == bindparam("alert"))
    .values(incident=bindparam("to"), decided=bindparam("said_by"))
)


def _near(
    connection: Connection, monitor: str, openings: Sequence[Opening], within: timedelta
) -> tuple[list[Opening], dict[int, int]]:
    """Alerts that began at about the same time as one of these, or of which one of these may be the tail, and the incident
    of each."""
    row, alert = IncidentMemberRow, AlertRow
    first = min(each.time for each in openings)
    last, end = (max(times) for times in zip(*((each.time, each.ended or each.time) for each in openings), strict=True))
    at_the_time = row.onset >= shifted(first, -within), row.onset <= shifted(last, within)
    found, incident_of = _members(connection, row.monitor == monitor, *at_the_time, _comparable())
    tails, incident_of_tails = _members(
        connection,
        alert.monitor == monitor,
        alert.entity.in_({each.entity for each in openings}),
        alert.ended >= shifted(first, -TAIL_GAPS * within),
        alert.started <= shifted(end, TAIL_GAPS * within),
        _comparable(),
    )
    return [*found, *(each for each in tails if each.alert not in incident_of)], {**incident_of_tails, **incident_of}


def _comparable() -> ColumnElement[bool]:
    """What people split off, and what a silence hides, is compared with nothing."""
    return IncidentMemberRow.decided.not_in((SPLIT_OFF, HIDDEN))


def _members(connection: Connection, *conditions: ColumnElement[bool]) -> tuple[list[Opening], dict[int, int]]:
    """How the alerts of incidents that meet these began and ended, of too many those that began last; the incident of each."""
    row, alert = IncidentMemberRow, AlertRow
    rows = connection.execute(
        select(row.alert_id, row.entity, row.onset, row.pattern, alert.ended, row.shown, row.incident)
        .join(alert, alert.id == row.alert_id)
        .where(*conditions)
        .order_by(row.onset.desc(), row.alert_id.desc())
        .limit(MOST_COMPARED)
    ).all()
    return [Opening(*each[:6]) for each in rows], {each.alert_id: each.incident for each in rows}


def _move(connection: Connection, former: int, incident: int) -> None:
    row = IncidentMemberRow
    connection.execute(update(row).where(row.incident == former).values(incident=incident))
