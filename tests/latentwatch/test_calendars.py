"""Silences that go by a calendar: read from files and a real web server within limits, acting, and read again."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request

import pytest
from sqlalchemy import Engine

from latentwatch.alerts.database import migrate, open_database
from latentwatch.alerts.silences import add_silence, listed_silences, silence_numbered
from latentwatch.calendars import MOST_BYTES, _Redirects, read_calendar
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.silence import Silence
from latentwatch.silencing import refresh_calendars

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
WEEKLY = """BEGIN:VEVENT
UID:1
SUMMARY:backup
DTSTART;TZID=Europe/Berlin:20260301T020000
DTEND;TZID=Europe/Berlin:20260301T040000
RRULE:FREQ=WEEKLY;BYDAY=SU
EXDATE;TZID=Europe/Berlin:20260308T020000
END:VEVENT
"""
HOLIDAY = "BEGIN:VEVENT\nUID:2\nDTSTART;VALUE=DATE:20260310\nDTEND;VALUE=DATE:20260311\n{more}END:VEVENT\n"


def calendar(*events: str) -> bytes:
    """An iCalendar with these events."""
    return "\r\n".join(
        ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", *"".join(events).split("\n")[:-1], "END:VCALENDAR", ""]
    ).encode()


class Server:
    """A web server that answers with what it is given."""

    def __init__(self) -> None:
        self.content, self.status, self.location = calendar(WEEKLY), 200, ""


@pytest.fixture
def served() -> Iterator[tuple[str, Server]]:
    """A running server's address and what it serves; `/moved` redirects."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302 if self.path == "/moved" else state.status)
            if self.path == "/moved":
                self.send_header("Location", state.location)
            self.send_header("Content-Length", str(len(state.content)))
            self.end_headers()
            self.wfile.write(state.content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", state
        server.shutdown()
        thread.join()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A migrated, empty database."""
    engine = open_database(f"sqlite:///{tmp_path / 'latentwatch.db'}")
    migrate(engine)
    yield engine
    engine.dispose()


def test_events_repeat_by_their_own_clock(tmp_path: Path) -> None:
    """A weekly event moves with daylight saving, without the date that is excepted; a whole day is one of the zone given."""
    file = tmp_path / "work.ics"
    file.write_bytes(calendar(WEEKLY, HOLIDAY.format(more="")))
    found = read_calendar(str(file), NOW, "Asia/Tokyo")
    assert found[:3] == (
        (datetime(2026, 3, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, 3, tzinfo=UTC)),
        (datetime(2026, 3, 9, 15, tzinfo=UTC), datetime(2026, 3, 10, 15, tzinfo=UTC)),
        (datetime(2026, 3, 15, 1, tzinfo=UTC), datetime(2026, 3, 15, 3, tzinfo=UTC)),
    )
    # the night of the 29th, when the clocks go forward, has no hour between two and three: one hour is left of the two
    assert (datetime(2026, 4, 5, 0, tzinfo=UTC), datetime(2026, 4, 5, 2, tzinfo=UTC)) in found
    assert 50 < len(found) < 62


@pytest.mark.parametrize("more", ["STATUS:CANCELLED\n", "TRANSP:TRANSPARENT\n"])
def test_what_does_not_take_place_hides_nothing(tmp_path: Path, more: str) -> None:
    """A cancelled event, and one that leaves people free."""
    file = tmp_path / "work.ics"
    file.write_bytes(calendar(HOLIDAY.format(more=more)))
    assert read_calendar(str(file), NOW, "UTC") == ()


def test_limits_of_what_is_read(tmp_path: Path, served: tuple[str, Server]) -> None:
    """An absent file, a server's refusal, something else than a calendar and a large one are named, the rest of an address not."""
    address, server = served
    secret = f"{address}/private-5f2c.ics"
    assert read_calendar(secret, NOW, "UTC")
    (tmp_path / "large.ics").write_bytes(b" " * (MOST_BYTES + 1))
    (tmp_path / "odd.ics").write_text("nothing of the kind")
    server.status = 403
    for asked, problem in (
        (str(tmp_path / "none.ics"), "calendar none.ics cannot be read: No such file"),
        (str(tmp_path / "large.ics"), "larger than 2 MB"),
        (str(tmp_path / "odd.ics"), "is no calendar"),
        (secret, "calendar of 127.0.0.1 cannot be read: Forbidden"),
    ):
        with pytest.raises(InvalidInput, match=problem) as refused:
            read_calendar(asked, NOW, "UTC")
        assert "5f2c" not in str(refused.value)


def test_a_redirect_stays_outside(served: tuple[str, Server]) -> None:
    """To the host that was named it is followed; to another scheme or to another machine inside it is not."""
    address, server = served
    server.location = f"{address}/elsewhere.ics"
    assert read_calendar(f"{address}/moved", NOW, "UTC")
    for location in ("file:///etc/passwd", address.replace("127.0.0.1", "localhost") + "/secret"):
        server.location = location
        with pytest.raises(InvalidInput, match="cannot be read"):
            read_calendar(f"{address}/moved", NOW, "UTC")
    public = _Redirects("example.org", lambda *_: [(0, 0, 0, "", ("93.184.215.14", 443))])
    request = Request("https://example.org/a")
    assert public.redirect_request(request, None, 302, "", {}, "https://example.com/b") is not None
    with pytest.raises(URLError):
        public.redirect_request(request, None, 302, "", {}, "http://example.com/b")


def test_it_hides_and_is_read_again(engine: Engine, tmp_path: Path) -> None:
    """While an event is; a change of the calendar counts within the hour; where it is away, what was read before goes on."""
    file = tmp_path / "work.ics"
    file.write_bytes(calendar(WEEKLY))
    planned = Silence("hosts", "backup", "ada", calendar=str(file), stretches=read_calendar(str(file), NOW, "UTC"))
    number = add_silence(engine, planned, ManualClock(NOW)).id
    kept = silence_numbered(engine, number)
    sunday = datetime(2026, 3, 15, 1, 30, tzinfo=UTC)
    assert kept.hides("db-1", sunday, [])
    assert not kept.hides("db-1", sunday + timedelta(hours=2), [])
    assert kept.in_words == "all entities, calendar work.ics"
    later = NOW + timedelta(hours=2)
    file.unlink()
    (trouble,) = refresh_calendars(engine, later)
    assert "No such file" in trouble
    assert silence_numbered(engine, number).stretches == planned.stretches
    assert "No such file" in listed_silences(engine, NOW)[0].calendar_trouble
    file.write_bytes(calendar(HOLIDAY.format(more="").replace("2026", str(later.year + 1))))
    assert refresh_calendars(engine, later) == []  # not yet an hour ago
    assert refresh_calendars(engine, later + timedelta(hours=2)) == []
    assert len(silence_numbered(engine, number).stretches) == 1
    assert listed_silences(engine, NOW)[0].calendar_trouble == ""
