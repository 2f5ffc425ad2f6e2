"""Alerts about runs that should have come and did not: one for each time, over once a run comes.

Each time is known by the last record before it, as one that stopped sending is. A run that comes in its turn ends the alert, and
the alert stays open for people to see: what was missed is missing for good. Where the run came after all, only late, the alert is
closed with the record's transaction (`close_stopped`).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, insert, or_, select, update

from latentwatch.alerts.ending import OVER, incidents_over
from latentwatch.alerts.episodes import entity_key
from latentwatch.alerts.silences import silences_since
from latentwatch.alerts.stopped_sending import ABSENCES, absence_row, open_absences, pieces
from latentwatch.alerts.tables import AlertEventRow, AlertRow
from latentwatch.domain.alert import AlertKind, AlertStatus
from latentwatch.domain.incident_rule import IncidentRule
from latentwatch.domain.outcome import MissedRun
from latentwatch.domain.record import Position
from latentwatch.domain.silence import hidden_by

_Time = tuple[str, int, int]
"""Entity, partition and offset of its last record."""


def store_missed(
    connection: Connection,
    monitor: str,
    source: str,
    missed: Sequence[MissedRun],
    rule: IncidentRule,
    now: datetime,
) -> tuple[dict[int, Position | None], list[int]]:
    """Open an alert for each time that has none, and end those after which a run came.

    Returns the new alerts, each with its entity's last record, or None where a silence hides it; and the incidents that are
    over. A time that has begun gets none where nothing comes of its entity already, by an alert of either kind.
    """
    if not missed:
        return {}, []
    asked: dict[_Time, MissedRun] = {}
    for run in sorted(missed, key=lambda run: run.until is not None):  # what is known to be over says more
        asked[entity_key(run.entity), run.partition, run.offset] = run
    known, going_on = _known(connection, monitor, source, asked)
    ended = [
        {"alert": known[time].id, "ended": run.until, "now": now, "runs": run.runs}
        for time, run in asked.items()
        if run.until is not None and time in known and _goes_on(known[time])
    ]
    if ended:
        connection.execute(_END, [{name: each[name] for name in ("alert", "ended", "now")} for each in ended])
        connection.execute(insert(AlertEventRow), [_event(each["alert"], each["runs"], now) for each in ended])
    new = [
        (time, run)
        for time, run in sorted(asked.items())
        if time not in known and (run.until is not None or time[0] not in going_on)
    ]
    opened: dict[int, Position | None] = {}
    if new:
        silences = silences_since(connection, monitor, min(run.due for _, run in new))
        rows = []
        for (entity, *_), run in new:
            hidden = hidden_by(silences, entity, now if run.until is None else run.due)
            row = absence_row(monitor, source, entity, run, run.due, hidden, rule.stake, now)
            rows.append(row if run.until is None else {**row, "ended": run.until, "over": True})
        opened = open_absences(connection, monitor, rows, rule)
        over = [(alert, run) for alert, (_, run) in zip(opened, new, strict=True) if run.until is not None]
        if over:
            connection.execute(insert(AlertEventRow), [_event(alert, run.runs, now) for alert, run in over])
    return opened, incidents_over(connection, [each["alert"] for each in ended])


def _known(
    connection: Connection, monitor: str, source: str, asked: dict[_Time, MissedRun]
) -> tuple[dict[_Time, Any], set[str]]:
    """Alerts of these times, and which of their entities have one, of any time, that goes on."""
    row, names, offsets = AlertRow, sorted({entity for entity, *_ in asked}), sorted({time[2] for time in asked})
    known: dict[_Time, Any] = {}
    going_on: set[str] = set()
    for some in pieces(names):
        found = connection.execute(
            select(
                row.id, row.kind, row.entity, row.status, row.over, row.peak_source, row.peak_partition, row.peak_offset
            )
            .where(row.monitor == monitor, row.kind.in_(ABSENCES), row.entity.in_(some))
            .where(or_(~row.over, and_(row.peak_source == source, row.peak_offset >= offsets[0])))
            .order_by(row.id)
            .with_for_update()
        )
        for each in found:
            if each.peak_source == source:
                known[each.entity, each.peak_partition, each.peak_offset] = each
            if not each.over and each.status is not AlertStatus.CLOSED:
                going_on.add(each.entity)
    return known, going_on


def _goes_on(alert: Any) -> bool:
    """Whether a run that came ends it: one that people closed, too, is over then."""
    return alert.kind is AlertKind.MISSED_RUN and not alert.over


_END = (
    update(AlertRow)
    .where(AlertRow.id == bindparam("alert"))
    .values(over=True, ended=bindparam("ended"), updated=bindparam("now"))
)


def _event(alert: int, runs: int, now: datetime) -> dict[str, object]:
    missing = "1 run is missing" if runs == 1 else f"{runs} runs are missing"
    return {"alert_id": alert, "kind": OVER, "author": "", "note": f"a run came again; {missing}", "created": now}
