"""A notebook's estimator becomes a version that scores the same, and a version an estimator."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from latentwatch import LatentDetector, add_version, open_version
from latentwatch.cli import main
from latentwatch.domain.errors import InvalidInput, NotFound

pytestmark = pytest.mark.slow

MONITOR = """
name: rig
source: {file: {path: new.csv}}
record:
  time: at
  entity: machine
  features: {a: numeric, b: numeric, mode: category}
window: WINDOW
alert: {false_alarm_rate: 0.02}
"""


def _rows(count: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    wave = np.sin(np.arange(count) / 9.0) + 0.1 * random.normal(size=count)
    return pd.DataFrame(
        {
            "at": pd.date_range("2026-01-01", periods=count, freq="min"),
            "machine": np.where(np.arange(count) % 2, "mill", "press"),
            "a": wave,
            "b": 2.0 * wave + 0.1 * random.normal(size=count),
            "mode": np.where(wave > 0, "up", "down"),
        }
    )


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with records to score, normal ones, and nothing trained."""
    monkeypatch.chdir(tmp_path)
    _rows(80, 1).to_csv("new.csv", index=False)
    _rows(200, 2).to_csv("normal.csv", index=False)
    return tmp_path


@pytest.mark.parametrize("window", [1, 8])
def test_an_estimator_serves_a_monitor_and_comes_back(rig: Path, window: int):
    """What `latentwatch score` says of a file is what the estimator says; opened again it is at the monitor's threshold."""
    (rig / "rig.yaml").write_text(MONITOR.replace("WINDOW", str(window)))
    model = LatentDetector(kind="linear", window=window).fit(_rows(600, 0), groups="machine", times="at")
    model.save("saved")
    assert _run("models", "add", "rig.yaml", "saved") == 0
    with pytest.raises(InvalidInput, match="no model serves yet"):
        open_version("rig")
    assert _run("models", "promote", "rig", "1") == 0
    assert _run("score", "rig.yaml", "--input", "new.csv", "--output", "scores.jsonl") == 0
    scored = [json.loads(line)["surprise"] for line in (rig / "scores.jsonl").read_text().splitlines()]
    fresh = pd.read_csv("new.csv")
    np.testing.assert_allclose(model.surprise(fresh), scored, atol=1e-3)
    opened = open_version("rig")
    assert np.array_equal(opened.surprise(fresh), model.surprise(fresh))
    assert opened.offset_ == pytest.approx(np.log10(0.02))
    assert (opened.window_, opened.n_samples_fit_, opened.span_) == (window, 600, model.span_)
    with pytest.raises(NotFound, match="no model version 7"):
        open_version("rig", 7)


def test_with_records_to_judge_it_by_an_estimator_is_let_in_or_held(rig: Path):
    """The first is let in, since nothing serves otherwise; one that learned from noise is held, with reasons."""
    (rig / "rig.yaml").write_text(MONITOR.replace("WINDOW", "1"))
    rows = _rows(600, 0)
    first = LatentDetector(kind="linear").fit(rows, groups="machine", times="at")
    assert add_version(first, "rig.yaml", ["normal.csv"]).status.value == "champion"
    rows["b"] = np.random.default_rng(0).permutation(rows["b"])
    held = add_version(
        LatentDetector(kind="linear").fit(rows, groups="machine", times="at"), "rig.yaml", ["normal.csv"]
    )
    assert (held.version, held.status.value) == (2, "held")
    assert held.evaluation is not None
    assert held.reasons


@pytest.mark.parametrize(
    ("given", "change", "reason"),
    [
        ({}, lambda rows: rows.drop(columns=["at", "machine"]), "Fit it with groups='machine', or"),
        ({"groups": "machine", "times": "at"}, lambda rows: rows.rename(columns={"b": "z"}), "'z' is no field"),
        (
            {"groups": "machine", "times": "at"},
            lambda rows: rows.drop(columns="mode").assign(a=rows["a"] + 1e6),
            "takes a level off a",
        ),
    ],
)
def test_an_estimator_that_does_not_fit_the_monitor_is_refused(rig: Path, given, change, reason):
    """With what to fit in its place; nothing is registered."""
    (rig / "rig.yaml").write_text(MONITOR.replace("WINDOW", "1"))
    model = LatentDetector(kind="linear").fit(change(_rows(200, 0)), **given)
    with pytest.raises(InvalidInput, match=reason):
        add_version(model, "rig.yaml")
    with pytest.raises(NotFound):
        open_version("rig")


def test_fields_may_stand_elsewhere_in_a_record(rig: Path):
    """A notebook's columns have the features' names, a message's fields a path; without a window times need not be learned."""
    record = "features: {a: {type: numeric, path: v.a, unit: bar}, b: {type: numeric, path: v.b}, mode: category}"
    (rig / "rig.yaml").write_text(
        MONITOR.replace("WINDOW", "1").replace("features: {a: numeric, b: numeric, mode: category}", record)
    )
    rows, fresh = _rows(300, 0), _rows(60, 1)
    nested = [
        {"at": str(row.at), "machine": row.machine, "v": {"a": row.a, "b": row.b}, "mode": row.mode}
        for row in fresh.itertuples()
    ]
    (rig / "new.jsonl").write_text("".join(json.dumps(message) + "\n" for message in nested))
    model = LatentDetector(kind="linear").fit(rows.drop(columns="at"), groups="machine")
    add_version(model, "rig.yaml")
    assert _run("models", "promote", "rig", "1") == 0
    assert _run("score", "rig.yaml", "--input", "new.jsonl", "--output", "scores.jsonl") == 0
    scored = [json.loads(line)["surprise"] for line in (rig / "scores.jsonl").read_text().splitlines()]
    np.testing.assert_allclose(model.surprise(fresh.drop(columns="at")), scored, atol=1e-3)


def test_an_opened_version_reads_values_as_its_monitor_does(rig: Path):
    """What means no value there, and days before months; an array beside X may stand for the entity's and the time's field."""
    (rig / "rig.yaml").write_text(
        MONITOR.replace("WINDOW", "8").replace("time: at", "time: at\n  day_first: true\n  missing: [-200]")
    )
    rows, fresh = _rows(600, 0), _rows(60, 1)
    model = LatentDetector(kind="linear", window=8)
    model.fit(rows[["a", "b", "mode"]], groups=rows["machine"], times=rows["at"])
    version = add_version(model, "rig.yaml")
    clean = fresh.assign(a=fresh["a"].mask(fresh.index == 30))
    written = fresh.assign(at=fresh["at"].dt.strftime("%d/%m/%Y %H:%M"), a=fresh["a"].mask(fresh.index == 30, -200.0))
    expected = model.surprise(clean[["a", "b", "mode"]], groups=clean["machine"], times=clean["at"])
    np.testing.assert_allclose(open_version("rig", version.version).surprise(written), expected, atol=1e-4)


def _run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)
