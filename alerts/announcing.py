"""What people are told of incidents: one message as it opens, one where it becomes critical, one where it spreads,
one for each further culprit, one when somebody is on it, one each time it has stood open for long, one when it is over, one
where another alert joins after that.

Written in the transaction that causes it. The first message waits a few seconds in the outbox, and what joins the
incident meanwhile is written into it: an outage of thirty hosts is one message of thirty. A channel that asks for some
severity hears of an incident once it is that loud, and from then on to its end. At the receiver all messages of an
incident have one key.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, case, delete, func, select, update

from latentwatch.alerts.culprit_messages import culprit_messages
from latentwatch.alerts.incident_members import IncidentMemberRow
from latentwatch.alerts.outbox import DUE, channels_of, levels_of, new_message, subject_of, titled
from latentwatch.alerts.recollection import last_time
from latentwatch.alerts.shown_values import values_in_words
from latentwatch.alerts.tables import AlertEventRow, AlertRow, FlaggedRecordRow, NotificationRow
from latentwatch.alerts.upserts import insert_new
from latentwatch.domain.alert import AlertKind, AlertStatus, Severity
from latentwatch.domain.course import Culprit
from latentwatch.domain.durations import spell_duration
from latentwatch.domain.loudness import LOUDNESS, in_words, widened
from latentwatch.domain.record import Position
from latentwatch.domain.rules import Crossing

OPENED, CRITICAL, WIDER, OVER, AGAIN = "opened", "critical", "wider", "over", "again"
ACKNOWLEDGED, STILL = "acknowledged", "still"
OUTLASTS = "outlasts"
"""The event of an alert that goes on from what a silence hid."""
WIDER_BY = 4
"""People are told again where an incident has so many times the entities that the last message told of."""
_NAMED = 3
"""Entities of an incident that a message names."""
_MOST_MEMBERS = 2_000


@dataclass(frozen=True, slots=True)
class _Incident:
    """What a message says of an incident: its alerts in the order in which they began."""

    alerts: tuple[Row[Any], ...]
    outlasting: str = ""
    """Which silence hid what its first alert goes on from, in a clause."""
    shown: str = ""
    """What its strangest record showed, and what was expected."""
    last_time: str = ""
    """What the latest like it was, in a sentence."""

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
        """Of its loudest alert, and a step louder where it is wide."""
        loudest = max((alert.severity for alert in self.alerts), key=LOUDNESS.__getitem__)
        return widened(Severity(loudest), len(self.entities))

    @property
    def severity_in_words(self) -> str:
        """What that is made of."""
        peak, lasted = self.strangest, max(a.ended for a in self.alerts) - min(a.started for a in self.alerts)
        records, limited = sum(alert.records for alert in self.alerts), any(alert.crossed for alert in self.alerts)
        return in_words(
            self.severity, peak.peak_surprise, peak.threshold, lasted, records, len(self.entities), limited=limited,
            stakes=[(alert.at_stake, alert.stake_named) for alert in self.alerts],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class News:
    """What happened to alerts in one commit."""

    opened: Mapping[int, Position] = field(default_factory=dict)
    """New alerts, each with the record that opened it."""
    critical: frozenset[int] = frozenset()
    """Alerts of before that became critical."""
    louder: frozenset[int] = frozenset()
    """Alerts of before whose severity rose, those that became critical among them."""
    culprits: Mapping[int, tuple[Culprit, ...]] = field(default_factory=dict)
    """Features that came to lead alerts that had opened with others."""


def announce(connection: Connection, monitor: str, news: News, now: datetime, settle: timedelta = timedelta()) -> None:
    """Put what there is to be told of these alerts' incidents into the outbox, for each channel of the monitor.

    The first message of an incident waits for `settle`.
    """
    touched = {*news.opened, *news.critical, *news.louder, *news.culprits}
    channels = channels_of(connection, monitor) if touched else ()
    if not channels:
        return
    row = IncidentMemberRow
    numbers = connection.scalars(select(row.incident).where(row.alert_id.in_(touched)).distinct()).all()
    levels = levels_of(connection, monitor)
    for number in sorted(numbers):
        _tell(connection, monitor, number, news, {name: levels.get(name) for name in channels}, now, settle)
        if news.culprits and (alerts := _alerts_of(connection, number)):
            told = _told(connection, alerts)
            heard = {each.channel: each.key for each in told if each.occasion == OPENED and each.last != DUE}
            severity = _Incident(tuple(alerts)).severity
            messages = culprit_messages(monitor, alerts, news.culprits, heard, severity, now)
            insert_new(connection, NotificationRow, messages)


def announce_over(
    connection: Connection, monitor: str, incidents: Sequence[int], now: datetime, settle: timedelta = timedelta()
) -> None:
    """Tell the channels that incidents are over, of which they were told that they began.

    The message waits for `settle`, and is taken back where another alert joins meanwhile: while a scorer catches up with a
    topic, one partition's hosts may be normal again before another's outage is read.
    """
    if incidents and channels_of(connection, monitor):
        for number in incidents:
            tell_again(connection, monitor, number, OVER, now, settle=settle)


def announce_acknowledged(connection: Connection, alerts: Sequence[int], author: str, now: datetime) -> None:
    """Tell the channels that somebody is on it, of incidents that no alert is open of any more."""
    member = IncidentMemberRow
    touched = select(member.incident).where(member.alert_id.in_(alerts))
    found = connection.execute(
        select(member.incident, func.min(member.monitor).label("monitor"))
        .join(AlertRow, AlertRow.id == member.alert_id)
        .where(member.incident.in_(touched))
        .group_by(member.incident)
        .having(func.sum(case((AlertRow.status == AlertStatus.OPEN, 1), else_=0)) == 0)
        .order_by(member.incident)
    ).all()
    for each in found:
        tell_again(connection, each.monitor, each.incident, ACKNOWLEDGED, now, author)


def tell_again(
    connection: Connection,
    monitor: str,
    number: int,
    occasion: str,
    now: datetime,
    author: str = "",
    settle: timedelta = timedelta(),
) -> None:
    """Tell the channels that were told of an incident how it stands now: over, acknowledged by `author`, or still open."""
    alerts = tuple(_alerts_of(connection, number))
    told = _told(connection, alerts)
    channels = set(channels_of(connection, monitor)) if told else set()
    keys = {(each.channel, each.key) for each in told if each.channel in channels}
    if not keys:
        return
    incident = _Incident(alerts, shown=values_in_words(connection, monitor, _Incident(alerts).strangest))
    ended = max(alert.ended for alert in alerts)
    once = f"{occasion}-{ended.isoformat() if occasion == OVER else now.isoformat(timespec='seconds')}"
    said = _words(monitor, number, incident, occasion, now, author)
    rows = []
    for channel, key in sorted(keys):
        message = new_message(monitor, alerts[0].id, f"{key}-{once}-{channel}", channel, now)
        about = {"key": key, "occasion": occasion, "extent": len(incident.entities), "due": now + settle}
        rows.append(message | said | about)
    insert_new(connection, NotificationRow, rows)


def _tell(
    connection: Connection,
    monitor: str,
    number: int,
    news: News,
    channels: Mapping[str, Severity | None],
    now: datetime,
    settle: timedelta,
) -> None:
    alerts = tuple(_alerts_of(connection, number))
    if not alerts:
        return
    _take_back_over(connection, [alert.id for alert in alerts])
    told = _told(connection, alerts)
    incident = _Incident(
        alerts,
        _outlasting(connection, alerts[0].id),
        values_in_words(connection, monitor, _Incident(alerts).strangest),
        last_time(connection, monitor, [alert.id for alert in alerts], _Incident(alerts).strangest.id),
    )
    key = min(told, key=lambda each: each.first_id).key if told else _key(connection, monitor, alerts[0], news)
    extent, ids = len(incident.entities), [alert.id for alert in alerts]
    rows = []
    for channel, least in channels.items():
        mine = {each.occasion: each for each in told if each.channel == channel}
        waiting = mine.get(OPENED)
        if waiting is not None and waiting.first == waiting.last == DUE and waiting.attempts == 0:
            connection.execute(
                update(NotificationRow)
                .where(
                    NotificationRow.alert_id.in_(ids),
                    NotificationRow.occasion == OPENED,
                    NotificationRow.channel == channel,
                )
                .values(extent=extent, **_words(monitor, number, incident, OPENED, now))
            )
            continue
        occasion = _occasion(incident, mine, news, least)
        if occasion:
            once = f"{key}-{occasion}"
            if occasion == WIDER:
                once += f"-{extent}"
            elif occasion == AGAIN:
                once += f"-{max(news.opened)}"
            message = new_message(monitor, alerts[0].id, f"{once}-{channel}", channel, now)
            said = _words(monitor, number, incident, occasion, now)
            due = now + settle if occasion == OPENED else now
            rows.append(message | said | {"key": key, "occasion": occasion, "extent": extent, "due": due})
    insert_new(connection, NotificationRow, rows)


def _occasion(incident: _Incident, told: Mapping[str, Row[Any]], news: News, least: Severity | None) -> str:
    """What a channel that was told of these occasions and asks for this severity is told next; empty for nothing."""
    ids = [alert.id for alert in incident.alerts]
    if least is not None and LOUDNESS[incident.severity] < LOUDNESS[least]:
        return ""
    if not told:
        return OPENED if any(alert.status is not AlertStatus.CLOSED for alert in incident.alerts) else ""
    if CRITICAL not in told and not news.critical.isdisjoint(ids):
        return CRITICAL
    if _is_back(told) and not news.opened.keys().isdisjoint(ids):
        return AGAIN
    widest = max(each.extent for each in told.values())
    return WIDER if len(incident.entities) >= WIDER_BY * widest else ""


def _take_back_over(connection: Connection, alerts: Sequence[int]) -> None:
    """Take back what says that these alerts' incident is over, and was not sent yet."""
    row = NotificationRow
    connection.execute(
        delete(row).where(row.alert_id.in_(alerts), row.occasion == OVER, row.status == DUE, row.attempts == 0)
    )


