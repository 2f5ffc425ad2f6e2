"""`latentwatch alerts show`: what happened over an alert's whole course, for people and for scripts."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from latentwatch.alerts.database import migrate, open_database
from latentwatch.alerts.store import AlertStore
from latentwatch.cli import main
from latentwatch.domain.clock import ManualClock
from tests.alerts.build import SOURCE, START
from tests.alerts.contract.courses import Day

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command on a database with one alert: a leads it, b comes to lead later; what it answers."""
    monkeypatch.chdir(tmp_path)
    address = f"sqlite:///{tmp_path}/alerts.db"
    monkeypatch.setenv("LATENTWATCH_DATABASE", address)
    engine = open_database(address)
    migrate(engine)
    store = AlertStore(engine, "pump", ManualClock(START))
    store.claim(SOURCE, 0, 0)
    Day([*[""] * 30, *["a"] * 14, *["b"] * 6, *[""] * 9]).commit(store, [35])
    engine.dispose()

    def go(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*arguments])
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    return go


def test_an_alert_is_told_in_lines(run: Run) -> None:
    """When it began and with what, who came later, how far each feature went and what was usual."""
    code, out, _ = run("alerts", "show", "1")
    assert code == 0
    assert out.startswith("alert 1: pump, rig-0: a, b\n")
    assert "2026-03-01 12:00:30 began: a at 10.02, usually 1 to 1.04\n" in out
    assert "2026-03-01 12:00:44 new culprit: b at 9.01, usually 2 to 2.02\n" in out
    row = next(line for line in out.splitlines() if line.startswith("b "))
    assert ["2 to 2.02" in row, "12:00:44" in row, "12:00:49" in row] == [True] * 3


def test_scripts_read_what_the_api_answers(run: Run) -> None:
    """The course with all its features, and the trace around the alert."""
    code, out, _ = run("alerts", "show", "1", "--json")
    assert code == 0
    told = json.loads(out)
    assert told["alert"]["features"] == ["a", "b"]
    assert [each["feature"] for each in told["course"]["culprits"] if each["further"]] == ["b"]
    assert len(told["trace"]) == 59


def test_an_alert_that_is_not_there(run: Run) -> None:
    """Says where to look."""
    code, _, err = run("alerts", "show", "7")
    assert code == 2
    assert "there is no alert 7; 'latentwatch alerts list' shows those there are" in err
