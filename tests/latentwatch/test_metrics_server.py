"""The scorer's port answers Prometheus, and whoever starts and replaces processes."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from wsgiref.simple_server import WSGIServer

import pytest

from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import InvalidInput
from latentwatch.metrics_server import serve_health
from latentwatch.streams.watching.health import SILENT_SECONDS, HealthRecord
from latentwatch.streams.watching.metrics import ScorerMetrics


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands."""
    return ManualClock()


@pytest.fixture
def health(clock: ManualClock) -> HealthRecord:
    """Of a scorer that has just begun."""
    return HealthRecord(clock)


@pytest.fixture
def server(clock: ManualClock, health: HealthRecord) -> Iterator[WSGIServer]:
    """A server on any free port."""
    server = serve_health("127.0.0.1", 0, ScorerMetrics("pump", clock).registry, health)
    yield server
    server.shutdown()
    server.server_close()


def ask(server: WSGIServer, path: str) -> tuple[int, str]:
    """Status and body."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_metrics_are_served(server: WSGIServer) -> None:
    """Prometheus finds the scorer's metrics where it looks for them."""
    status, body = ask(server, "/metrics")
    assert status == 200
    assert 'latentwatch_scored_records_total{monitor="pump"} 0.0' in body


def test_ready_only_when_it_scores(server: WSGIServer, health: HealthRecord) -> None:
    """/readyz is 503 with the reasons in JSON until a model serves and the partitions are read; then 200."""
    status, body = ask(server, "/readyz")
    assert status == 503
    assert json.loads(body)["reasons"] == ["the source is not open yet; see the log for what it waits for"]
    assert ask(server, "/healthz")[0] == 200
    health.source_open()
    health.turned(4, {0, 2}, ())
    status, body = ask(server, "/readyz")
    assert status == 200
    assert json.loads(body) == {
        "alive": True,
        "ready": True,
        "reasons": [],
        "model_version": 4,
        "partitions": [0, 2],
    }


def test_a_stuck_loop_is_not_healthy(server: WSGIServer, health: HealthRecord, clock: ManualClock) -> None:
    """/healthz is 503 where only a new process helps."""
    health.source_open()
    clock.advance(SILENT_SECONDS + 1)
    assert ask(server, "/healthz")[0] == 503


def test_a_taken_port_is_named(server: WSGIServer, health: HealthRecord, clock: ManualClock) -> None:
    """Two scorers on one port: the second says which setting to change."""
    with pytest.raises(InvalidInput, match="LATENTWATCH_METRICS_PORT"):
        serve_health("127.0.0.1", server.server_port, ScorerMetrics("pump", clock).registry, health)
