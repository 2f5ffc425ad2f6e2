"""Flagged records, the alerts they are grouped into, and people's verdicts on them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from latentwatch.domain.record import Position, Value
from latentwatch.domain.rules import NO_GROUNDS, Crossing, Grounds
from latentwatch.domain.scores import MOST_NAMED, Explanation, guilty
from latentwatch.domain.severity import Severity as Severity
from latentwatch.domain.stake import stakes_in_words
from latentwatch.domain.steps import LastingChange, StepAnswer


class Arrival(StrEnum):
    """How a record's event time compares with what its entity had sent before."""

    IN_ORDER = "in_order"
    LATE = "late"
    """Older than the entity's newest, within the allowed lateness: scored at its place in event time."""
    TOO_LATE = "too_late"
    """Later than allowed: scored on its own, without its past, and in no other record's past."""


@dataclass(frozen=True, slots=True)
class FlaggedRecord:
    """One flagged record with everything needed to understand it and to score it again."""

    position: Position
    entity: str
    time: datetime
    surprise: float
    reconstruction: float
    density: float
    extrapolated: bool
    warming: bool
    threshold: float
    """The surprise in force when it was flagged."""
    model_version: int
    bundle: str
    """Content hash of the bundle that scored it."""
    values: dict[str, Value]
    context: bytes
    """The context row the score was computed from: float32, little-endian. With `values` and `seen` it replays the decision."""
    seen: int
    """How many records of the entity came before it: scores of young contexts depend on it."""
    explanation: Explanation
    grounds: Grounds = NO_GROUNDS
    """What the monitor's rules had to do with it."""
    arrival: Arrival = Arrival.IN_ORDER
    revision: int = 0
    """How often its decision was amended because of late records."""

    @property
    def features(self) -> list[str]:
        """The features that it is about, at most five: those beyond a limit, then those that hold most of its surprise."""
        return blamed(self.grounds, self.explanation.contributions)


def blamed(grounds: Grounds, contributions: Mapping[str, float]) -> list[str]:
    """The features that a record was flagged for: those beyond a limit, those that moved for good, then those that hold most
    of the rest of its surprise and count."""
    moved = [each.feature for each in grounds.step.moved] if grounds.step else []
    crossed = list(dict.fromkeys([*(crossing.feature for crossing in grounds.crossed), *moved]))
    passed_over = {*crossed, *grounds.discounted}
    others = guilty({name: share for name, share in contributions.items() if name not in passed_over})
    return [*crossed, *others][:MOST_NAMED]


@dataclass(frozen=True, slots=True)
class Amendment:
    """A decision changed by a late record: whether one record was flagged before, and whether it is now."""

    position: Position
    entity: str
    time: datetime
    cause: Position
    """The late record that now stands before it in its entity's past."""
    model_version: int
    """Of both decisions: no model amends another's."""
    threshold: float
    former_surprise: float
    formerly_flagged: bool
    surprise: float
    reconstruction: float
    density: float
    flagged: FlaggedRecord | None
    """The new decision whole, where the record is flagged now."""


@dataclass(frozen=True, slots=True)
class FormerDecision:
    """A decision that was visible once and was amended since; kept for ever with its alert."""

    position: Position
    time: datetime
    surprise: float
    flagged: bool
    """Whether it was flagged then."""
    threshold: float
    model_version: int
    cause: Position
    """The late record because of which it was amended."""
    amended: datetime
    """Wall time at which it was."""
    surprise_since: float
    """What it was amended to."""
    flagged_since: bool


class AlertKind(StrEnum):
    """What an alert is about."""

    ANOMALY = "anomaly"
    STOPPED_SENDING = "stopped_sending"
    """An entity stopped sending."""
    MISSED_RUN = "missed_run"
    """A run of an entity should have come and did not."""

    @property
    def in_words(self) -> str:
        """Of an entity, what happened to it.

        >>> AlertKind.MISSED_RUN.in_words
        'missed a run'
        """
        return {
            AlertKind.ANOMALY: "not normal",
            AlertKind.STOPPED_SENDING: "stopped sending",
            AlertKind.MISSED_RUN: "missed a run",
        }[self]


