"""What `latentwatch doctor` says of what is stored: the schema, the models, the clocks, the messages, the bundles."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from latentwatch.alerts.database import Engine, migrate, open_database
from latentwatch.alerts.heartbeats import Heartbeat, beat
from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.outbox import announce_held
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.alerts.session import transaction
from latentwatch.cli import app, main
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.model import Judgement
from tests.alerts.contract.outbox import PUMP

Found = dict[str, str]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """The database of a working directory of its own, which knows the monitor `pump`."""
    monkeypatch.chdir(tmp_path)
    engine = open_database("sqlite:///latentwatch.db")
    migrate(engine)
    register_monitor(engine, PUMP)
    yield engine
    engine.dispose()


@pytest.fixture
def doctor(engine: Engine) -> Callable[[str], Found]:
    """The one finding about something."""

    def look(what: str) -> Found:
        result = CliRunner().invoke(app, ["doctor", "--only", what, "--json"])
        (found,) = json.loads(result.stdout)["findings"]
        assert result.exit_code == (found["state"] == "failure")
        return dict(found)

    return look


def test_versions_of_which_none_serves_are_a_failure(engine: Engine, doctor: Callable[[str], Found]) -> None:
    """Whoever asks learns that nothing is scored, and by which command something would be."""
    registry = ModelRegistry(engine)
    version = registry.register("pump", "abc", "linear", 0, None, None, None).version
    registry.judge("pump", version, Judgement(False, ("flags too much",)))
    found = doctor("models")
    assert (found["state"], found["fix"]) == ("failure", "'latentwatch models promote pump 1', or train again")
    assert found["detail"] == "pump: no model serves, so nothing is scored; of its versions are 1 held"
    registry.promote("pump", version, "a test says so")
    assert doctor("models")["state"] == "fine"


def test_messages_due_in_the_future_are_a_failure(engine: Engine, doctor: Callable[[str], Found]) -> None:
    """A clock that was two hours ahead wrote them, and nobody would be told for two hours."""
    with transaction(engine) as session:
        later = SystemClock().now() + timedelta(hours=2)
        announce_held(session.connection(), "pump", 1, "abc", ["flags too much"], later)
    found = doctor("outbox")
    assert found["state"] == "failure"
    assert f"not due before {later:%Y-%m-%d %H:%M:%S} UTC: 2 of them" in found["detail"]
    assert "NTP" in found["fix"]


def test_heartbeats_from_the_future_are_a_failure(engine: Engine, doctor: Callable[[str], Found]) -> None:
    """The scorer and its host are named, and by how much its clock is ahead."""
    now = SystemClock().now()

    def live(at: timedelta) -> None:
        seen = now + at
        beat(engine, Heartbeat("rig-7-1", "pump", "rig-7", 1, now, seen, None, [], 1, None, 0, 0.0, "scoring"))

    live(timedelta(0))
    assert doctor("clocks")["state"] == "fine"
    live(timedelta(hours=1))
    found = doctor("clocks")
    assert found["state"] == "failure"
    assert "the scorer rig-7-1 of pump was last heard from 3," in found["detail"]
    assert "clock of rig-7" in found["fix"]


@pytest.mark.parametrize(
    ("revision", "state", "said"),
    [("9999", "failure", "a newer latentwatch has changed its tables"), ("0001", "warning", "of an older version")],
)
def test_a_schema_of_another_version(
    engine: Engine, doctor: Callable[[str], Found], revision: str, state: str, said: str
) -> None:
    """An older one heals by itself; with a newer one this version cannot work, and every start would fail."""
    with transaction(engine) as session:
        session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    found = doctor("database")
    assert found["state"] == state
    assert said in found["detail"]


@pytest.mark.parametrize(
    ("bundles", "state", "said"),
    [
        ("models", "fine", "models: written, read and deleted"),
        ("latentwatch.db", "warning", "nothing can be trained here"),
        ("s3://bucket/models", "failure", "install 'latentwatch[s3]'"),
    ],
)
def test_the_bundle_store_is_really_tried(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, bundles: str, state: str, said: str
) -> None:
    """Written, read and deleted, or what stands against it."""
    monkeypatch.setenv("LATENTWATCH_BUNDLES", bundles)
    result = CliRunner().invoke(app, ["doctor", "--only", "bundles", "--json"])
    first = json.loads(result.stdout)["findings"][0]
    assert (first["state"], result.exit_code) == (state, int(state == "failure"))
    assert said in first["detail"]


def test_training_asks_for_the_store_first(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A store without its client is told before a record is read, not when the fit is over."""
    monkeypatch.setenv("LATENTWATCH_BUNDLES", "s3://bucket/models")
    (tmp_path / "pump.yaml").write_text("name: pump\nsource: {file: {path: p.csv}}\nrecord: {features: {a: numeric}}\n")
    with pytest.raises(SystemExit) as ended:
        main(["train", "pump.yaml", "--history", "p.csv"])
    assert ended.value.code == 2
    assert "install 'latentwatch[s3]'" in capsys.readouterr().err
    assert not (tmp_path / ".latentwatch").exists()
