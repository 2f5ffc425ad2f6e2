"""Silences in the database: added, taken back, listed with what they hid, and tried on the past before they are added."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from itertools import islice

from sqlalchemy import Connection, Engine, func, or_, select, update

from latentwatch.alerts.session import reading, transaction
from latentwatch.alerts.silence_table import SilenceRow
from latentwatch.alerts.tables import AlertRow, EntityRow
from latentwatch.domain.alert import Verdict
from latentwatch.domain.clock import Clock, SystemClock
from latentwatch.domain.errors import InvalidInput, NotFound
from latentwatch.domain.silence import Silence, checked, parse_weekly

TRIED_ON = timedelta(days=28)
"""The past on which a silence is tried: four of every weekday."""
_MOST_TRIED = 5_000
_MOST_LISTED = 200
_MOST_NAMED = 5
_MOST_WINDOWS = 3


@dataclass(frozen=True, slots=True)
class ListedSilence:
    """A silence with what it does now and what it hid."""

    silence: Silence
    state: str
    """now, later, over, or removed."""
    until: datetime | None
    """When the stretch ends that it is in, or the next one begins; None where neither is."""
    hidden_alerts: int
    hidden_records: int
    calendar_read: datetime | None = None
    """When its calendar was read last."""
    calendar_trouble: str = ""
    """Why it could not be read since."""


@dataclass(frozen=True, slots=True)
class SilencePreview:
    """What a silence would do, and what it would have done to the alerts of the past."""

    windows: tuple[tuple[datetime, datetime], ...]
    """The next stretches, at most three."""
    entities: int
    """Entities of the monitor that it is about, of those heard of lately."""
    entities_known: int
    named: tuple[str, ...]
    """Some of them."""
    hidden: int
    """Alerts of the past four weeks that lie in it whole."""
    hidden_in_part: int
    confirmed: int
    """Of both, those that people labelled true."""

    @property
    def in_words(self) -> tuple[str, ...]:
        """Sentences for people."""
        names = ", ".join(self.named) + (", ..." if self.entities > len(self.named) else "")
        about = f"It is about {self.entities} of {self.entities_known} entities{': ' + names if names else ''}."
        if not self.windows:
            following = "It never comes into force again."
        else:
            following = "Next: " + "; ".join(_window(*window) for window in self.windows) + "."
        hid = (
            f"Of the alerts of the last four weeks it would have hidden {self.hidden} whole and {self.hidden_in_part} in"
            f" part; {self.confirmed} of them were labelled true."
        )
        return about, following, hid


def add_silence(engine: Engine, silence: Silence, clock: Clock | None = None) -> Silence:
    """Write a silence down; it acts from the next commit on. Raises InvalidInput, NotFound for no such monitor, Unavailable."""
    checked(silence)
    now = (clock or SystemClock()).now()
    with transaction(engine) as session:
        row = SilenceRow(
            monitor=silence.monitor,
            entity=silence.entity.strip(),
            feature=silence.feature.strip(),
            begins=silence.start,
            ends=silence.end,
            weekly=str(silence.weekly) if silence.weekly else "",
            timezone=silence.timezone,
            reason=silence.reason.strip(),
            author=silence.author.strip(),
            created=now,
            removed=None,
            removed_by="",
            calendar=silence.calendar,
            stretches=_written(silence.stretches),
            calendar_read=now if silence.calendar else None,
            calendar_trouble="",
        )
        session.add(row)
        session.flush()
        return _silence_of(row)


def remove_silence(engine: Engine, number: int, author: str, clock: Clock | None = None) -> Silence:
    """Take a silence back: from now on it hides nothing more. What it hid stays hidden, and listed.

    Raises NotFound, InvalidInput where the author is missing, and Unavailable.
    """
    if not author.strip():
        raise InvalidInput("say who takes the silence back")
    with transaction(engine) as session:
        row = session.get(SilenceRow, number, with_for_update=True)
        if row is None:
            raise NotFound(f"there is no silence {number}; 'latentwatch silences list' has those there are")
        if row.removed is None:
            row.removed = (clock or SystemClock()).now()
            row.removed_by = author.strip()
        return _silence_of(row)


def calendars_to_read(engine: Engine, before: datetime) -> list[Silence]:
    """Silences in force whose calendar was read last before that time, oldest first. Raises Unavailable."""
    row = SilenceRow
    with reading(engine) as session:
        rows = session.scalars(
            select(row)
            .where(row.calendar != "", row.removed.is_(None), row.calendar_read < before)
            .order_by(row.id)
            .limit(_MOST_LISTED)
        )
        return [_silence_of(each) for each in rows]


def renew_calendar(
    engine: Engine,
    number: int,
    stretches: Sequence[tuple[datetime, datetime]] | None,
    now: datetime,
    trouble: str = "",
) -> None:
    """Write down when a calendar's events are now; None keeps what was read before, with the trouble. Raises Unavailable."""
    read = {} if stretches is None else {"stretches": _written(stretches)}
    with transaction(engine) as session:
        session.execute(
            update(SilenceRow)
            .where(SilenceRow.id == number)
            .values(**read, calendar_read=now, calendar_trouble=trouble)
            .execution_options(synchronize_session=False)
        )


