"""Telling people is set up by `init --notify`, tried by `notify --test`, and asked for by `doctor`."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from latentwatch.alerts.database import migrate, open_database
from latentwatch.alerts.monitors import register_monitor
from latentwatch.cli import main
from latentwatch.domain.monitor import load_monitor

# Apprise's e-mail plugin imports it on Pythons that still have it.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command in a folder with a sample; its exit code, and what it printed where."""
    monkeypatch.chdir(tmp_path)
    np.savetxt("sample.csv", np.random.default_rng(0).normal(size=(300, 2)), delimiter=",", header="a,b", comments="")

    def go(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    return go


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A receiver of JSON on this machine: its address for Apprise, and what it took."""
    took: list[dict[str, str]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            took.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"json://127.0.0.1:{server.server_port}/hook", took
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_channel_is_set_up_and_tried(
    run: Run, tmp_path: Path, webhook: tuple[str, list[dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The monitor names it, its address is in a file for its owner alone, and a test message arrives."""
    address, took = webhook
    code, _, said = run("init", "sample.csv", "-o", "m.yaml", "--notify", address)
    assert code == 0, said
    assert load_monitor("m.yaml").alert.notify == ("json",)
    assert (tmp_path / "channels.yaml").stat().st_mode & 0o777 == 0o600
    assert run("init", "sample.csv", "-o", "n.yaml", "--notify", address)[0] == 0
    assert (tmp_path / "channels.yaml").read_text().count(address) == 1, "the same address is the same channel"
    monkeypatch.setenv("LATENTWATCH_CHANNELS_FILE", "channels.yaml")
    engine = open_database("sqlite:///latentwatch.db")
    migrate(engine)
    register_monitor(engine, load_monitor("m.yaml"))
    engine.dispose()
    for words in ((), ("sample",)):
        code, _, said = run("notify", "--test", *words)
        assert (code, "json: took the message" in said) == (0, True)
    assert [message["title"] for message in took] == ["[test] Latentwatch can reach you"] * 2


def test_what_cannot_be_reached_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing set up, an address that nobody knows, one that does not answer."""
    assert "no notification channel is set up" in run("notify", "--test")[2]
    code, _, said = run("init", "sample.csv", "-o", "m.yaml", "--notify", "pigeon://loft")
    assert (code, "none that Apprise knows" in said) == (2, True)
    monkeypatch.setenv("LATENTWATCH_CHANNELS", json.dumps({"oncall": "json://127.0.0.1:1/x"}))
    code, _, said = run("notify", "--test")
    assert (code, "did not take the message" in said) == (3, True)
    assert run("notify", "somewhere")[0] == 2


def test_the_doctor_asks_who_is_told(run: Run) -> None:
    """A monitor that notifies nobody is a warning with the key to write."""
    assert run("init", "sample.csv", "-o", "m.yaml")[0] == 0
    code, _, said = run("doctor", "m.yaml", "--only", "monitors")
    assert code == 0
    assert "nobody is told of its alerts" in said
    assert "notify: [NAME]" in " ".join(said.split())


def test_the_time_is_no_entity(run: Run, tmp_path: Path) -> None:
    """Said in words, not by what was read."""
    rows = "".join(f"2026-01-01T00:{minute:02d}:00Z,{minute}\n" for minute in range(60))
    (tmp_path / "timed.csv").write_text(f"timestamp,x\n{rows}")
    code, _, said = run("init", "timed.csv", "-o", "m.yaml", "--entity", "timestamp")
    assert (code, "is the time, and names no entity" in said, "{" in said) == (2, True, False)
