"""Silences from the command line: tried, added, listed with what they hid, taken back, and clear errors."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from latentwatch.alerts.database import migrate, open_database
from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.store import AlertStore
from latentwatch.cli import main
from latentwatch.domain.monitor import parse_monitor
from tests.alerts.build import MONITOR, SOURCE, flagged, outcome

Run = Callable[..., tuple[int, str, str]]
ADD = ("silences", "add", "--monitor", MONITOR, "--reason", "backup", "--author", "ada")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command over a database with one monitor of Berlin; its exit code, and what it printed where."""
    monkeypatch.chdir(tmp_path)
    engine = open_database("sqlite:///latentwatch.db")
    migrate(engine)
    register_monitor(
        engine,
        parse_monitor(
            f"name: {MONITOR}\nsource: {{file: {{path: a.csv}}}}\n"
            "record: {time: t, timezone: Europe/Berlin, features: {Pressure0: numeric}}\n"
        ),
    )
    engine.dispose()

    def go(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    return go


def test_a_silence_is_tried_added_listed_and_taken_back(run: Run) -> None:
    """Times without an offset are the monitor's; what it hid is counted, and taken back it says so."""
    stretch = ("--entity", "rig-*", "--from", "2026-03-01T13:00", "--to", "2026-03-01T14:00")
    code, out, said = run(*ADD, *stretch, "--dry-run")
    assert code == 0, said
    assert "nothing was added" in out
    assert run("silences", "list")[1].strip() == "No silence."
    code, out, said = run(*ADD, *stretch)
    assert (code, out.split(":")[0]) == (0, "silence 1 added")
    assert "2026-03-01 12:00 UTC to 2026-03-01 13:00 UTC" in out
    assert "never comes into force again" in said
    engine = open_database("sqlite:///latentwatch.db")
    store = AlertStore(engine, MONITOR)
    store.claim(SOURCE, 0, 0)
    store.commit(outcome(0, 1, [flagged(0)]))
    engine.dispose()
    (listed,) = json.loads(run("silences", "list", "--all", "--json")[1])
    assert (listed["state"], listed["hidden_alerts"], listed["author"]) == ("over", 1, "ada")
    assert "silenced" in run("alerts", "list")[1]
    code, out, _ = run("silences", "remove", "1")
    assert (code, out.split(":")[0]) == (0, "silence 1 hides nothing more")


def test_a_weekly_rule_goes_by_the_clock_of_the_monitor(run: Run) -> None:
    """Its next windows are shown before it is added."""
    code, out, said = run(*ADD, "--weekly", "sun 2:00-4:00", "--json")
    assert code == 0, said
    added = json.loads(out)
    assert (added["weekly"], added["timezone"], added["done"]) == ("Sun 02:00-04:00", "Europe/Berlin", True)
    begins = datetime.fromisoformat(added["preview"]["windows"][0][0])
    assert begins.astimezone(UTC).hour in (0, 1)
    assert "Sun 02:00-04:00 (Europe/Berlin)" in run("silences", "list")[1]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((), "from when to when"),
        (("--from", "now"), "from when to when"),
        (("--from", "noon", "--for", "2h"), "--from: 'noon' is no time"),
        (("--from", "now", "--for", "long"), "--for: 'long' is not a duration"),
        (("--from", "now", "--for", "2h", "--to", "2026-03-01"), "not both"),
        (("--weekly", "Caturday 1:00-2:00"), "no day"),
        (("--weekly", "Sun 1:00-2:00", "--timezone", "Mars"), "Mars"),
        (("--from", "2026-03-02", "--to", "2026-03-01"), "before it begins"),
    ],
)
def test_what_cannot_be_added_is_a_clear_error(run: Run, words: tuple[str, ...], problem: str) -> None:
    """It says what was wrong, and nothing is written."""
    code, out, said = run(*ADD, *words)
    assert (code, out) == (2, "")
    assert problem in said
    assert run("silences", "list", "--all")[1].strip() == "No silence."


def test_a_monitor_or_a_silence_that_is_not_there_is_named(run: Run) -> None:
    """With what there is."""
    code, _, said = run("silences", "add", "--monitor", "nope", "--reason", "x", "--from", "now", "--for", "1h")
    assert (code, "registered: pump" in said) == (2, True)
    assert run("silences", "remove", "7")[0] == 2