def _written(stretches: Sequence[tuple[datetime, datetime]]) -> list[list[str]]:
    return [[begins.isoformat(), ends.isoformat()] for begins, ends in stretches]


def silences_since(connection: Connection, monitor: str, since: datetime) -> tuple[Silence, ...]:
    """The monitor's silences that may hide something at `since` or later, oldest first."""
    row = SilenceRow
    found = connection.execute(
        select(row.__table__)
        .where(row.monitor == monitor, row.removed.is_(None), or_(row.ends.is_(None), row.ends > since))
        .order_by(row.id)
    )
    return tuple(_silence_of(SilenceRow(**each._mapping)) for each in found)


def listed_silences(
    engine: Engine, now: datetime, monitor: str | None = None, *, finished: bool = False
) -> list[ListedSilence]:
    """Silences, latest first, at most 200; those that are over or taken back only with `finished`. Raises Unavailable."""
    row = SilenceRow
    query = select(row).order_by(row.id.desc()).limit(_MOST_LISTED)
    if monitor is not None:
        query = query.where(row.monitor == monitor)
    if not finished:
        query = query.where(row.removed.is_(None), or_(row.ends.is_(None), row.ends > now))
    with reading(engine) as session:
        rows = session.scalars(query).all()
        numbers = [each.id for each in rows]
        hid = {
            number: (alerts, int(records))
            for number, alerts, records in session.execute(
                select(AlertRow.silence_id, func.count(), func.coalesce(func.sum(AlertRow.records), 0))
                .where(AlertRow.silence_id.in_(numbers))
                .group_by(AlertRow.silence_id)
            )
        }
        return [
            replace(
                _listed(_silence_of(each), hid.get(each.id, (0, 0)), now),
                calendar_read=each.calendar_read,
                calendar_trouble=each.calendar_trouble,
            )
            for each in rows
        ]


def silence_numbered(engine: Engine, number: int) -> Silence:
    """One silence. Raises NotFound, Unavailable."""
    with reading(engine) as session:
        row = session.get(SilenceRow, number)
        if row is None:
            raise NotFound(f"there is no silence {number}; 'latentwatch silences list' has those there are")
        return _silence_of(row)


def preview_silence(engine: Engine, silence: Silence, now: datetime) -> SilencePreview:
    """What a silence would do and would have done; nothing is written. Raises InvalidInput, Unavailable."""
    checked(silence)
    # Tried on the past, a weekly rule is taken as if it had always been in force.
    tried = replace(silence, start=None) if silence.weekly is not None else silence
    alert = AlertRow
    with reading(engine) as session:
        names = session.scalars(select(EntityRow.entity).where(EntityRow.monitor == silence.monitor)).all()
        past = session.execute(
            select(alert.entity, alert.started, alert.ended, alert.features, alert.verdict)
            .where(alert.monitor == silence.monitor, alert.ended > now - TRIED_ON)
            .order_by(alert.id.desc())
            .limit(_MOST_TRIED)
        ).all()
    found = sorted(name for name in names if fnmatchcase(name, silence.entity))
    ends = [
        ([tried.hides(each.entity, moment, each.features) for moment in (each.started, each.ended)], each.verdict)
        for each in past
    ]
    return SilencePreview(
        windows=tuple(islice(silence.windows(now), _MOST_WINDOWS)),
        entities=len(found),
        entities_known=len(names),
        named=tuple(found[:_MOST_NAMED]),
        hidden=sum(all(inside) for inside, _ in ends),
        hidden_in_part=sum(any(inside) and not all(inside) for inside, _ in ends),
        confirmed=sum(any(inside) and verdict is Verdict.TRUE for inside, verdict in ends),
    )


def _window(begins: datetime, ends: datetime) -> str:
    same_day = begins.date() == ends.date()
    return f"{begins:%a %Y-%m-%d %H:%M} to {ends:{'%H:%M' if same_day else '%a %Y-%m-%d %H:%M'}} UTC"


def _listed(silence: Silence, hid: tuple[int, int], now: datetime) -> ListedSilence:
    window = next(silence.windows(now), None)
    if silence.removed is not None:
        return ListedSilence(silence, "removed", None, *hid)
    if window is None:
        return ListedSilence(silence, "over", None, *hid)
    begins, ends = window
    return ListedSilence(silence, "now", ends, *hid) if begins <= now else ListedSilence(silence, "later", begins, *hid)


def _silence_of(row: SilenceRow) -> Silence:
    return Silence(
        monitor=row.monitor,
        reason=row.reason,
        author=row.author,
        entity=row.entity,
        feature=row.feature,
        start=row.begins,
        end=row.ends,
        weekly=parse_weekly(row.weekly) if row.weekly else None,
        timezone=row.timezone,
        id=row.id,
        created=row.created,
        removed=row.removed,
        calendar=row.calendar,
        stretches=tuple(
            (datetime.fromisoformat(begins), datetime.fromisoformat(ends)) for begins, ends in row.stretches
        ),
    )