class AlertStatus(StrEnum):
    """Where an alert is in people's hands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    """Put off by somebody: open again at a time, once it is over, or once it becomes critical."""
    SILENCED = "silenced"
    """Hidden by a silence: nobody was told, and nobody needs to look."""
    CLOSED = "closed"


class Verdict(StrEnum):
    """What a person says of an alert."""

    TRUE = "true"
    FALSE = "false"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Alert:
    """Consecutive flagged records of one entity."""

    id: int
    monitor: str
    entity: str
    kind: AlertKind
    status: AlertStatus
    severity: Severity
    started: datetime
    """Event time of its first flagged record."""
    ended: datetime
    """Event time of its last flagged record; it may still grow."""
    records: int
    peak_surprise: float
    threshold: float
    model_version: int
    features: tuple[str, ...]
    """The features that contributed most over its course, strongest first."""
    verdict: Verdict | None
    """The latest label's verdict."""
    summary: str = ""
    """What happened over its course, where the features do not say it."""
    crossed: tuple[Crossing, ...] = ()
    """The limits that its records crossed, each with the value that was first beyond it."""
    at_stake: float = 0.0
    """By the monitor's `weight`; 0 where it says nothing."""
    stake_named: str = ""
    """What that number counts, such as `EUR of amount`; empty for a weight."""
    silence: int | None = None
    """The number of the silence that hid it when it opened."""
    over: bool = False
    """Its entity has been normal since, or sends again."""
    step: LastingChange | None = None
    """The lasting change that it asks about: whether that is the new normal."""
    answer: StepAnswer | None = None
    """What people said of it."""
    assignee: str = ""
    """Who takes care of it; empty for nobody."""
    snoozed_until: datetime | None = None
    """Wall time at which it is open again, where it is snoozed; None while it is snoozed means once it is over."""

    @property
    def at_stake_in_words(self) -> str:
        """What it puts at stake; empty where its monitor says nothing of it."""
        return stakes_in_words([(self.at_stake, self.stake_named)])

    @property
    def asks(self) -> bool:
        """Whether it waits for an answer."""
        return self.step is not None and self.answer is None and self.status is not AlertStatus.CLOSED


@dataclass(frozen=True, slots=True)
class Label:
    """A person's verdict on an alert, kept for ever; a later one by anybody supersedes it without erasing it."""

    alert: int
    verdict: Verdict
    author: str
    cause: str
    note: str
    created: datetime


def dispute(labels: Iterable[Label]) -> str:
    """Who disagrees, in a clause, by each reviewer's last word; empty where nobody does. Who is unsure disagrees with none.

    >>> at = datetime(2026, 1, 1)
    >>> dispute([Label(1, Verdict.TRUE, "Ada", "", "", at), Label(1, Verdict.FALSE, "Ben", "", "", at)])
    'Ada says it was real, Ben that it was a false alarm'
    """
    last = {each.author: each.verdict for each in labels}
    real, false = ([who for who, said in last.items() if said is verdict] for verdict in (Verdict.TRUE, Verdict.FALSE))
    if not real or not false:
        return ""
    says = "says" if len(real) == 1 else "say"
    return f"{' and '.join(real)} {says} it was real, {' and '.join(false)} that it was a false alarm"


@dataclass(frozen=True, slots=True)
class ConfirmedAlert:
    """What people said is a true anomaly, and a new model is expected to find: an alert, or a stretch that never alarmed."""

    id: int
    """Of the alert; of a stretch that never alarmed its own number, negative."""
    entity: str
    started: datetime
    ended: datetime
    """Event time of its latest flagged record."""
    cause: str = ""

    @property
    def in_words(self) -> str:
        """What to call it.

        >>> ConfirmedAlert(12, "rig-3", datetime(2026, 10, 2, 2, 10), datetime(2026, 10, 2, 2, 40), "bearing").in_words
        'alert 12 (rig-3, 2026-10-02 02:10, bearing)'
        """
        told = [part for part in (self.entity, f"{self.started:%Y-%m-%d %H:%M}", self.cause) if part]
        return f"{f'alert {self.id}' if self.id >= 0 else f'missed stretch {-self.id}'} ({', '.join(told)})"


def severity_of(peak_surprise: float, threshold: float, records: int, *, limited: bool = False) -> Severity:
    """Severity by surprise and by length.

    Each tenfold drop in p beyond the threshold is one point, each tenfold growth in length one point;
    below 1 is low, below 2 medium, below 3.5 high, else critical. Where a limit that somebody set is crossed (`limited`),
    it is two points more: high at least.

    >>> severity_of(3.1, 3.0, 1).value, severity_of(5.0, 3.0, 100).value
    ('low', 'critical')
    """
    points = max(0.0, peak_surprise - threshold) + len(str(max(1, records))) - 1 + (2 if limited else 0)
    if points < 1:
        return Severity.LOW
    if points < 2:
        return Severity.MEDIUM
    return Severity.HIGH if points < 3.5 else Severity.CRITICAL