def _is_back(told: Mapping[str, Row[Any]]) -> bool:
    """Whether what a channel was told last is that it is over."""
    return OVER in told and told[OVER].last_id == max(each.last_id for each in told.values())


def _told(connection: Connection, alerts: Sequence[Row[Any]]) -> Sequence[Any]:
    """What the channels were told of these alerts' incident: channel, key, occasion, and how that stands in the outbox."""
    row = NotificationRow
    return connection.execute(
        select(
            row.channel,
            row.key,
            row.occasion,
            func.max(row.extent).label("extent"),
            func.min(row.status).label("first"),
            func.max(row.status).label("last"),
            func.max(row.attempts).label("attempts"),
            func.min(row.id).label("first_id"),
            func.max(row.id).label("last_id"),
        )
        .where(row.alert_id.in_([alert.id for alert in alerts]), row.occasion != "")
        .group_by(row.channel, row.key, row.occasion)
    ).all()


def _key(connection: Connection, monitor: str, first: Row[Any], news: News) -> str:
    """What messages of an incident are called at the receiver, by the record that opened its first alert."""
    record = news.opened.get(first.id) or _opening_record(connection, monitor, first)
    how = "" if first.kind is AlertKind.ANOMALY else f"-{first.kind.value.replace('_', '-')}"
    return f"alert-{monitor}-{record}{how}"


