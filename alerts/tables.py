"""Every table, as SQLAlchemy classes; the only description of the schema that Python code reads.

One schema serves SQLite and PostgreSQL. Times are timezone-aware UTC on the Python side. Text may hold anything that
JSON can carry: what a database cannot store (NUL, lone surrogates) is replaced on the way in, never refused, so that
one odd record cannot stop a stream.
"""

from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from latentwatch.alerts.columns import BigKey, Floats, Row
from latentwatch.alerts.course_table import KeptTraceRow as KeptTraceRow
from latentwatch.alerts.exception_table import ExceptionProposalRow as ExceptionProposalRow
from latentwatch.alerts.exception_table import ExceptionRow as ExceptionRow
from latentwatch.alerts.login_session_table import LoginSessionRow as LoginSessionRow
from latentwatch.alerts.scorer_table import ScorerRow as ScorerRow
from latentwatch.alerts.silence_table import SilenceRow as SilenceRow
from latentwatch.domain.alert import AlertKind, AlertStatus, Arrival, Severity, Verdict
from latentwatch.domain.model import VersionStatus


class MonitorRow(Row):
    """A monitor that somebody registered, so that every process knows it."""

    __tablename__ = "monitors"

    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    definition: Mapped[str]
    """The monitor as YAML."""
    notify: Mapped[list[str]] = mapped_column(JSON)
    """Names of its notification channels; the store reads them when an alert opens."""
    created: Mapped[datetime]
    updated: Mapped[datetime]


