"""What people are told of incidents: one message as it opens, one where it becomes critical, one where it spreads,
one when it is over, one where another alert joins after that.

Written in the transaction that opens or grows the alerts. The first message waits a few seconds in the outbox, and what
joins the incident meanwhile is written into it: an outage of thirty hosts is one message of thirty.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from latentwatch.alerts.incident_members import IncidentMemberRow
from latentwatch.alerts.outbox import DUE, channels_of, new_message, subject_of, titled
from latentwatch.alerts.shown_values import values_in_words
from latentwatch.alerts.tables import AlertEventRow, AlertRow, FlaggedRecordRow, NotificationRow
from latentwatch.alerts.upserts import insert_new
from latentwatch.domain.alert import AlertKind, Severity
from latentwatch.domain.durations import spell_duration
from latentwatch.domain.record import Position
from latentwatch.domain.rules import Crossing

OPENED, CRITICAL, WIDER, OVER, AGAIN = "opened", "critical", "wider", "over", "again"
OUTLASTS = "outlasts"
"""The event of an alert that goes on from what a silence hid."""
WIDER_BY = 4
"""People are told again where an incident has so many times the entities that the last message told of."""
_NAMED = 3
"""Entities of an incident that a message names."""
_MOST_MEMBERS = 2_000
_LOUDNESS = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class _Incident:
    """What a message says of an incident: its alerts in the order in which they began."""

    alerts: tuple[Row[Any], ...]
    outlasting: str = ""
    """Which silence hid what its first alert goes on from, in a clause."""
    shown: str = ""
    """What its strangest record showed, and what was expected."""

    @property
    def strangest(self) -> Row[Any]:
        """The alert with the strangest record."""
        return max(self.alerts, key=lambda alert: alert.peak_surprise)

    @property
    def entities(self) -> list[str]:
        """Each once, in order of onset."""
        return list(dict.fromkeys(alert.entity for alert in self.alerts))

    @property
    def severity(self) -> Severity:
        """Of its loudest alert."""
        return Severity(max((alert.severity for alert in self.alerts), key=_LOUDNESS.__getitem__))


@dataclass(frozen=True, slots=True)
class News:
    """What happened to alerts in one commit."""

    opened: Mapping[int, Position] = field(default_factory=dict)
    """New alerts, each with the record that opened it."""
    critical: frozenset[int] = frozenset()
    """Alerts of before that became critical."""


def announce(connection: Connection, monitor: str, news: News, now: datetime, settle: timedelta = timedelta()) -> None:
    """Put what there is to be told of these alerts' incidents into the outbox, for each channel of the monitor.

    The first message of an incident waits for `settle`.
    """
    touched = {*news.opened, *news.critical}
    channels = channels_of(connection, monitor) if touched else ()
    if not channels:
        return
    row = IncidentMemberRow
    numbers = connection.scalars(select(row.incident).where(row.alert_id.in_(touched)).distinct()).all()
    for number in sorted(numbers):
        _tell(connection, monitor, number, news, channels, now, settle)


def announce_over(
    connection: Connection, monitor: str, incidents: Sequence[int], now: datetime, settle: timedelta = timedelta()
) -> None:
    """Tell the channels that incidents are over, of which they were told that they began.

    The message waits for `settle`, and is taken back where another alert joins meanwhile: while a scorer catches up with a
    topic, one partition's hosts may be normal again before another's outage is read.
    """
    channels = channels_of(connection, monitor) if incidents else ()
    for number in incidents if channels else ():
        incident = _Incident(tuple(_alerts_of(connection, number)))
        told = select(func.count()).where(
            NotificationRow.alert_id.in_([alert.id for alert in incident.alerts]), NotificationRow.occasion == OPENED
        )
        if not connection.scalar(told):
            continue
        first, ended = incident.alerts[0], max(alert.ended for alert in incident.alerts)
        key = f"alert-{monitor}-{_opening_record(connection, monitor, first)}-{OVER}-{ended.isoformat()}"
        said = _words(monitor, number, incident, OVER) | {"occasion": OVER, "extent": len(incident.entities)}
        insert_new(
            connection,
            NotificationRow,
            [
                new_message(monitor, first.id, f"{key}-{channel}", channel, now) | said | {"due": now + settle}
                for channel in channels
            ],
        )


def _tell(
    connection: Connection,
    monitor: str,
    number: int,
    news: News,
    channels: Sequence[str],
    now: datetime,
    settle: timedelta,
) -> None:
    alerts = tuple(_alerts_of(connection, number))
    incident = _Incident(alerts)
    if alerts:
        shown = values_in_words(connection, monitor, incident.strangest)
        incident = _Incident(alerts, _outlasting(connection, alerts[0].id), shown)
    extent = len(incident.entities)
    ids = [alert.id for alert in incident.alerts]
    row = NotificationRow
    connection.execute(
        delete(row).where(row.alert_id.in_(ids), row.occasion == OVER, row.status == DUE, row.attempts == 0)
    )
    sent = connection.execute(
        select(
            NotificationRow.occasion,
            func.max(NotificationRow.extent).label("extent"),
            func.min(NotificationRow.status).label("first"),
            func.max(NotificationRow.status).label("last"),
            func.max(NotificationRow.attempts).label("attempts"),
            func.max(NotificationRow.id).label("latest"),
        )
        .where(NotificationRow.alert_id.in_(ids), NotificationRow.occasion != "")
        .group_by(NotificationRow.occasion)
    ).all()
    told = {each.occasion: each for each in sent}
    waiting = told.get(OPENED)
    if waiting is not None and waiting.first == waiting.last == DUE and waiting.attempts == 0:
        connection.execute(
            update(NotificationRow)
            .where(NotificationRow.alert_id.in_(ids), NotificationRow.occasion == OPENED)
            .values(extent=extent, **_words(monitor, number, incident, OPENED))
        )
        return
    widest = max((each.extent for each in sent), default=0)
    if not told:
        occasion = OPENED
    elif CRITICAL not in told and not news.critical.isdisjoint(ids):
        occasion = CRITICAL
    elif (
        OVER in told
        and told[OVER].latest == max(each.latest for each in sent)
        and not news.opened.keys().isdisjoint(ids)
    ):
        occasion = AGAIN
    elif extent >= WIDER_BY * widest:
        occasion = WIDER
    else:
        return
    first = incident.alerts[0]
    record = news.opened.get(first.id) or _opening_record(connection, monitor, first)
    how = occasion if first.kind is AlertKind.ANOMALY else f"{first.kind.value.replace('_', '-')}-{occasion}"
    key = f"alert-{monitor}-{record}-{how}" + (
        f"-{extent}" if occasion == WIDER else f"-{max(news.opened)}" if occasion == AGAIN else ""
    )
    due = now + settle if occasion == OPENED else now
    insert_new(
        connection,
        NotificationRow,
        [
            {
                **new_message(monitor, first.id, f"{key}-{channel}", channel, now),
                **_words(monitor, number, incident, occasion),
                "occasion": occasion,
                "extent": extent,
                "due": due,
            }
            for channel in channels
        ],
    )


def _alerts_of(connection: Connection, number: int) -> Sequence[Any]:
    """Rows of its alerts in the order in which they began."""
    alert, member = AlertRow, IncidentMemberRow
    return connection.execute(
        select(
            alert.id, alert.kind, alert.entity, alert.severity, alert.started, alert.ended, alert.over, alert.records,
            alert.peak_surprise, alert.threshold,
            alert.model_version, alert.features, alert.crossed, alert.peak_source, alert.peak_partition,
            alert.peak_offset,
        )
        .join(member, member.alert_id == alert.id)
        .where(member.incident == number)
        .order_by(member.onset, alert.id)
        .limit(_MOST_MEMBERS)
    ).all()  # fmt: skip


def _outlasting(connection: Connection, alert: int) -> str:
    row = AlertEventRow
    return connection.scalar(select(row.note).where(row.alert_id == alert, row.kind == OUTLASTS).limit(1)) or ""


def _words(monitor: str, number: int, incident: _Incident, occasion: str) -> dict[str, object]:
    """Severity, title and body of a message."""
    entities = incident.entities
    began, ended = min(alert.started for alert in incident.alerts), max(alert.ended for alert in incident.alerts)
    lasted = spell_duration((ended - began).total_seconds())
    state = {
        OPENED: "not normal", CRITICAL: "now critical", WIDER: "spreading", AGAIN: "not normal again",
        OVER: f"normal again after {lasted}"
    }[occasion]  # fmt: skip
    kinds = {alert.kind for alert in incident.alerts}
    if occasion == OPENED and len(kinds) == 1:
        state = next(iter(kinds)).in_words
    if occasion == OVER and kinds == {AlertKind.MISSED_RUN}:
        state = "runs come again"
    subject = subject_of(monitor, entities[0]) if len(entities) == 1 else f"{monitor}: {len(entities)} entities"
    mark = ":" if len(entities) == 1 else ""
    body = _of_one(incident.alerts[0], incident.shown) if len(incident.alerts) == 1 else _of_many(number, incident)
    goes_on = f" {incident.outlasting[:1].upper()}{incident.outlasting[1:]}." if incident.outlasting else ""
    severity = Severity.LOW if occasion == OVER else incident.severity
    return {**titled(severity, f"{subject}{mark} {state}"), "body": body + goes_on}


def _of_one(alert: Row[Any], shown: str) -> str:
    if alert.kind is AlertKind.STOPPED_SENDING:
        return f"Alert {alert.id}: nothing has come since {alert.started:%Y-%m-%d %H:%M:%S} UTC, far longer than usual."
    if alert.kind is AlertKind.MISSED_RUN:
        came = f"the next came at {alert.ended:%Y-%m-%d %H:%M:%S} UTC" if alert.over else "none has come since"
        return f"Alert {alert.id}: the run due at {alert.started:%Y-%m-%d %H:%M:%S} UTC did not come in time; {came}."
    features = shown or ", ".join(alert.features) or "no single feature"
    return (
        f"Alert {alert.id}, since {alert.started:%Y-%m-%d %H:%M:%S} UTC: {alert.records} flagged "
        f"record{'s' if alert.records > 1 else ''}, peak surprise {alert.peak_surprise:.1f} "
        f"(threshold {alert.threshold:.1f}), model version {alert.model_version}. Most unusual: {features}."
        + "".join(f" {Crossing(**crossing).in_words}." for crossing in alert.crossed)
    )


def _of_many(number: int, incident: _Incident) -> str:
    entities, alerts = incident.entities, incident.alerts
    named = ", ".join(entity or "whole stream" for entity in entities[:_NAMED])
    more = f" and {len(entities) - _NAMED} more" if len(entities) > _NAMED else ""
    counted: dict[str, int] = {}
    for alert in alerts:
        for feature in alert.features:
            counted[feature] = counted.get(feature, 0) + 1
    stopped = sum(alert.kind is AlertKind.STOPPED_SENDING for alert in alerts)
    missed = sum(alert.kind is AlertKind.MISSED_RUN for alert in alerts)
    loudest = sorted(counted, key=counted.__getitem__, reverse=True)[:5]
    peak = max(alerts, key=lambda alert: alert.peak_surprise)
    return (
        f"Incident {number} of {len(alerts)} alerts, since {min(alert.started for alert in alerts):%Y-%m-%d %H:%M:%S} UTC, "
        f"in order of onset: {named}{more}."
        + (f" {stopped} stopped sending." if stopped else "")
        + (f" {missed} missed a run." if missed else "")
        + (
            f" {sum(alert.records for alert in alerts)} flagged records, peak surprise {peak.peak_surprise:.1f} in "
            f"{peak.entity or 'the whole stream'} (threshold {peak.threshold:.1f}). "
            f"Most unusual: {', '.join(loudest) or 'no single feature'}."
            + (f" In {peak.entity or 'the whole stream'}: {incident.shown}." if incident.shown else "")
            if stopped + missed < len(alerts)
            else ""
        )
    )


def _opening_record(connection: Connection, monitor: str, alert: Row[Any]) -> Position:
    """The record that opened an alert, by which its messages are keyed.

    Not by its number: after an older database was restored, numbers are given again, and a new alert would pass for one
    of which people were told. The record with the lowest offset opened it: alerts grow in the order of arrival.
    """
    row, source, partition = FlaggedRecordRow, alert.peak_source, alert.peak_partition
    lowest = connection.scalar(
        select(func.min(row.offset)).where(
            row.monitor == monitor, row.alert_id == alert.id, row.source == source, row.partition == partition
        )
    )
    return Position(source, partition, alert.peak_offset if lowest is None else lowest)
