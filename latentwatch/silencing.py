"""What the terminal can do with silences: plan one from words, try it, put it in force, list, take back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from latentwatch.alerts.database import Engine
from latentwatch.alerts.monitors import registered_monitor
from latentwatch.alerts.silences import (
    ListedSilence,
    SilencePreview,
    add_silence,
    calendars_to_read,
    listed_silences,
    preview_silence,
    remove_silence,
    renew_calendar,
)
from latentwatch.calendars import read_calendar
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.durations import parse_duration
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.silence import Silence, checked, parse_weekly
from latentwatch.settings import load_settings
from latentwatch.wiring import ASKING_SECONDS, ready_database

CALENDAR_AGE = timedelta(hours=1)
"""How old what was read of a calendar may grow."""


def planned(
    monitor: str,
    reason: str,
    author: str,
    entity: str = "*",
    feature: str = "",
    start: str = "",
    end: str = "",
    length: str = "",
    weekly: str = "",
    timezone: str = "",
    calendar: str = "",
) -> Silence:
    """The silence that words describe. Raises InvalidInput for what is no time, no rule or no zone, NotFound for the monitor."""
    zone = timezone or registered_monitor(_asked(), monitor).record.timezone
    begins = _moment(start, zone, "--from") if start else None
    if end and length:
        raise InvalidInput("give '--to' or '--for', not both")
    ends = _moment(end, zone, "--to") if end else None
    if length:
        begins = begins or SystemClock().now()
        try:
            ends = begins + parse_duration(length)
        except ValueError as error:
            raise InvalidInput(f"--for: {error}") from None
    rule = parse_weekly(weekly) if weekly else None
    silence = Silence(
        monitor,
        reason,
        author or "command line",
        entity,
        feature,
        begins,
        ends,
        rule,
        zone,
        calendar=_absolute(calendar),
    )
    if not calendar:
        return checked(silence)
    return replace(checked(silence), stretches=read_calendar(silence.calendar, SystemClock().now(), zone))


def refresh_calendars(engine: Engine, now: datetime, older_than: timedelta = CALENDAR_AGE) -> list[str]:
    """Read the calendars again that were read longer ago; what cannot be read keeps its stretches. Returns what went wrong."""
    troubles = []
    for silence in calendars_to_read(engine, now - older_than):
        try:
            stretches = read_calendar(silence.calendar, now, silence.timezone)
        except InvalidInput as error:
            troubles.append(f"silence {silence.id}: {error}")
            renew_calendar(engine, silence.id, None, now, str(error))
        else:
            renew_calendar(engine, silence.id, stretches, now)
    return troubles


def refresh() -> list[str]:
    """Read every calendar again now; returns what went wrong."""
    now = SystemClock().now()
    return refresh_calendars(_asked(), now + timedelta(seconds=1), timedelta())


def _absolute(calendar: str) -> str:
    """A path that means the same from any folder."""
    if not calendar or urlsplit(calendar).scheme in ("http", "https"):
        return calendar
    return str(Path(calendar.removeprefix("file://")).expanduser().absolute())


def tried(silence: Silence) -> SilencePreview:
    """What it would do, and would have done in the past four weeks."""
    return preview_silence(_asked(), silence, SystemClock().now())


def put_in_force(silence: Silence) -> Silence:
    """Write it down."""
    return add_silence(_asked(), silence)


def known(monitor: str | None, *, finished: bool) -> list[ListedSilence]:
    """Silences with what they hid, latest first."""
    return listed_silences(_asked(), SystemClock().now(), monitor, finished=finished)


def take_back(silence: int, author: str) -> Silence:
    """Take a silence back."""
    return remove_silence(_asked(), silence, author or "command line")


def _moment(text: str, zone: str, option: str) -> datetime:
    if text == "now":
        return SystemClock().now()
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
    except (ZoneInfoNotFoundError, OSError):
        raise InvalidInput(f"no time zone is called {zone!r}; name one of the IANA database") from None
    except (ValueError, OverflowError):
        raise InvalidInput(f"{option}: {text!r} is no time; write 'now' or one such as 2026-03-01T02:00") from None


def _asked() -> Engine:
    return ready_database(load_settings(), patience_seconds=ASKING_SECONDS)
