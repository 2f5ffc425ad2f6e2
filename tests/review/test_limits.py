"""What a request may cost: sizes and times of headers and bodies, on the real server and its sockets."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine

from latentwatch.review.app import create_api, server
from latentwatch.review.config import ReviewConfig
from latentwatch.review.connections import BoundedProtocol
from latentwatch.review.limits import MAX_BODY_BYTES, Limits

HEALTH = b"GET /api/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
CLOSE = b"POST /api/alerts/1/close HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture
def port(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A running server whose patience is short."""
    monkeypatch.setattr(BoundedProtocol, "header_seconds", 0.5)
    monkeypatch.setattr(BoundedProtocol, "most_waiting", 40)
    monkeypatch.setattr(Limits, "seconds", 0.5)
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        config = ReviewConfig(port=probe.getsockname()[1])
    ready = threading.Event()
    running = server(create_api(engine, config, str(tmp_path)), config, ready.set)
    thread = threading.Thread(target=running.run)
    thread.start()
    assert ready.wait(10)
    yield config.port
    running.should_exit = True
    thread.join(10)


@contextmanager
def connected(port: int, first: bytes = b"") -> Iterator[socket.socket]:
    """A connection on which something was sent."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as connection:
        connection.sendall(first)
        yield connection


def answer(connection: socket.socket) -> bytes:
    """What comes until the server closes."""
    parts = []
    try:
        while part := connection.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def test_requests_that_are_never_completed_are_closed(port: int):
    """Half a request, none at all, and half of a second one on a connection that has answered the first."""
    whole = HEALTH.replace(b"close", b"keep-alive")
    for begun, answers in ((b"", 0), (HEALTH[:30], 0), (whole + HEALTH[:30], 1)):
        with connected(port, begun) as connection:
            assert answer(connection).count(b"HTTP/1.1 200") == answers
    with connected(port, whole) as connection:
        assert b"200" in connection.recv(65_536)
        connection.sendall(HEALTH[:30])
        assert answer(connection) == b""


def test_many_half_sent_requests_keep_nobody_out(port: int):
    """Those that wait longest make room, at once and before their time is over."""
    with ExitStack() as stack:
        half = [stack.enter_context(connected(port, HEALTH[:30])) for _ in range(120)]
        with connected(port, HEALTH) as connection:
            assert b"HTTP/1.1 200" in answer(connection)
        assert answer(half[0]) == b""


def test_headers_have_a_size(port: int):
    """What goes beyond is a bad request, and its connection is closed."""
    with connected(port, HEALTH[:-2] + b"X-Long: " + b"x" * 200_000 + b"\r\n\r\n") as connection:
        assert b"HTTP/1.1 400" in answer(connection)


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 50000000\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n"
        + b"%x\r\n" % MAX_BODY_BYTES
        + b"x" * MAX_BODY_BYTES
        + b"\r\n5\r\nxxxxx\r\n",
    ],
    ids=["declared", "chunked"],
)
def test_bodies_have_a_size(port: int, body: bytes):
    """A declared body that is too large is refused before it is read, another one as soon as it is."""
    with connected(port, CLOSE + body) as connection:
        said = answer(connection)
    assert b"HTTP/1.1 413" in said
    assert b"a request's body may have 1,000,000 bytes" in said


def test_bodies_have_a_time(port: int):
    """A body that does not arrive is not waited for."""
    with connected(port, CLOSE + b"Content-Length: 20\r\n\r\n{") as connection:
        assert b"HTTP/1.1 408" in answer(connection)
