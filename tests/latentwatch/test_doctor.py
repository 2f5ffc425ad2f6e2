"""What `latentwatch doctor` says of the messages to people."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.services.process import free_port
from latentwatch.alerts.database import migrate, open_database
from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.outbox import ATTEMPTS, LONGEST_PAUSE, Notifier
from latentwatch.alerts.store import AlertStore
from latentwatch.cli import app
from latentwatch.doctor import examine
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import InvalidInput, Unavailable
from tests.alerts.build import MONITOR, SOURCE, flagged, outcome
from tests.alerts.contract.outbox import PUMP
from tests.streams.registry_server import RegistryServer


def test_messages_that_were_given_up_are_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that no channel took in all its attempts is reported with where to look."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LATENTWATCH_DATABASE", f"sqlite:///{tmp_path / 'latentwatch.db'}")
    engine, clock = open_database(f"sqlite:///{tmp_path / 'latentwatch.db'}"), ManualClock()
    migrate(engine)
    register_monitor(engine, PUMP, clock)
    store = AlertStore(engine, MONITOR, clock)
    store.claim(SOURCE, 0, 0)
    store.commit(outcome(0, 1, [flagged(0)]))

    def finding() -> dict[str, str]:
        result = CliRunner().invoke(app, ["doctor", "--only", "outbox", "--json"])
        (found,) = json.loads(result.stdout)["findings"]
        return dict(found)

    assert finding()["state"] == "fine"
    assert "2 due" in finding()["detail"]
    for _ in range(ATTEMPTS):
        Notifier(engine, {}, clock).deliver()
        clock.advance(LONGEST_PAUSE.total_seconds())
    engine.dispose()
    assert finding()["state"] == "warning"
    assert "2 given up" in finding()["detail"]


@pytest.mark.parametrize(
    ("reach", "state", "said"),
    [("server", "fine", "answers"), ("nobody", "failure", "does not answer"), ("", "failure", "no registry")],
)
def test_the_registry_of_a_monitor_that_reads_avro_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reach: str, state: str, said: str
) -> None:
    """Whether it answers, with the credentials of the settings."""
    monkeypatch.chdir(tmp_path)
    monitor = tmp_path / "pump.yaml"
    monitor.write_text("name: pump\nsource: {kafka: {topic: t, format: avro}}\nrecord: {features: {a: numeric}}\n")
    with RegistryServer(token="secret").running() as server:
        addresses = {"server": server.url, "nobody": f"http://127.0.0.1:{free_port()}", "": ""}
        monkeypatch.setenv("LATENTWATCH_REGISTRY", addresses[reach])
        monkeypatch.setenv("LATENTWATCH_REGISTRY_TOKEN", "secret")
        result = CliRunner().invoke(app, ["doctor", str(monitor), "--only", "registry", "--json"])
    (found,) = json.loads(result.stdout)["findings"]
    assert found["state"] == state
    assert said in found["detail"]


def test_a_database_that_is_away_costs_its_patience_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every check that needs the database learns from the first one that it does not answer."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LATENTWATCH_DATABASE", "postgresql://ann:secret@127.0.0.1:1/latentwatch")
    waits: list[float | None] = []

    def away(*_: object, patience_seconds: float | None = None) -> None:
        waits.append(patience_seconds)
        raise Unavailable("database away")

    monkeypatch.setattr("latentwatch.findings.wait_for_database", away)
    result = CliRunner().invoke(app, ["doctor", "--json"])
    findings = {found["what"]: found for found in json.loads(result.stdout)["findings"]}
    assert findings["database"]["detail"] == "database away"
    assert waits == [3.0]


@pytest.mark.parametrize(
    ("text", "fix"), [(None, "give the path of a monitor file"), ("name: [", "correct the line it names")]
)
def test_a_monitor_file_that_is_wrong_is_told_from_one_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, fix: str
) -> None:
    """Only a file that is there has a line to correct."""
    monkeypatch.chdir(tmp_path)
    monitor = tmp_path / "pump.yaml"
    if text is not None:
        monitor.write_text(text)
    result = CliRunner().invoke(app, ["doctor", str(monitor), "--only", "monitors", "--json"])
    (found,) = json.loads(result.stdout)["findings"]
    assert found["fix"] == fix


def test_a_check_that_does_not_exist_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt name must not look like a clean bill of health."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput, match="choose settings, database"):
        examine([], ["datbase"], as_json=False)