class OffsetRow(Row):
    """The first offset of a partition that is not accounted for yet. Compare-and-swap on it fences every commit."""

    __tablename__ = "offsets"

    monitor: Mapped[str] = mapped_column(String(63), primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    partition: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    next_offset: Mapped[int] = mapped_column(BigInteger)
    topic_id: Mapped[str | None] = mapped_column(String(22))
    """What Kafka calls the topic that the offset counts in; None where it has no such name, or from before we asked."""
    updated: Mapped[datetime]
    scored: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    """Messages of the commits whose lowest partition this is that made a row or were a record; the others likewise."""
    aligned: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    passed: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    dead: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class AlertRow(Row):
    """Consecutive flagged records of one entity."""

    __tablename__ = "alerts"
    __table_args__ = (
        Index("ix_alerts_inbox", "monitor", "status", "started"),
        Index("ix_alerts_entity", "monitor", "entity", "ended"),
        Index("ix_alerts_started", "started"),
        Index(
            "ix_alerts_going_on",
            "monitor",
            "ended",
            sqlite_where=text("over = 0"),
            postgresql_where=text("NOT over"),
        ),
        Index("ix_alerts_ended", "monitor", "ended"),
        Index("ix_alerts_silence", "silence_id"),
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    monitor: Mapped[str] = mapped_column(String(63))
    entity: Mapped[str]
    kind: Mapped[AlertKind]
    status: Mapped[AlertStatus]
    severity: Mapped[Severity]
    started: Mapped[datetime]
    """Event time of its earliest flagged record."""
    ended: Mapped[datetime]
    """Event time of its latest flagged record."""
    records: Mapped[int]
    peak_surprise: Mapped[float]
    peak_source: Mapped[str]
    peak_partition: Mapped[int]
    peak_offset: Mapped[int] = mapped_column(BigInteger)
    threshold: Mapped[float]
    """In force at the peak."""
    model_version: Mapped[int]
    """Of the peak."""
    features: Mapped[list[str]] = mapped_column(JSON)
    """Those that contributed most over its course, strongest first."""
    summary: Mapped[str] = mapped_column(server_default="")
    """What happened over its course, where the features do not say it; else empty."""
    crossed: Mapped[list[dict[str, Any]]] = mapped_column(JSON, server_default="[]")
    """The limits that its records crossed, each with the value that was first beyond it: fields of `Crossing`."""
    at_stake: Mapped[float] = mapped_column(server_default="0")
    """By the monitor's `weight`; 0 where it says nothing."""
    stake_named: Mapped[str] = mapped_column(server_default="")
    """What that number counts, such as `EUR of amount`; empty for a weight."""
    verdict: Mapped[Verdict | None]
    """The latest label's."""
    silence_id: Mapped[int | None] = mapped_column(BigKey)
    """The silence under which it opened; all its records fall under it."""
    over: Mapped[bool] = mapped_column(server_default=text("false"))
    """Its entity has been normal since, for longer than the gap, or sends again."""
    assignee: Mapped[str] = mapped_column(server_default="")
    """Who takes care of it; empty for nobody."""
    snoozed_until: Mapped[datetime | None]
    """Wall time at which a snoozed alert is open again; null with that status means once it is over."""
    created: Mapped[datetime]
    """Wall time at which it opened."""
    updated: Mapped[datetime]


class FlaggedRecordRow(Row):
    """One flagged record with everything needed to understand it and to score it again."""

    __tablename__ = "flagged_records"
    __table_args__ = (
        Index("ix_flagged_records_alert", "alert_id", "time"),
        Index("ix_flagged_records_time", "monitor", "time"),
    )

    monitor: Mapped[str] = mapped_column(String(63), primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    partition: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    offset: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    alert_id: Mapped[int] = mapped_column(BigKey, ForeignKey("alerts.id", ondelete="CASCADE"))
    entity: Mapped[str]
    time: Mapped[datetime]
    surprise: Mapped[float]
    reconstruction: Mapped[float]
    density: Mapped[float]
    components: Mapped[dict[str, float]] = mapped_column(JSON)
    """What each component adds to the surprise, by its name. Of releases before 29 November 2026 it is each one's own surprise,
    without the two halves."""
    extrapolated: Mapped[bool]
    warming: Mapped[bool]
    threshold: Mapped[float]
    model_version: Mapped[int]
    bundle: Mapped[str]
    values: Mapped[dict[str, Any]] = mapped_column(JSON)
    context: Mapped[bytes]
    """float32, little-endian."""
    seen: Mapped[int] = mapped_column(BigInteger)
    """Records of the entity before it."""
    expected: Mapped[dict[str, Any]] = mapped_column(JSON)
    contributions: Mapped[dict[str, float]] = mapped_column(JSON)
    neighbours: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    """Nearest first: [{"distance": d, "values": {...}}, ...]."""
    code: Mapped[NDArray[np.float32]] = mapped_column(Floats)
    place_x: Mapped[float]
    place_y: Mapped[float]
    arrival: Mapped[Arrival] = mapped_column(server_default=Arrival.IN_ORDER.value)
    revision: Mapped[int] = mapped_column(server_default="0")
    """How often late records amended its decision."""
    grounds: Mapped[dict[str, Any]] = mapped_column(JSON, server_default="{}")
    """What the monitor's rules had to do with it, as `Grounds.to_json` has it."""


class AlertEventRow(Row):
    """What happened to an alert, by whom: escalated, acknowledged, snoozed, assigned, commented, labelled, closed, reopened.

    The database refuses to change a row.
    """

    __tablename__ = "alert_events"
    __table_args__ = (Index("ix_alert_events_alert", "alert_id"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    alert_id: Mapped[int] = mapped_column(BigKey, ForeignKey("alerts.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(16))
    author: Mapped[str]
    """Empty where the scorer did it."""
    note: Mapped[str]
    created: Mapped[datetime]


class LabelRow(Row):
    """A person's verdict on an alert; never changed, which the database refuses, only followed by a later one."""

    __tablename__ = "labels"
    __table_args__ = (Index("ix_labels_alert", "alert_id"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    alert_id: Mapped[int] = mapped_column(BigKey, ForeignKey("alerts.id"))
    verdict: Mapped[Verdict]
    author: Mapped[str]
    cause: Mapped[str]
    note: Mapped[str]
    created: Mapped[datetime]


class DeadLetterRow(Row):
    """A message that could not become a record."""

    __tablename__ = "dead_letters"
    __table_args__ = (Index("ix_dead_letters_created", "monitor", "created"),)

    monitor: Mapped[str] = mapped_column(String(63), primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    partition: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    offset: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    reason: Mapped[str]
    payload: Mapped[bytes]
    created: Mapped[datetime]


class MinuteCountRow(Row):
    """Exact counts of one event-time minute. Sum over `shard` (and `model_version`) to read a minute."""

    __tablename__ = "minute_counts"
    __table_args__ = ({"sqlite_with_rowid": False},)

    monitor: Mapped[str] = mapped_column(String(63), primary_key=True)
    minute: Mapped[datetime] = mapped_column(primary_key=True)
    model_version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    shard: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """The lowest partition of the batch that counted: no two scorers share one, so none waits for another's row."""
    scored: Mapped[int] = mapped_column(BigInteger)
    flagged: Mapped[int] = mapped_column(BigInteger)
    exceeding_1: Mapped[int] = mapped_column(BigInteger)
    """Records with a surprise of at least 1; the others likewise."""
    exceeding_2: Mapped[int] = mapped_column(BigInteger)
    exceeding_3: Mapped[int] = mapped_column(BigInteger)
    exceeding_4: Mapped[int] = mapped_column(BigInteger)


class TraceRow(Row):
    """Recent sampled records of one entity, at most one an event-time second: a ring, overwritten in place."""

    __tablename__ = "trace"
    __table_args__ = (Index("ix_trace_time", "monitor", "entity", "time"),)

    monitor: Mapped[str] = mapped_column(String(63), primary_key=True)
    entity: Mapped[str] = mapped_column(primary_key=True)
    slot: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """The event time's second modulo the ring's length."""
    time: Mapped[datetime]
    partition: Mapped[int]
    offset: Mapped[int] = mapped_column(BigInteger)
    surprise: Mapped[float]
    reconstruction: Mapped[float]
    density: Mapped[float]
    flagged: Mapped[bool]
    values: Mapped[dict[str, Any]] = mapped_column(JSON)


class EntityRow(Row):
    """What is known of one entity."""

    __tablename__ = "entities"

    monitor: Mapped[str] = mapped_column(String(63), primary_key=True)
    entity: Mapped[str] = mapped_column(primary_key=True)
    partition: Mapped[int]
    last_time: Mapped[datetime]
    records: Mapped[int] = mapped_column(BigInteger)
    warming: Mapped[bool]
    updated: Mapped[datetime]


class AuditRow(Row):
    """Something that happened to a stream and must not pass silently."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_created", "monitor", "created"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    monitor: Mapped[str] = mapped_column(String(63))
    source: Mapped[str]
    partition: Mapped[int | None]
    kind: Mapped[str]
    message: Mapped[str]
    created: Mapped[datetime]


class ModelVersionRow(Row):
    """One trained model of a monitor."""

    __tablename__ = "model_versions"
    __table_args__ = (
        Index(
            "uq_model_versions_champion",
            "monitor",
            unique=True,
            sqlite_where=text("status = 'champion'"),
            postgresql_where=text("status = 'champion'"),
        ),
    )

    monitor: Mapped[str] = mapped_column(String(63), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    bundle: Mapped[str]
    kind: Mapped[str]
    status: Mapped[VersionStatus]
    created: Mapped[datetime]
    promoted: Mapped[datetime | None]
    """When it last became the champion."""
    trained_records: Mapped[int] = mapped_column(BigInteger)
    history_start: Mapped[datetime | None]
    history_end: Mapped[datetime | None]
    evaluation: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    reasons: Mapped[list[str]] = mapped_column(JSON)
    """The judge's, or why it was refused."""
    training_digest: Mapped[str | None] = mapped_column(String(64))


class PromotionRow(Row):
    """One change of what serves, or a decision that nothing changes: promoted, held, refused, restored, rolled back."""

    __tablename__ = "promotions"
    __table_args__ = (Index("ix_promotions_monitor", "monitor", "id"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    monitor: Mapped[str] = mapped_column(String(63))
    action: Mapped[str] = mapped_column(String(16))
    version: Mapped[int]
    """The version that was judged."""
    champion: Mapped[int | None]
    """The version that serves from now on."""
    former: Mapped[int | None]
    """The version that served before."""
    reasons: Mapped[list[str]] = mapped_column(JSON)
    created: Mapped[datetime]


class NotificationRow(Row):
    """One message to one channel, written in the transaction that caused it and sent afterwards."""

    __tablename__ = "notifications"
    __table_args__ = (
        Index(
            "ix_notifications_due",
            "due",
            sqlite_where=text("status = 'due'"),
            postgresql_where=text("status = 'due'"),
        ),
        Index("ix_notifications_alert", "alert_id"),
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    monitor: Mapped[str] = mapped_column(String(63))
    alert_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("alerts.id", ondelete="CASCADE"))
    """Of the alert it tells of; null where it is about a model or a retraining run."""
    channel: Mapped[str]
    dedupe_key: Mapped[str] = mapped_column(unique=True)
    """Also sent to the channel: delivery is at least once."""
    key: Mapped[str] = mapped_column(server_default="")
    """What the receiver calls the thing it is about; messages of one incident have one."""
    severity: Mapped[Severity] = mapped_column(server_default=Severity.MEDIUM.value)
    """Of the alert when the message was written."""
    title: Mapped[str]
    body: Mapped[str]
    status: Mapped[str] = mapped_column(String(16))
    """due, sent, or given up."""
    attempts: Mapped[int]
    due: Mapped[datetime]
    """Not to be tried before; a notifier that claims it moves this ahead, so that it comes back if the notifier dies."""
    error: Mapped[str]
    """The last attempt's, empty where there was none."""
    created: Mapped[datetime]
    sent: Mapped[datetime | None]
    occasion: Mapped[str] = mapped_column(String(16), server_default="")
    """Of what is told of an incident: opened, critical, wider, again, acknowledged, still, over. Empty for what is not of one."""
    extent: Mapped[int] = mapped_column(server_default="1")
    """Entities of the incident when it was written."""
