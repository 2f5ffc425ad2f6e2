"""What people silence: when, of which entities, and for which feature alerts are opened without anybody being told.

Scoring goes on. A silence is compared with the record's own time, so that a stream that is read again agrees.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from fnmatch import fnmatchcase
from pathlib import PurePath
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from latentwatch.domain.errors import InvalidInput

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MINUTES_OF_DAY, _MINUTES_OF_WEEK = 1_440, 10_080
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_RULE = re.compile(r"\s*([A-Za-z,\s-]+?)\s+(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})\s*")


@dataclass(frozen=True, slots=True)
class Weekly:
    """A stretch of certain days of every week, by the clock on the wall: it moves with daylight saving."""

    days: tuple[int, ...]
    """Days on which it begins, Monday is 0."""
    start: int
    """Minutes after midnight."""
    length: int
    """Minutes, by the clock on the wall; up to a whole day."""

    def holds(self, local: datetime) -> bool:
        """Whether a moment of the local clock lies in it; the end does not."""
        minute = local.weekday() * _MINUTES_OF_DAY + local.hour * 60 + local.minute
        return any((minute - day * _MINUTES_OF_DAY - self.start) % _MINUTES_OF_WEEK < self.length for day in self.days)

    def __str__(self) -> str:
        """As `parse_weekly` reads it."""
        end = (self.start + self.length - 1) % _MINUTES_OF_DAY + 1
        days = "daily" if len(self.days) == len(_DAYS) else ",".join(_DAYS[day] for day in self.days)
        return f"{days} {_clock(self.start)}-{_clock(end)}"


def parse_weekly(text: str) -> Weekly:
    """A weekly rule: days, and from when to when; where the end is not later than the start it is the next day's.

    Raises InvalidInput for anything else.

    >>> str(parse_weekly("sun 2:00-04:00")), str(parse_weekly("Fri-Mon 22:00-06:00"))
    ('Sun 02:00-04:00', 'Mon,Fri,Sat,Sun 22:00-06:00')
    """
    match = _RULE.fullmatch(text)
    if match is None:
        raise InvalidInput(
            f"{text!r} is no weekly rule; write days and times such as 'Sun 02:00-04:00', 'Mon-Fri 22:00-06:00' or "
            "'daily 12:00-12:30'"
        )
    start, end = (_minutes(match[place], match[place + 1], text) for place in (2, 4))
    length = (end - start) % _MINUTES_OF_DAY or _MINUTES_OF_DAY
    return Weekly(_days(match[1], text), start % _MINUTES_OF_DAY, length)


def _days(text: str, rule: str) -> tuple[int, ...]:
    if text.lower() == "daily":
        return tuple(range(len(_DAYS)))
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = (word.strip() for word in part.partition("-"))
        begin, end = _day(first, rule), _day(last or first, rule)
        found |= {(begin + step) % 7 for step in range((end - begin) % 7 + 1)}
    return tuple(sorted(found))


def _day(word: str, rule: str) -> int:
    for place, day in enumerate(_DAYS):
        if word[:3].lower() == day.lower():
            return place
    raise InvalidInput(f"{rule!r}: {word!r} is no day; name days as {', '.join(_DAYS)}, or 'daily'")


def _minutes(hours: str, minutes: str, rule: str) -> int:
    total = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or total > _MINUTES_OF_DAY:
        raise InvalidInput(f"{rule!r}: {hours}:{minutes} is no time of day; write one from 00:00 to 24:00")
    return total


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


@dataclass(frozen=True, slots=True)
class Silence:
    """When alerts of some entities are opened without anybody being told, and why."""

    monitor: str
    reason: str
    author: str
    entity: str = "*"
    """Whose: a name, in which `*` stands for anything and `?` for one character."""
    feature: str = ""
    """Only records that are about this feature before all others, by the same pattern; empty means any."""
    start: datetime | None = None
    """From when on; needed without a weekly rule."""
    end: datetime | None = None
    """Until when, exclusive; needed without a weekly rule. With one, when the rule ends; None is never."""
    weekly: Weekly | None = None
    timezone: str = "UTC"
    """By whose clock the weekly rule goes."""
    id: int = 0
    """0 until the database has numbered it."""
    created: datetime | None = None
    removed: datetime | None = None
    """Since when it hides nothing more because somebody took it back."""
    calendar: str = ""
    """Instead of one stretch or a weekly rule: the address or path of an iCalendar."""
    stretches: tuple[tuple[datetime, datetime], ...] = ()
    """When the calendar's events are, in order, as it was read last."""

    def covers(self, moment: datetime) -> bool:
        """Whether it is in force at a moment: a record's time, or when an entity was found to have stopped sending."""
        if self.removed is not None:
            return False
        if (self.start is not None and moment < self.start) or (self.end is not None and moment >= self.end):
            return False
        if self.calendar:
            return any(begins <= moment < ends for begins, ends in self.stretches)
        if self.weekly is None:
            return True
        try:
            return self.weekly.holds(moment.astimezone(ZoneInfo(self.timezone)))
        except OverflowError:  # a record with a wild clock, at the ends of time
            return False

    def hides(self, entity: str, moment: datetime, features: Sequence[str]) -> bool:
        """Whether what is strange about an entity at a moment, and in these features, strongest first, is hidden.

        >>> night = Silence("hosts", "backup", "ada", entity="db-*", weekly=parse_weekly("Sun 02:00-04:00"))
        >>> sunday = datetime(2026, 1, 4, 3, tzinfo=UTC)
        >>> night.hides("db-1", sunday, ["latency"]), night.hides("web-1", sunday, []), night.hides("db-1", sunday.replace(hour=4), [])
        (True, False, False)
        """
        if self.feature and not (features and fnmatchcase(features[0], self.feature)):
            return False
        return fnmatchcase(entity, self.entity) and self.covers(moment)

    def windows(self, since: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Its stretches that end after `since`, in order, in UTC; of a weekly rule without an end, without end."""
        if self.removed is not None:
            return
        if self.calendar:
            for begins, ends in self.stretches:
                first, last = max(begins, self.start or begins), min(ends, self.end or ends)
                if last > since and first < last:
                    yield first, last
            return
        if self.weekly is None:
            if self.start is not None and self.end is not None and self.end > since:
                yield self.start, self.end
            return
        zone = ZoneInfo(self.timezone)
        begin = max(since, self.start) if self.start else since
        day = begin.astimezone(zone).date() - timedelta(days=1)
        length = timedelta(minutes=self.weekly.length)
        while True:
            if day.weekday() in self.weekly.days:
                opens = datetime.combine(day, time(self.weekly.start // 60, self.weekly.start % 60))
                window = [moment.replace(tzinfo=zone).astimezone(UTC) for moment in (opens, opens + length)]
                first, last = max(window[0], self.start or window[0]), min(window[1], self.end or window[1])
                if self.end is not None and window[0] >= self.end:
                    return
                if last > begin and first < last:
                    yield first, last
            day += timedelta(days=1)

    @property
    def in_words(self) -> str:
        """Whose and when, for people.

        >>> Silence("hosts", "backup", "ada", entity="db-*", weekly=parse_weekly("Sun 02:00-04:00")).in_words
        'db-*, Sun 02:00-04:00 (UTC)'
        """
        whose = "all entities" if self.entity == "*" else self.entity
        what = f", {self.feature}" if self.feature else ""
        if self.calendar or self.weekly is not None:
            when = calendar_in_words(self.calendar) if self.calendar else f"{self.weekly} ({self.timezone})"
            ends = f", until {_said(self.end)}" if self.end else ""
            begins = f", from {_said(self.start)}" if self.start else ""
            return f"{whose}{what}, {when}{begins}{ends}"
        return f"{whose}{what}, {_said(self.start)} to {_said(self.end)}"


def calendar_in_words(address: str) -> str:
    """What to call a calendar: its host or file, and nothing of the rest, which may be secret.

    >>> calendar_in_words("https://calendar.example.org/private-5f2c/basic.ics"), calendar_in_words("/etc/work.ics")
    ('calendar of calendar.example.org', 'calendar work.ics')
    """
    parts = urlsplit(address)
    return (
        f"calendar of {parts.hostname}"
        if parts.scheme in ("http", "https")
        else f"calendar {PurePath(parts.path).name}"
    )


def hidden_by(
    silences: Sequence[Silence], entity: str, moment: datetime, features: Sequence[str] = ()
) -> Silence | None:
    """The first silence that hides it, or None."""
    return next((one for one in silences if one.hides(entity, moment, features)), None)


def checked(silence: Silence) -> Silence:
    """The silence, with what people leave out of its texts. Raises InvalidInput for what contradicts itself or says nothing."""
    if not silence.reason.strip():
        raise InvalidInput("a silence needs a reason, for those who wonder why nothing was sent; give one")
    if not silence.author.strip():
        raise InvalidInput("a silence needs its author's name; give one")
    if not silence.entity.strip():
        raise InvalidInput("a silence needs an entity, or '*' for all of the monitor's")
    if silence.weekly is not None and silence.calendar:
        raise InvalidInput("give a weekly rule or a calendar, not both")
    if silence.weekly is None and not silence.calendar and (silence.start is None or silence.end is None):
        raise InvalidInput("say from when to when, or give a weekly rule such as 'Sun 02:00-04:00'")
    if silence.start is not None and silence.end is not None and silence.end <= silence.start:
        raise InvalidInput(f"it would end ({_said(silence.end)}) before it begins ({_said(silence.start)})")
    if any(moment is not None and not _EARLIEST <= moment < _LATEST for moment in (silence.start, silence.end)):
        raise InvalidInput(f"a silence begins and ends between {_EARLIEST.year} and {_LATEST.year}; correct its times")
    try:
        ZoneInfo(silence.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput(
            f"no time zone is called {silence.timezone!r}; name one of the IANA database, such as Europe/Berlin"
        ) from None
    return silence


def _said(moment: datetime | None) -> str:
    return "…" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
