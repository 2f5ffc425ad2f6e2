"""Alerts that are over: their entity has been normal for longer than the gap within which it would be the same alert.

Where records stand alone and come at no pace, a payment or a card may never be heard of again. There the records of others
tell that the gap has passed.

That is a fact about the stream, beside where the alert is in people's hands: an open alert that is over waits for a label,
and a closed one may go on. Found in the transaction that tells of the entities, by event time.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, Integer, bindparam, func, insert, select, update

from latentwatch.alerts.episodes import entity_key
from latentwatch.alerts.incident_members import IncidentMemberRow
from latentwatch.alerts.snoozing import wake_over
from latentwatch.alerts.step_table import StepRow
from latentwatch.alerts.tables import AlertEventRow, AlertRow
from latentwatch.domain.alert import AlertKind
from latentwatch.domain.durations import spell_duration
from latentwatch.domain.outcome import Outcome

OVER = "over"
"""The event's name."""
_MOST_LOOKED_AT = 2_000
_AT_ONCE = 1_000
_GOING_ON = (
    select(AlertRow.id, AlertRow.entity, AlertRow.started, AlertRow.ended, AlertRow.peak_partition)
    .where(
        AlertRow.monitor == bindparam("of_monitor"),
        ~AlertRow.over,
        AlertRow.kind == AlertKind.ANOMALY,
        AlertRow.id.not_in(select(StepRow.alert_id).where(StepRow.answer.is_(None))),
    )
    .order_by(AlertRow.ended)
    .limit(_MOST_LOOKED_AT)
)
_END = update(AlertRow).where(AlertRow.id == bindparam("alert")).values(over=True, updated=bindparam("now"))


def end_alerts(connection: Connection, outcome: Outcome, gap: timedelta, now: datetime) -> list[int]:
    """Mark alerts whose entity has been normal for longer than the gap, as this outcome tells of entities; returns the
    incidents that are over with them.

    An alert that asks whether a lasting change is the new normal is not over until people answer.
    """
    if not outcome.entities:
        return []
    newest = {entity_key(state.entity): state.last_time for state in outcome.entities}
    latest: dict[int, datetime] = {}
    for state in outcome.entities if outcome.one_by_one else ():
        latest[state.partition] = max(state.last_time, latest.get(state.partition, state.last_time))
    ended = [
        row
        for row in connection.execute(_GOING_ON, {"of_monitor": outcome.monitor})
        if (last := latest.get(row.peak_partition, newest.get(row.entity))) is not None and last - row.ended > gap
    ]
    if not ended:
        return []
    connection.execute(_END, [{"alert": row.id, "now": now} for row in ended])
    connection.execute(
        insert(AlertEventRow),
        [
            {
                "alert_id": row.id,
                "kind": OVER,
                "author": "",
                "note": f"lasted {spell_duration((row.ended - row.started).total_seconds())}"
                if row.ended > row.started
                else "one moment",
                "created": now,
            }
            for row in ended
        ],
    )
    wake_over(connection, [row.id for row in ended], now)
    return incidents_over(connection, [row.id for row in ended])


def incidents_over(connection: Connection, alerts: Sequence[int]) -> list[int]:
    """The incidents of these alerts that have no alert left that goes on."""
    member = IncidentMemberRow
    found: list[int] = []
    for start in range(0, len(alerts), _AT_ONCE):
        touched = select(member.incident).where(member.alert_id.in_(alerts[start : start + _AT_ONCE]))
        found += connection.scalars(
            select(member.incident)
            .join(AlertRow, AlertRow.id == member.alert_id)
            .where(member.incident.in_(touched))
            .group_by(member.incident)
            .having(func.count() == func.sum(AlertRow.over.cast(Integer)))
        )
    return sorted(set(found))
