"""What one micro-batch changes in the database: committed whole or not at all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.alert import Amendment, FlaggedRecord
from latentwatch.domain.groups import GroupName
from latentwatch.domain.incident_rule import NO_RELATIONS, IncidentRule
from latentwatch.domain.record import Batch, DeadLetter, UnreadValue, Value
from latentwatch.domain.scores import Scores


@dataclass(frozen=True, slots=True)
class OffsetMove:
    """One partition's step: from the first offset not yet accounted for to the next one."""

    partition: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class MinuteCount:
    """Exact counts of one event-time minute under one model version; they add up over batches.

    Those of amended decisions take away what was counted before, and may be negative.
    """

    minute: datetime
    model_version: int
    scored: int
    flagged: int
    exceeding: tuple[int, int, int, int]
    """Records with surprise of at least 1, 2, 3 and 4: realised against promised false alarms."""


@dataclass(frozen=True, slots=True)
class GroupCount:
    """How many records of one group a batch scored on one day of event time."""

    group: GroupName
    day: datetime
    model_version: int
    scored: int


@dataclass(frozen=True, slots=True)
class TracePoint:
    """One sampled record, or the strangest of several that a thinned trace has in its place."""

    entity: str
    time: datetime
    offset: int
    partition: int
    surprise: float
    reconstruction: float
    density: float
    flagged: bool
    values: dict[str, Value]
    records: int = 1
    """How many it stands for."""
    low: Mapping[str, float] = field(default_factory=dict)
    """The least of each number among them; empty where it stands for one."""
    high: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stretch:
    """N records of one entity, in the order in which they came: what leads up to an alert, or its course."""

    entity: str
    batch: Batch
    scores: Scores
    flagged: NDArray[np.bool_]
    """[N]"""
    leads_up: bool
    """Whether they come before the first flagged record of an alert; else from there until the entity is normal again."""


@dataclass(frozen=True, slots=True)
class EntityState:
    """What is known of one entity when a snapshot is taken."""

    entity: str
    partition: int
    last_time: datetime
    records: int
    warming: bool


@dataclass(frozen=True, slots=True)
class StoppedSending:
    """An entity that has sent nothing for far longer than it usually takes."""

    entity: str
    partition: int
    offset: int
    """Of its last record: tells one time that it stopped from another, so that it is told once whoever notices it again."""
    since: datetime
    """Event time of its last record."""
    model_version: int
    """The model that served when it was noticed."""
    threshold: float
    """That model's, for whoever looks at the records before."""


@dataclass(frozen=True, slots=True)
class MissedRun:
    """A run of an entity, such as a nightly job's, that should have come and did not; or several in a row."""

    entity: str
    partition: int
    offset: int
    """Of the last record before it: tells one time from another, so that it is told once whoever notices it again."""
    due: datetime
    """Event time at which the first of them should have come."""
    until: datetime | None
    """Event time of the run that came at last; None where none has come yet."""
    runs: int
    """How many are missing so far."""
    model_version: int
    """The model that served when it was noticed."""
    threshold: float
    """That model's, for whoever looks at the records before."""


@dataclass(frozen=True, slots=True)
class ContextSnapshot:
    """The context of a partition's entities at an offset, as what changed in it since the snapshot before.

    Head and chunks are opaque bytes of the context store (no pickle).
    """

    partition: int
    offset: int
    """Every record before this offset is in it."""
    bundle: str
    """Of the model whose context it is."""
    stamp: str
    """Tells it from every other snapshot."""
    follows: str | None
    """The stamp of the snapshot that it changes; None where the partition had none. Another one found there fences it."""
    head: bytes
    count: int
    """How many chunks the partition's context has; those that are stored from this number on are to go."""
    chunks: Mapping[int, bytes]
    """Those that changed, by number, each made when it is asked for: until the commit has ended."""


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """A snapshot as the database has it, without its chunks."""

    partition: int
    offset: int
    """Every record before this offset is in it."""
    bundle: str
    stamp: str
    head: bytes


FIELD_NEW, FIELD_VANISHED, FIELD_MOVED, STREAM_REFUSED = "field_new", "field_vanished", "field_moved", "stream_refused"
"""Kinds of audit entries that say that a stream looks other than it did."""


@dataclass(frozen=True, slots=True)
class ExceptedCount:
    """How many records of a batch one exception let pass, or had read otherwise than they came."""

    exception: int
    records: int
    last: datetime
    """Event time of the latest of them."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Something that happened to the stream and must not pass silently, such as records deleted before scoring."""

    kind: str
    partition: int | None
    message: str
    subject: str = ""
    """What it is about, such as a field: of one kind and subject the channels are told once a day."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything one micro-batch changes."""

    monitor: str
    source: str
    moves: tuple[OffsetMove, ...]
    flagged: tuple[FlaggedRecord, ...] = ()
    """Records that were not flagged before, be they new ones or amended ones."""
    amendments: tuple[Amendment, ...] = ()
    """Decisions that late records changed, where the record was or is flagged."""
    dead_letters: tuple[DeadLetter, ...] = ()
    unread: tuple[UnreadValue, ...] = ()
    """Values that are missing in what was scored because their features cannot have them."""
    counts: tuple[MinuteCount, ...] = ()
    groups: tuple[GroupCount, ...] = ()
    trace: tuple[TracePoint, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    """Records around flagged ones, whole: those of an entity in their order, what leads up to an alert first."""
    entities: tuple[EntityState, ...] = ()
    snapshots: tuple[ContextSnapshot, ...] = ()
    audit: tuple[AuditEntry, ...] = ()
    stopped: tuple[StoppedSending, ...] = ()
    missed: tuple[MissedRun, ...] = ()
    excepted: tuple[ExceptedCount, ...] = ()
    passed: int = 0
    """Messages that the monitor's `where` passes over; counted, not stored."""
    aligned: int = 0
    """Messages in long form that released no row; counted, not stored."""
    heard: Mapping[str, datetime] = field(default_factory=dict)
    """Entities that sent again in this batch, where an alert says that they stopped, and the event time at which they did."""
    group_gap_seconds: float = 300.0
    one_by_one: bool = False
    """Whether records stand alone and come at no pace, such as payments: that an entity sends nothing more says nothing of it,
    so that its alert is over once others' records are later than the gap."""
    incident_rule: IncidentRule = NO_RELATIONS
    settle_seconds: float = 0.0
    """How long the first message of an incident waits for what joins it."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a commit did."""

    alerts_opened: tuple[int, ...] = field(default=())
    alerts_extended: tuple[int, ...] = field(default=())
