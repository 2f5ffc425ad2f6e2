"""Alerts about entities that stopped sending: one for each time, closed in the transaction of the next record.

Each time is known by the last record before it. Noticed again, after a restart, it is the same one, even where people
have closed its alert meanwhile. Under a silence nobody is told, until the silence ends and the entity still sends nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select, update

from latentwatch.alerts.ending import incidents_over
from latentwatch.alerts.episodes import entity_key
from latentwatch.alerts.incidents import join_incidents, rejoin_incidents, stand_alone
from latentwatch.alerts.silences import silences_since
from latentwatch.alerts.tables import AlertEventRow, AlertRow
from latentwatch.domain.alert import AlertKind, AlertStatus, Severity
from latentwatch.domain.incident import Opening
from latentwatch.domain.incident_rule import IncidentRule
from latentwatch.domain.outcome import StoppedSending
from latentwatch.domain.record import Position
from latentwatch.domain.silence import Silence, hidden_by

_NAMES_AT_ONCE = 1_000
_PATTERN = {"(stopped sending)": 1.0}
"""In place of reasons: entities that stopped together are one incident."""


def open_stopped(
    connection: Connection,
    monitor: str,
    source: str,
    stops: Sequence[StoppedSending],
    rule: IncidentRule,
    now: datetime,
) -> dict[int, Position | None]:
    """Open an alert for each entity that stopped and has none for this time, unless it has an open one; returns the
    new alerts, each with its entity's last record, or None where a silence hides it."""
    latest = {entity_key(stop.entity): stop for stop in stops}
    for names in _pieces(sorted(latest)):
        known = connection.execute(
            select(AlertRow.entity, AlertRow.status, AlertRow.peak_source, AlertRow.peak_partition, AlertRow.peak_offset)
            .where(AlertRow.monitor == monitor, AlertRow.kind == AlertKind.STOPPED_SENDING, AlertRow.entity.in_(names))
        )  # fmt: skip
        for entity, status, *last in known:
            stop = latest.get(entity)
            if stop is None:
                continue
            if status is not AlertStatus.CLOSED or last == [source, stop.partition, stop.offset]:
                del latest[entity]
    if not latest:
        return {}
    silences = silences_since(connection, monitor, now)
    hidden = {entity: hidden_by(silences, entity, now) for entity in latest}
    rows = [_row(monitor, source, entity, stop, hidden[entity], now) for entity, stop in sorted(latest.items())]
    numbered = connection.execute(insert(AlertRow).returning(AlertRow.id, sort_by_parameter_order=True), rows)
    opened = dict(zip(numbered.scalars(), sorted(latest.items()), strict=True))
    openings = [Opening(alert, entity, stop.since, _PATTERN) for alert, (entity, stop) in opened.items()]
    join_incidents(connection, monitor, [each for each in openings if hidden[each.entity] is None], rule)
    stand_alone(connection, monitor, [each for each in openings if hidden[each.entity] is not None])
    return {
        alert: None if hidden[entity] else Position(source, stop.partition, stop.offset)
        for alert, (entity, stop) in opened.items()
    }


def reveal_outlasting(connection: Connection, monitor: str, rule: IncidentRule, now: datetime) -> dict[int, Position]:
    """Open the hidden alerts of entities that still send nothing after the silence that hid them.

    Returns them, each with its entity's last record.
    """
    row = AlertRow
    found = connection.execute(
        select(row.id, row.entity, row.started, row.peak_source, row.peak_partition, row.peak_offset, row.silence_id)
        .where(row.monitor == monitor, row.status == AlertStatus.SILENCED, row.kind == AlertKind.STOPPED_SENDING)
        .order_by(row.id)
        .with_for_update()
    ).all()
    if not found:
        return {}
    silences = silences_since(connection, monitor, now)
    over = [each for each in found if hidden_by(silences, each.entity, now) is None]
    if not over:
        return {}
    connection.execute(_REVEAL, [{"alert": each.id, "now": now} for each in over])
    connection.execute(
        insert(AlertEventRow),
        [
            {
                "alert_id": each.id,
                "kind": "opened",
                "author": "",
                "note": f"it still sends nothing, and silence {each.silence_id} no longer hides it",
                "created": now,
            }
            for each in over
        ],
    )
    rejoin_incidents(
        connection, monitor, [Opening(each.id, each.entity, each.started, _PATTERN) for each in over], rule
    )
    return {each.id: Position(each.peak_source, each.peak_partition, each.peak_offset) for each in over}


_REVEAL = (
    update(AlertRow).where(AlertRow.id == bindparam("alert")).values(status=AlertStatus.OPEN, updated=bindparam("now"))
)


def _row(
    monitor: str, source: str, entity: str, stop: StoppedSending, hidden: Silence | None, now: datetime
) -> dict[str, object]:
    return {
        "monitor": monitor,
        "entity": entity,
        "kind": AlertKind.STOPPED_SENDING,
        "status": AlertStatus.OPEN if hidden is None else AlertStatus.SILENCED,
        "silence_id": None if hidden is None else hidden.id,
        "severity": Severity.MEDIUM,
        "started": stop.since,
        "ended": stop.since,
        "records": 0,
        "peak_surprise": 0.0,
        "peak_source": source,
        "peak_partition": stop.partition,
        "peak_offset": stop.offset,
        "threshold": stop.threshold,
        "model_version": stop.model_version,
        "features": [],
        "created": now,
        "updated": now,
    }


_END = (
    update(AlertRow)
    .where(AlertRow.id == bindparam("alert"))
    .values(status=AlertStatus.CLOSED, over=True, ended=bindparam("spoke"), updated=bindparam("now"))
)


def close_stopped(connection: Connection, monitor: str, heard: Mapping[str, datetime], now: datetime) -> list[int]:
    """Close the alerts of entities that send again; the others, mostly all, cost one look together.

    Returns the incidents that are over with them.
    """
    closed: list[int] = []
    spoke = {entity_key(entity): time for entity, time in heard.items()}
    for names in _pieces(sorted(spoke)):
        found = connection.execute(
            select(AlertRow.id, AlertRow.entity, AlertRow.started)
            .where(
                AlertRow.monitor == monitor,
                AlertRow.kind == AlertKind.STOPPED_SENDING,
                AlertRow.status != AlertStatus.CLOSED,
                AlertRow.entity.in_(names),
            )
            .order_by(AlertRow.id)
            .with_for_update()
        ).all()
        if found:
            ends = [
                {"alert": alert, "spoke": max(spoke[entity], started), "now": now} for alert, entity, started in found
            ]
            connection.execute(_END, ends)
            events = [
                {"alert_id": alert, "kind": "closed", "author": "", "note": "it sends again", "created": now}
                for alert, _, _ in found
            ]
            connection.execute(insert(AlertEventRow), events)
            closed += [alert for alert, _, _ in found]
    return incidents_over(connection, closed)


def _pieces(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Few enough names for a statement's parameters."""
    for start in range(0, len(names), _NAMES_AT_ONCE):
        yield names[start : start + _NAMES_AT_ONCE]
