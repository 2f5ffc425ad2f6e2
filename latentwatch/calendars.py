"""Calendars of planned work: an iCalendar file or address in, the stretches of its events out.

An address is given by the operator on the command line, never by a request. It is fetched within limits, and a redirect
leads neither to another scheme nor to a machine inside that the operator did not name.
"""

import ipaddress
import socket
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener
from zoneinfo import ZoneInfo

from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.silence import calendar_in_words

MOST_BYTES = 2_000_000
SECONDS = 10.0
"""How long each answer of a server is waited for."""
AHEAD, BACK = timedelta(days=400), timedelta(days=28)
"""How far from now events are read: what repeats for ever is read anew long before that."""
MOST_STRETCHES = 2_000
_SCHEMES = ("http", "https")

Stretches = tuple[tuple[datetime, datetime], ...]


def read_calendar(address: str, now: datetime, timezone: str) -> Stretches:
    """When the events of a calendar are, from four weeks ago to 400 days ahead; overlapping ones are joined.

    `address` is an http or https address, or a file's path. Events that were cancelled or that leave people free
    (`TRANSP:TRANSPARENT`) are left out; days and times without a zone are those of `timezone`. Raises InvalidInput for what
    cannot be fetched, is no calendar or too large.
    """
    from icalendar import Calendar
    from recurring_ical_events import of

    named, zone = calendar_in_words(address), ZoneInfo(timezone)
    content = _content(address)
    try:
        events = of(Calendar.from_ical(content)).between(now - BACK, now + AHEAD)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise InvalidInput(f"{named} is no calendar that can be read ({error}); it must be iCalendar (.ics)") from None
    found = []
    for event in events:
        if str(event.get("STATUS", "")).upper() == "CANCELLED" or str(event.get("TRANSP", "")).upper() == "TRANSPARENT":
            continue
        begins, ends = (_moment(event[name].dt, zone) for name in ("DTSTART", "DTEND"))
        if ends > begins:
            found.append((begins, ends))
    joined = _joined(sorted(found))
    if len(joined) > MOST_STRETCHES:
        raise InvalidInput(
            f"{named} has {len(joined):,} events to come, more than {MOST_STRETCHES:,}; name a smaller one"
        )
    return joined


def _content(address: str) -> bytes:
    parts = urlsplit(address)
    try:
        if parts.scheme in _SCHEMES:
            return _fetched(address)
        with Path(address.removeprefix("file://")).expanduser().open("rb") as file:
            return _bounded(file, calendar_in_words(address))
    except (OSError, URLError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise InvalidInput(f"{calendar_in_words(address)} cannot be read: {reason}") from None


def _fetched(address: str) -> bytes:
    opener = build_opener(_Redirects(urlsplit(address).hostname or ""))
    request = Request(address, headers={"User-Agent": "latentwatch", "Accept": "text/calendar, */*;q=0.1"})
    with opener.open(request, timeout=SECONDS) as answer:
        return _bounded(answer, calendar_in_words(address))


def _bounded(file: IO[bytes], named: str) -> bytes:
    content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise InvalidInput(f"{named} is larger than {MOST_BYTES // 1_000_000} MB; name a smaller calendar")
    return content


class _Redirects(HTTPRedirectHandler):
    """Follows a few redirects, to the same host or to public ones."""

    max_redirections = 3

    def __init__(self, host: str, resolve: Callable[..., list[Any]] = socket.getaddrinfo) -> None:
        self._host = host
        self._resolve = resolve

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        parts = urlsplit(newurl)
        if parts.scheme not in _SCHEMES or (urlsplit(req.full_url).scheme == "https" and parts.scheme == "http"):
            raise URLError(f"it redirects to {parts.scheme}://, which is not followed")
        if parts.hostname != self._host:
            found = {entry[4][0] for entry in self._resolve(parts.hostname, parts.port or 0)}
            if not all(ipaddress.ip_address(each).is_global for each in found):
                raise URLError(f"it redirects to {parts.hostname}, which is inside and was not named")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _moment(when: date | datetime, zone: ZoneInfo) -> datetime:
    moment = when if isinstance(when, datetime) else datetime.combine(when, time())
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _joined(stretches: list[tuple[datetime, datetime]]) -> Stretches:
    joined: list[tuple[datetime, datetime]] = []
    for begins, ends in stretches:
        if joined and begins <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(ends, joined[-1][1])
        else:
            joined.append((begins, ends))
    return tuple(joined)
