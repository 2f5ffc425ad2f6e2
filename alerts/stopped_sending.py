"""Alerts about entities that stopped sending: one for each time, closed in the transaction of the next record.

Each time is known by the last record before it. Noticed again, after a restart, it is the same one, even where people
have closed its alert meanwhile.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select, update

from latentwatch.alerts.episodes import entity_key
from latentwatch.alerts.incidents import join_incidents
from latentwatch.alerts.tables import AlertEventRow, AlertRow
from latentwatch.domain.alert import AlertKind, AlertStatus, Severity
from latentwatch.domain.incident import IncidentRule, Opening
from latentwatch.domain.outcome import StoppedSending
from latentwatch.domain.record import Position

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
) -> dict[int, Position]:
    """Open an alert for each entity that stopped and has none for this time, unless it has an open one; returns the
    new alerts, each with its entity's last record."""
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
    rows = [_row(monitor, source, entity, stop, now) for entity, stop in sorted(latest.items())]
    numbered = connection.execute(insert(AlertRow).returning(AlertRow.id, sort_by_parameter_order=True), rows)
    opened = dict(zip(numbered.scalars(), sorted(latest.items()), strict=True))
    openings = [Opening(alert, entity, stop.since, _PATTERN) for alert, (entity, stop) in opened.items()]
    join_incidents(connection, monitor, openings, rule)
    return {alert: Position(source, stop.partition, stop.offset) for alert, (_, stop) in opened.items()}


def _row(monitor: str, source: str, entity: str, stop: StoppedSending, now: datetime) -> dict[str, object]:
    return {
        "monitor": monitor,
        "entity": entity,
        "kind": AlertKind.STOPPED_SENDING,
        "status": AlertStatus.OPEN,
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
    .values(status=AlertStatus.CLOSED, ended=bindparam("spoke"), updated=bindparam("now"))
)


def close_stopped(connection: Connection, monitor: str, heard: Mapping[str, datetime], now: datetime) -> None:
    """Close the alerts of entities that send again; the others, mostly all, cost one look together."""
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


def _pieces(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Few enough names for a statement's parameters."""
    for start in range(0, len(names), _NAMES_AT_ONCE):
        yield names[start : start + _NAMES_AT_ONCE]
