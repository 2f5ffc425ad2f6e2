"""Alerts about entities that stopped sending: one for each time, closed in the transaction of the next record.

Each time is known by the last record before it, and has one alert, of a missed run or of stopped sending. Noticed again, after
a restart, it is the same one, even where people have closed its alert meanwhile. Under a silence nobody is told, until the
silence ends and the entity still sends nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from latentwatch.alerts.ending import incidents_over
from latentwatch.alerts.episodes import entity_key
from latentwatch.alerts.incidents import join_incidents, rejoin_incidents, stand_alone
from latentwatch.alerts.silences import silences_since
from latentwatch.alerts.tables import AlertEventRow, AlertRow
from latentwatch.domain.alert import AlertKind, AlertStatus, Severity
from latentwatch.domain.incident import Opening
from latentwatch.domain.incident_rule import IncidentRule
from latentwatch.domain.outcome import MissedRun, StoppedSending
from latentwatch.domain.record import Position
from latentwatch.domain.silence import Silence, hidden_by
from latentwatch.domain.stake import Stake

_NAMES_AT_ONCE = 1_000
ABSENCES = (AlertKind.STOPPED_SENDING, AlertKind.MISSED_RUN)
"""Kinds of alerts that say that nothing comes of an entity."""


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
    for names in pieces(sorted(latest)):
        known = connection.execute(
            select(
                AlertRow.entity, AlertRow.status, AlertRow.over,
                AlertRow.peak_source, AlertRow.peak_partition, AlertRow.peak_offset,
            ).where(AlertRow.monitor == monitor, AlertRow.kind.in_(ABSENCES), AlertRow.entity.in_(names))
        )  # fmt: skip
        for entity, status, over, *last in known:
            stop = latest.get(entity)
            if stop is None:
                continue
            if (status is not AlertStatus.CLOSED and not over) or last == [source, stop.partition, stop.offset]:
                del latest[entity]
    if not latest:
        return {}
    silences = silences_since(connection, monitor, now)
    rows = [
        absence_row(monitor, source, entity, stop, stop.since, hidden_by(silences, entity, now), rule.stake, now)
        for entity, stop in sorted(latest.items())
    ]
    return open_absences(connection, monitor, rows, rule)


def open_absences(
    connection: Connection, monitor: str, rows: Sequence[Mapping[str, Any]], rule: IncidentRule
) -> dict[int, Position | None]:
    """Insert alerts as `absence_row` made them; each with its entity's last record, or None where a silence hides it."""
    numbered = connection.execute(insert(AlertRow).returning(AlertRow.id, sort_by_parameter_order=True), rows)
    opened = dict(zip(numbered.scalars(), rows, strict=True))
    openings = [Opening(alert, row["entity"], row["started"], _pattern(row["kind"])) for alert, row in opened.items()]
    shown = {alert for alert, row in opened.items() if row["silence_id"] is None}
    join_incidents(connection, monitor, [each for each in openings if each.alert in shown], rule)
    stand_alone(connection, monitor, [each for each in openings if each.alert not in shown])
    return {
        alert: Position(row["peak_source"], row["peak_partition"], row["peak_offset"]) if alert in shown else None
        for alert, row in opened.items()
    }


def _pattern(kind: AlertKind) -> dict[str, float]:
    """In place of reasons: entities that stopped together, or missed their runs together, are one incident."""
    return {f"({kind.in_words})": 1.0}


def reveal_outlasting(connection: Connection, monitor: str, rule: IncidentRule, now: datetime) -> dict[int, Position]:
    """Open the hidden alerts of entities that still send nothing after the silence that hid them.

    Returns them, each with its entity's last record.
    """
    row = AlertRow
    found = connection.execute(
        select(
            row.id, row.kind, row.entity, row.started, row.peak_source, row.peak_partition, row.peak_offset,
            row.silence_id,
        )
        .where(row.monitor == monitor, row.status == AlertStatus.SILENCED, row.kind.in_(ABSENCES), ~row.over)
        .order_by(row.id)
        .with_for_update()
    ).all()  # fmt: skip
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
        connection,
        monitor,
        [Opening(each.id, each.entity, each.started, _pattern(each.kind)) for each in over],
        rule,
    )
    return {each.id: Position(each.peak_source, each.peak_partition, each.peak_offset) for each in over}


_REVEAL = (
    update(AlertRow).where(AlertRow.id == bindparam("alert")).values(status=AlertStatus.OPEN, updated=bindparam("now"))
)


def absence_row(
    monitor: str,
    source: str,
    entity: str,
    stop: StoppedSending | MissedRun,
    started: datetime,
    hidden: Silence | None,
    stake: Stake,
    now: datetime,
) -> dict[str, Any]:
    """An alert without records, `hidden` or not, that began at an event time."""
    return {
        "monitor": monitor,
        "entity": entity,
        "kind": AlertKind.MISSED_RUN if isinstance(stop, MissedRun) else AlertKind.STOPPED_SENDING,
        "status": AlertStatus.OPEN if hidden is None else AlertStatus.SILENCED,
        "silence_id": None if hidden is None else hidden.id,
        "severity": Severity.MEDIUM,
        "started": started,
        "ended": started,
        "over": False,
        "records": 0,
        "peak_surprise": 0.0,
        "peak_source": source,
        "peak_partition": stop.partition,
        "peak_offset": stop.offset,
        "threshold": stop.threshold,
        "model_version": stop.model_version,
        "features": [],
        "at_stake": stake.of(()),
        "stake_named": stake.named,
        "created": now,
        "updated": now,
    }


_END = (
    update(AlertRow)
    .where(AlertRow.id == bindparam("alert"))
    .values(status=AlertStatus.CLOSED, over=True, ended=bindparam("spoke"), updated=bindparam("now"))
)


_CLOSING = {
    AlertKind.STOPPED_SENDING: "it sends again",
    AlertKind.MISSED_RUN: "the run came after all, only late",
}


def close_stopped(connection: Connection, monitor: str, heard: Mapping[str, datetime], now: datetime) -> list[int]:
    """Close the alerts of entities that send again; the others, mostly all, cost one look together. Of missed runs that is to
    be asked after `store_missed`, which knows where a run is missing for good.

    Returns the incidents that are over with them.
    """
    closed: list[int] = []
    spoke = {entity_key(entity): time for entity, time in heard.items()}
    for names in pieces(sorted(spoke)):
        found = connection.execute(
            select(AlertRow.id, AlertRow.entity, AlertRow.started, AlertRow.kind)
            .where(
                AlertRow.monitor == monitor,
                AlertRow.kind.in_(ABSENCES),
                AlertRow.status != AlertStatus.CLOSED,
                ~AlertRow.over,
                AlertRow.entity.in_(names),
            )
            .order_by(AlertRow.id)
            .with_for_update()
        ).all()
        if found:
            ends = [
                {"alert": alert, "spoke": max(spoke[entity], started), "now": now}
                for alert, entity, started, _ in found
            ]
            connection.execute(_END, ends)
            events = [
                {"alert_id": alert, "kind": "closed", "author": "", "note": _CLOSING[kind], "created": now}
                for alert, _, _, kind in found
            ]
            connection.execute(insert(AlertEventRow), events)
            closed += [alert for alert, *_ in found]
    return incidents_over(connection, closed)


def pieces(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Few enough names for a statement's parameters."""
    for start in range(0, len(names), _NAMES_AT_ONCE):
        yield names[start : start + _NAMES_AT_ONCE]