def _alerts_of(connection: Connection, number: int) -> Sequence[Any]:
    """Rows of its alerts in the order in which they began."""
    alert, member = AlertRow, IncidentMemberRow
    return connection.execute(
        select(
            alert.id, alert.kind, alert.entity, alert.severity, alert.status, alert.created, alert.started, alert.ended, alert.over, alert.records,
            alert.peak_surprise, alert.threshold,
            alert.model_version, alert.features, alert.summary, alert.crossed, alert.peak_source, alert.peak_partition,
            alert.peak_offset, alert.at_stake, alert.stake_named,
        )
        .join(member, member.alert_id == alert.id)
        .where(member.incident == number)
        .order_by(member.onset, alert.id)
        .limit(_MOST_MEMBERS)
    ).all()  # fmt: skip


def _outlasting(connection: Connection, alert: int) -> str:
    row = AlertEventRow
    return connection.scalar(select(row.note).where(row.alert_id == alert, row.kind == OUTLASTS).limit(1)) or ""


def _words(
    monitor: str, number: int, incident: _Incident, occasion: str, now: datetime, author: str = ""
) -> dict[str, object]:
    """Severity, title and body of a message."""
    entities = incident.entities
    began, ended = min(alert.started for alert in incident.alerts), max(alert.ended for alert in incident.alerts)
    opened = min(alert.created for alert in incident.alerts)
    state = {
        OPENED: "not normal",
        CRITICAL: "now critical",
        WIDER: "spreading",
        ACKNOWLEDGED: f"{author} is on it",
        AGAIN: "not normal again",
        STILL: f"still open after {spell_duration((now - opened).total_seconds())}",
        OVER: f"normal again after {spell_duration((ended - began).total_seconds()) if ended > began else 'one moment'}",
    }[occasion]
    kinds = {alert.kind for alert in incident.alerts}
    if occasion == OPENED and len(kinds) == 1:
        state = next(iter(kinds)).in_words
    if occasion == OVER and kinds == {AlertKind.MISSED_RUN}:
        state = "runs come again"
    subject = subject_of(monitor, entities[0]) if len(entities) == 1 else f"{monitor}: {len(entities)} entities"
    mark = ":" if len(entities) == 1 else ""
    body = _of_one(incident.alerts[0], incident.shown) if len(incident.alerts) == 1 else _of_many(number, incident)
    goes_on = f" {incident.outlasting[:1].upper()}{incident.outlasting[1:]}." if incident.outlasting else ""
    severity = Severity.LOW if occasion in (OVER, ACKNOWLEDGED) else incident.severity
    past = f" {incident.last_time}" if incident.last_time else ""
    said = incident.severity_in_words
    loud = "" if occasion == OVER else f" {said[:1].upper()}{said[1:]}."
    return {**titled(severity, f"{subject}{mark} {state}"), "body": body + loud + goes_on + past}


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
        f"(threshold {alert.threshold:.1f}), model version {alert.model_version}. "
        + (
            f"{alert.summary[:1].upper()}{alert.summary[1:]}{'' if alert.summary.endswith('?') else '.'} "
            if alert.summary
            else ""
        )
        + f"Most unusual: {features}."
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
