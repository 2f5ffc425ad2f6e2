"""A morning of forty hosts in long form finds what the same records find: each host in trouble, and nobody else."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from latentwatch.cli import app
from tests.services.days.hosts import HOSTS, METRICS, OUTAGE, SLOW, SLOW_DISK, WEB, WORK, WORKED_ON, moment, morning

pytestmark = pytest.mark.long

EPISODES = [*((host, OUTAGE) for host in HOSTS[:WEB]), (SLOW, SLOW_DISK), *((host, WORK) for host in WORKED_ON)]
BEHIND = 15
"""Minutes after an episode in which averages of the past still hold it, so that the records behind it belong to it."""


def flagged(
    folder: Path, form: str, history: pd.DataFrame, new: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> set[tuple[str, str]]:
    """Entity and time of every row that is flagged, of a monitor that `init` writes from a form's history."""
    place = folder / form
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("LATENTWATCH_DATABASE", f"sqlite:///{place}/latentwatch.db")
    monkeypatch.setenv("LATENTWATCH_BUNDLES", str(place / "bundles"))
    history.to_csv("history.csv", index=False)
    new.to_csv("new.csv", index=False)
    for command in (
        ["init", "history.csv", "--output", "m.yaml"],
        ["train", "m.yaml", "--history", "history.csv"],
        ["score", "m.yaml", "--input", "new.csv", "--output", "scores.jsonl"],
    ):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
    rows: list[dict[str, Any]] = list(map(json.loads, Path("scores.jsonl").read_text().splitlines()))
    assert len(rows) == len(new) // (len(METRICS) if form == "long" else 1)
    return {(row["entity"], row["time"]) for row in rows if row["flagged"]}


def as_long(records: pd.DataFrame) -> pd.DataFrame:
    """A value a line, all hosts' values of a minute before those of the next."""
    return records.melt(["at", "host"], METRICS, "metric").sort_values("at", kind="stable")


def test_long_form_finds_what_wide_form_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """36 of 36 episodes of a host, none of anybody else, and by the same records."""
    history, new = morning(0, 600), morning(1, 240, faults=True)
    found = {}
    for form in ("wide", "long"):
        before, after = (as_long(frame) if form == "long" else frame for frame in (history, new))
        found[form] = flagged(tmp_path, form, before, after, monkeypatch)
    assert found["long"] == found["wide"]
    wanted = {(host, moment(1, minute)) for host, (start, end) in EPISODES for minute in range(start, end)}
    hit = [any((host, moment(1, minute)) in found["long"] for minute in range(*span)) for host, span in EPISODES]
    assert (sum(hit), len(hit)) == (36, 36)
    spans = {(host, moment(1, minute)) for host, (start, end) in EPISODES for minute in range(start, end + BEHIND)}
    assert found["long"] <= spans, found["long"] - spans
    assert len(found["long"] & wanted) > 0.9 * len(wanted)
