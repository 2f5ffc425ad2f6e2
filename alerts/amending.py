"""The database side of amended decisions: the former ones are kept, the flagged records and their alerts corrected.

Runs inside the one transaction, before the batch's own flagged records are grouped: an alert whose last record is
withdrawn closes, and takes no new one in.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, literal, select, update

from latentwatch.alerts.announcing import News
from latentwatch.alerts.columns import finite
from latentwatch.alerts.courses import retell
from latentwatch.alerts.episodes import entity_key, extend, record_escalations, turns_of
from latentwatch.alerts.flagged_rows import flagged_row
from latentwatch.alerts.former_decisions import FormerDecisionRow
from latentwatch.alerts.grouping import Episode, each_limit
from latentwatch.alerts.incidents import leave_incident
from latentwatch.alerts.outbox import DUE, GIVEN_UP
from latentwatch.alerts.session import take_turns
from latentwatch.alerts.tables import (
    AlertEventRow,
    AlertRow,
    FlaggedRecordRow,
    KeptTraceRow,
    NotificationRow,
)
from latentwatch.domain.alert import AlertStatus, Amendment, FlaggedRecord, Severity, blamed
from latentwatch.domain.incident_rule import IncidentRule
from latentwatch.domain.record import Position
from latentwatch.domain.rules import Crossing, Grounds
from latentwatch.domain.stake import Stake

WITHDRAWN = "withdrawn by late records"
_AT_ONCE = 200
_SAME_SURPRISE = 1e-3
"""Within which a surprise is the same one: the arithmetic of another batch size, in which it may have been computed."""


def take_turns_with(
    connection: Connection, monitor: str, amendments: Sequence[Amendment], flagged: Sequence[FlaggedRecord]
) -> None:
    """Lock the entities of both at once, in the order in which everybody locks them."""
    names = {entity_key(each.entity) for each in amendments} | {entity_key(each.entity) for each in flagged}
    take_turns(connection, turns_of(monitor, names))


def correct(
    connection: Connection, monitor: str, amendments: Sequence[Amendment], rule: IncidentRule, now: datetime
) -> News:
    """Amend records that were flagged, and bring their alerts in line; returns which became critical."""
    if amendments:
        _correct_trace(connection, monitor, amendments)
    stored = [each for each in amendments if each.formerly_flagged]
    if not stored:
        return News()
    touched = _alerts_of(connection, monitor, stored)
    connection.execute(_KEEP_FLAGGED, [_key(monitor, each) | _since(each, now) for each in stored])
    revised = [each for each in stored if each.flagged is not None]
    if revised:
        connection.execute(_REVISE, [_key(monitor, each) | _columns(monitor, each) for each in revised])
    withdrawn = [each for each in stored if each.flagged is None]
    if withdrawn:
        connection.execute(_WITHDRAW, [_key(monitor, each) for each in withdrawn])
    return _correct_alerts(connection, monitor, sorted(set(touched.values())), rule, now)


def remember_raised(connection: Connection, monitor: str, amendments: Sequence[Amendment], now: datetime) -> None:
    """The former decisions of records that are flagged only now; they must be stored already."""
    raised = [each for each in amendments if not each.formerly_flagged]
    if raised:
        connection.execute(
            _KEEP_RAISED,
            [_key(monitor, each) | _since(each, now) | {"former": each.former_surprise} for each in raised],
        )
        connection.execute(_RAISE, [_key(monitor, each) for each in raised])


_flagged = FlaggedRecordRow
_THIS = (
    _flagged.monitor == bindparam("of_monitor"),
    _flagged.source == bindparam("of_source"),
    _flagged.partition == bindparam("of_partition"),
    _flagged.offset == bindparam("of_offset"),
)
_SHARED = ("alert_id", "monitor", "source", "partition", "offset", "time", "threshold", "model_version")
_INPUT = ("bundle", "values", "context", "seen")
_SINCE = ("surprise_since", "flagged_since", "cause_partition", "cause_offset", "amended")


def _bound(name: str) -> Any:
    return bindparam(f"new_{name}", type_=FormerDecisionRow.__table__.c[name].type)


_KEEP_FLAGGED = insert(FormerDecisionRow).from_select(
    [*_SHARED, *_INPUT, "surprise", "flagged", *_SINCE],
    select(
        *(getattr(_flagged, name) for name in (*_SHARED, *_INPUT, "surprise")),
        literal(True),
        *map(_bound, _SINCE),
    ).where(*_THIS),
)
_KEEP_RAISED = insert(FormerDecisionRow).from_select(
    [*_SHARED, "surprise", "flagged", *_SINCE],
    select(
        *(getattr(_flagged, name) for name in _SHARED),
        bindparam("former", type_=FormerDecisionRow.__table__.c.surprise.type),
        literal(False),
        *map(_bound, _SINCE),
    ).where(*_THIS),
)
_former = FormerDecisionRow
_AMENDED_SO_FAR = (
    select(func.count())
    .where(
        _former.monitor == _flagged.monitor,
        _former.source == _flagged.source,
        _former.partition == _flagged.partition,
        _former.offset == _flagged.offset,
    )
    .correlate(_flagged)
    .scalar_subquery()
)
_FIXED = {"monitor", "source", "partition", "offset", "alert_id", "entity", "time", "arrival", "revision"}
_REVISED = [column.name for column in _flagged.__table__.columns if column.name not in _FIXED]
_REVISE = (
    update(_flagged)
    .where(*_THIS)
    .values(
        {name: bindparam(f"new_{name}", type_=_flagged.__table__.c[name].type) for name in _REVISED}
        | {"revision": _AMENDED_SO_FAR}
    )
)
_RAISE = update(_flagged).where(*_THIS).values(revision=_AMENDED_SO_FAR)
_WITHDRAW = delete(_flagged).where(*_THIS)


def _key(monitor: str, amendment: Amendment) -> dict[str, Any]:
    source, partition, offset = amendment.position
    return {"of_monitor": monitor, "of_source": source, "of_partition": partition, "of_offset": offset}


def _since(amendment: Amendment, now: datetime) -> dict[str, Any]:
    return {
        "new_surprise_since": amendment.surprise,
        "new_flagged_since": amendment.flagged is not None,
        "new_cause_partition": amendment.cause.partition,
        "new_cause_offset": amendment.cause.offset,
        "new_amended": now,
    }


def _columns(monitor: str, amendment: Amendment) -> dict[str, Any]:
    assert amendment.flagged is not None
    row = flagged_row(monitor, amendment.flagged, None)
    return {f"new_{name}": row[name] for name in _REVISED}


def _alerts_of(connection: Connection, monitor: str, amendments: Sequence[Amendment]) -> dict[Position, int]:
    """The alert of each record."""
    row, found = FlaggedRecordRow, {}
    by_partition: dict[tuple[str, int], list[int]] = {}
    for each in amendments:
        by_partition.setdefault(each.position[:2], []).append(each.position.offset)
    for (source, partition), offsets in sorted(by_partition.items()):
        for start in range(0, len(offsets), _AT_ONCE):
            alerts = connection.execute(
                select(row.offset, row.alert_id).where(
                    row.monitor == monitor,
                    row.source == source,
                    row.partition == partition,
                    row.offset.in_(offsets[start : start + _AT_ONCE]),
                )
            )
            found.update({Position(source, partition, offset): alert for offset, alert in alerts})
    return found


def _correct_trace(connection: Connection, monitor: str, amendments: Sequence[Amendment]) -> None:
    """What is kept of the trace says what is said now.

    A kept point has no position: what it says tells it from another record of the entity's same moment.
    """
    row, of_entity = KeptTraceRow, dict[str, list[Amendment]]()
    for each in amendments:
        of_entity.setdefault(entity_key(each.entity), []).append(each)
    for entity, theirs in sorted(of_entity.items()):
        moments = [each.time for each in theirs]
        pieces = connection.execute(
            select(row.id, row.points)
            .where(row.monitor == monitor, row.entity == entity, row.until >= min(moments), row.since <= max(moments))
            .order_by(row.id)
            .with_for_update()
        ).all()
        for piece, points in pieces:
            corrected = points
            for each in theirs:
                scores = (finite(each.surprise), finite(each.reconstruction), finite(each.density))
                corrected = corrected.with_scores_of(
                    each.time, each.former_surprise, scores, each.flagged is not None, _SAME_SURPRISE
                )
            if corrected is not points:
                connection.execute(update(row).where(row.id == piece).values(points=corrected))


def _correct_alerts(
    connection: Connection, monitor: str, alerts: Sequence[int], rule: IncidentRule, now: datetime
) -> News:
    """Span, length, peak and severity from the records that are left; without any, an alert closes."""
    corrected: list[Episode] = []
    events: list[dict[str, Any]] = []
    for alert in alerts:
        before = connection.execute(
            select(AlertRow.status, AlertRow.records, AlertRow.severity, AlertRow.entity).where(AlertRow.id == alert)
            .with_for_update()
        ).one()  # fmt: skip
        episode = _episode(connection, alert, before.entity, before.severity, rule.stake)
        if episode is None:
            _close(connection, alert, leave_incident(connection, monitor, alert, rule), now)
            events.append(_event(alert, "withdrawn", WITHDRAWN, now))
            continue
        retell(connection, episode)
        episode.untold = before.status is AlertStatus.SILENCED
        corrected.append(episode)
        if (episode.records, episode.severity) != (before.records, before.severity):
            note = f"amended by late records: {before.records} flagged records are {episode.records}"
            events.append(_event(alert, "amended", f"{note}, peak surprise {episode.peak_surprise:.1f}", now))
    extend(connection, corrected, now)
    if events:
        connection.execute(insert(AlertEventRow), events)
    urgent = [
        each for each in corrected
        if each.severity is Severity.CRITICAL and each.stored_severity is not Severity.CRITICAL and not each.untold
    ]  # fmt: skip
    record_escalations(connection, urgent, now)
    return News(critical=frozenset(each.id for each in urgent if each.id is not None))


def _episode(connection: Connection, alert: int, entity: str, severity: Severity, stake: Stake) -> Episode | None:
    row = FlaggedRecordRow
    started, ended, records = connection.execute(
        select(func.min(row.time), func.max(row.time), func.count()).where(row.alert_id == alert)
    ).one()
    if not records:
        return None
    peak = connection.execute(
        select(
            row.surprise, row.source, row.partition, row.offset, row.threshold, row.model_version, row.contributions,
            row.grounds,
        )
        .where(row.alert_id == alert)
        .order_by(row.surprise.desc(), row.partition, row.offset)
        .limit(1)
    ).one()  # fmt: skip
    return Episode(
        entity=entity,
        started=started,
        ended=ended,
        records=records,
        peak_surprise=peak.surprise,
        peak=Position(peak.source, peak.partition, peak.offset),
        threshold=peak.threshold,
        model_version=peak.model_version,
        features=blamed(Grounds.from_json(peak.grounds), peak.contributions),
        crossed=_crossed(connection, alert),
        at_stake=_at_stake(connection, alert, stake),
        stake_named=stake.named,
        id=alert,
        stored_severity=severity,
    )


def _at_stake(connection: Connection, alert: int, stake: Stake) -> float:
    """What the records of an alert put at stake."""
    row = FlaggedRecordRow
    return stake.of(connection.scalars(select(row.values).where(row.alert_id == alert)) if stake.field else ())


def _crossed(connection: Connection, alert: int) -> tuple[Crossing, ...]:
    """The limits that records of an alert cross, in the order in which they did."""
    row = FlaggedRecordRow
    stored = connection.scalars(select(row.grounds).where(row.alert_id == alert).order_by(row.time, row.offset))
    return each_limit(crossing for grounds in stored for crossing in Grounds.from_json(grounds).crossed)


def _close(connection: Connection, alert: int, others: Sequence[int], now: datetime) -> None:
    """Nothing is left of it: nobody needs to look any more, and nobody is told who was not told yet, but for what there
    is to be told of the others of its incident."""
    connection.execute(
        update(AlertRow)
        .where(AlertRow.id == alert)
        .values(status=AlertStatus.CLOSED, over=True, records=0, updated=now)
    )
    due = update(NotificationRow).where(NotificationRow.alert_id == alert, NotificationRow.status == DUE)
    if others:
        connection.execute(due.values(alert_id=others[0]))
    else:
        connection.execute(due.values(status=GIVEN_UP, error=WITHDRAWN))


def _event(alert: int, kind: str, note: str, now: datetime) -> dict[str, Any]:
    return {"alert_id": alert, "kind": kind, "author": "", "note": note, "created": now}
