"""Which alert a flagged record belongs to: the pure rule, applied record by record in the order of arrival.

Flagged records of one entity no further apart than the gap are one alert, but for those that a silence hides: they are
alerts of their own, so that what outlasts a silence opens one of which people are told. The rule looks at nothing but the alerts that
exist when a record arrives, so any cutting of a stream into commits gives the same alerts. A record that comes late
joins the alert whose span, widened by the gap on both sides, holds its time; where two do, the one that ended last. A record
that asks whether a lasting change is the new normal joins the alert that the change began with, or that asked before, however
long ago.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from latentwatch.domain.alert import FlaggedRecord, Severity, severity_of
from latentwatch.domain.record import Position
from latentwatch.domain.rules import Crossing
from latentwatch.domain.silence import Silence, hidden_by
from latentwatch.domain.stake import NOTHING_AT_STAKE, Stake


@dataclass(slots=True, eq=False)
class Episode:
    """An alert while it grows."""

    entity: str
    started: datetime
    ended: datetime
    records: int
    peak_surprise: float
    peak: Position
    threshold: float
    model_version: int
    features: list[str]
    crossed: tuple[Crossing, ...] = ()
    """The limits that its records crossed, each with the value that was first beyond it."""
    id: int | None = None
    """None until the database has numbered it."""
    stored_severity: Severity | None = None
    """What the database says it is; None where it is new."""
    opening: FlaggedRecord | None = None
    """The record that opened it; None where it was read from the database."""
    silence: int | None = None
    """The number of the silence that hides all its records."""
    untold: bool = False
    """Whether nobody is told of it: the silence hides it still."""
    outlasts: int | None = None
    """The number of the silence that hid what it goes on from."""
    asked: bool = False
    """Whether it waits for people's answer on a lasting change."""
    moved: list[str] = field(default_factory=list)
    """Features of the lasting change that it asks about now."""
    summary: str = ""
    """What happened over its course, where the features do not say it."""

    at_stake: float = 0.0
    """By the monitor's `weight`; 0 where it says nothing."""
    stake_named: str = ""
    """What that number counts, as `Stake.named` has it."""

    @property
    def severity(self) -> Severity:
        """By the surprise of its peak and by its length."""
        return severity_of(self.peak_surprise, self.threshold, self.records, limited=bool(self.crossed))

    def holds(self, time: datetime, gap: timedelta) -> bool:
        """Whether a record of that time belongs to it."""
        return self.started - time <= gap and time - self.ended <= gap

    def add(self, record: FlaggedRecord) -> None:
        """Grow by one record; of equal peaks the first stays."""
        self.started = min(self.started, record.time)
        self.ended = max(self.ended, record.time)
        self.records += 1
        self.crossed = each_limit((*self.crossed, *record.grounds.crossed))
        self.asked = self.asked or record.grounds.step is not None
        if record.surprise > self.peak_surprise:
            self.peak_surprise = record.surprise
            self.peak = record.position
            self.threshold = record.threshold
            self.model_version = record.model_version
            self.features = record.features


def group(
    records: Sequence[FlaggedRecord],
    known: Iterable[Episode],
    gap: timedelta,
    silences: Sequence[Silence] = (),
    stake: Stake = NOTHING_AT_STAKE,
) -> list[Episode]:
    """The episode of each record, in the records' order; known ones grow in place, others are begun.

    `known` must hold, oldest first, every episode of these entities that may still grow and lies within the gap of one
    of the records, and those that a change began with, or that wait for an answer, where one of the records asks.
    `silences` are those of the monitor, and `stake` is what it says of how much is at stake.
    """
    episodes: defaultdict[str, list[Episode]] = defaultdict(list)
    for episode in known:
        episodes[episode.entity].append(episode)
    assigned = [
        _place(record, hidden_by(silences, record.entity, record.time, record.features), episodes[record.entity], gap)
        for record in records
    ]
    for record, episode in zip(records, assigned, strict=True):
        more = stake.of([record.values])
        episode.at_stake = episode.at_stake + more if stake.field else more
        episode.stake_named = stake.named
    return assigned


def _place(record: FlaggedRecord, hidden: Silence | None, episodes: list[Episode], gap: timedelta) -> Episode:
    silence = None if hidden is None else hidden.id
    found: Episode | None = None
    before: Episode | None = None
    step = record.grounds.step
    for episode in episodes:
        about = step is not None and (episode.asked or episode.holds(step.since, gap))
        fits = about or (episode.silence == silence and episode.holds(record.time, gap))
        if fits and (found is None or episode.ended >= found.ended):
            found = episode
        elif silence is None and episode.untold and episode.holds(record.time, gap):
            before = episode
    if found is not None:
        found.add(record)
        return found
    begun = Episode(
        entity=record.entity,
        started=record.time,
        ended=record.time,
        records=1,
        peak_surprise=record.surprise,
        peak=record.position,
        threshold=record.threshold,
        model_version=record.model_version,
        features=record.features,
        crossed=record.grounds.crossed,
        opening=record,
        silence=silence,
        untold=silence is not None,
        outlasts=None if before is None else before.silence,
        asked=step is not None,
    )
    episodes.append(begun)
    return begun


def each_limit(crossed: Iterable[Crossing]) -> tuple[Crossing, ...]:
    """Each limit once, with its first crossing."""
    first: dict[tuple[str, float], Crossing] = {}
    for crossing in crossed:
        first.setdefault((crossing.feature, crossing.limit), crossing)
    return tuple(first.values())


def shifted(moment: datetime, by: timedelta) -> datetime:
    """A moment moved, but not past the ends of time, which a record with a wild clock may stand at."""
    try:
        return moment + by
    except OverflowError:
        return (datetime.min if by < timedelta() else datetime.max).replace(tzinfo=UTC)
