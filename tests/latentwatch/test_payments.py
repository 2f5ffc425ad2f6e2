"""Payments of a new country alarm, are called normal, and alarm no more; what is strange otherwise alarms as before."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from latentwatch.cli import main
from tests.latentwatch.payments import MONITOR, ODD, write_payments

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command in a folder of its own; its exit code, what it printed for scripts, and what for people."""
    monkeypatch.chdir(tmp_path)

    def go(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(each) for each in arguments])
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    return go


def found(run: Run, input_: str, kinds: np.ndarray) -> tuple[dict[str, int], list[dict]]:
    """How many of each kind are flagged in a file, and its lines."""
    code, _, said = run("score", "m.yaml", "--input", input_, "--output", "scores.jsonl")
    assert code == 0, said
    lines = [json.loads(line) for line in Path("scores.jsonl").read_text().splitlines()]
    flagged = np.array([line["flagged"] for line in lines])
    return {kind: int(flagged[kinds == kind].sum()) for kind in ("normal", "amount", "country", "text")}, lines


@pytest.mark.slow
def test_a_new_country_is_excepted_and_nothing_else_is(run: Run, tmp_path: Path) -> None:
    """From thirty alerts to one exception and the next model, by the command line alone; refused where it would cover what was confirmed."""
    write_payments(Path("history.csv"), 12_000, 1)
    kinds, next_kinds = (
        write_payments(Path("new.csv"), 3_000, 4, odd=True),
        write_payments(Path("next.csv"), 3_000, 8, odd=True),
    )
    Path("m.yaml").write_text(MONITOR % "new.csv")
    code, _, said = run("train", "m.yaml", "--history", "history.csv")
    assert code == 0, said
    assert run("score", "m.yaml")[0] == 0
    ids: dict[str, list[int]] = {}
    for alert in json.loads(run("alerts", "list", "--limit", 1000, "--json")[1]):
        ids.setdefault(kinds[int(alert["entity"][4:])], []).append(alert["id"])
    assert [len(ids[kind]) for kind in ("country", "text")] == [ODD, ODD]
    assert len(ids["amount"]) >= 28

    before, _ = found(run, "next.csv", next_kinds)
    code, out, said = run("exceptions", "propose", "payments", "--alert", ids["country"][0], "--json")
    assert code == 0, said
    best = json.loads(out)[0]
    assert "NG" in best["text"]
    assert (best["alerts_covered"], best["alerts_like"], best["confirmed_lost"]) == (ODD, ODD, 0)
    assert best["share_of_records"] == pytest.approx(ODD / 3_000)
    assert "NG" in run("exceptions", "propose", "payments", "--alert", ids["country"][0])[1]

    run("alerts", "label", *ids["amount"], *ids["text"], "true", "--cause", "fraud")

    # One of them turns out to be a fraud: what would cover it is refused; the label is corrected, and it is accepted.
    run("alerts", "label", ids["country"][3], "true")
    assert json.loads(run("exceptions", "propose", "payments", "--alert", ids["country"][0], "--json")[1])[0][
        "confirmed_lost"
    ]
    code, _, said = run("exceptions", "add", "payments", "--proposal", best["id"], "--note", "x")
    assert code == 2
    assert f"confirmed: alert {ids['country'][3]}" in said
    assert run("alerts", "label", *ids["country"], 999_999, "false")[0] != 0  # none of them, where one is none
    assert json.loads(run("alerts", "list", "--json", "--limit", 1000)[1])[0]["verdict"] is None
    code, out, _ = run("alerts", "label", *ids["country"], "false", "--note", "we sell there now")
    assert (code, out.count("labelled false")) == (0, ODD)
    code, out, said = run(
        "exceptions", "add", "payments", "--proposal", best["id"], "--note", "we sell there", "--json"
    )
    assert code == 0, said
    exception = json.loads(out)["id"]

    flagged, lines = found(run, "next.csv", next_kinds)
    assert (before["country"], before["text"]) == (ODD, ODD)
    assert flagged["country"] <= 3
    assert {**flagged, "country": 0} == {**before, "country": 0}
    assert sum(line.get("excepted") == exception for line in lines) >= 27
    assert not any(line["flagged"] for line in lines if "excepted" in line)

    # An archive, and the verdicts of a version on records that are read again, are under it as well.
    pd.read_csv("next.csv").to_parquet("next.parquet")
    code, _, said = run("backfill", "m.yaml", "--input", "next.parquet", "--output", "scored")
    assert code == 0, said
    archive = pq.read_table("scored").to_pylist()
    assert [row["excepted"] for row in archive] == [line.get("excepted") for line in lines]
    assert [row["flagged"] for row in archive] == [line["flagged"] for line in lines]
    code, out, said = run("replay", "m.yaml", "--version", 1, "--input", "next.csv", "--json")
    assert code == 0, said
    assert json.loads(out)["flagged_version"] == sum(line["flagged"] for line in lines)

    # On the stream: counted under the exception.
    Path("m.yaml").write_text(MONITOR % "next.csv")
    assert run("score", "m.yaml")[0] == 0
    (listed,) = json.loads(run("exceptions", "list", "payments", "--json")[1])
    assert listed["records"] >= 27
    assert listed["note"] == "we sell there"

    # The next model learns of it, and of nothing worse.
    code, out, said = run("retrain", "m.yaml", "--history", "history.csv", "--history", "new.csv", "--json")
    assert code == 0, said
    again, _ = found(run, "next.csv", next_kinds)
    assert again["country"] <= 3
    assert again["amount"] >= before["amount"] - 1
    assert again["text"] == ODD

    code, _, said = run("exceptions", "remove", "payments", exception)
    assert code == 0, said
    assert exception not in [each["id"] for each in json.loads(run("exceptions", "list", "payments", "--json")[1])]


def test_ends_that_are_none_and_unknown_proposals_are_told(run: Run) -> None:
    """What, where, and what to do."""
    write_payments(Path("history.csv"), 100, 1)
    Path("m.yaml").write_text(MONITOR % "history.csv")
    code, _, said = run("exceptions", "list", "payments")
    assert code != 0
    assert "not registered" in said
    run("score", "m.yaml", "--input", "history.csv")
    from latentwatch.settings import load_settings
    from latentwatch.wiring import ready_database, registered

    registered(Path("m.yaml"), ready_database(load_settings()))
    code, _, said = run("exceptions", "add", "payments", "--proposal", "p1", "--note", "x", "--until", "soon")
    assert code != 0
    assert "--until soon" in said
    code, _, said = run("exceptions", "add", "m.yaml", "--proposal", "p1", "--note", "x", "--until", "30d")
    assert code != 0
    assert "no proposal 'p1'" in said
    stretch = ("--from", "2026-11-01T02:10", "--to", "2026-11-01T02:40")
    code, out, said = run("alerts", "missed", "payments", *stretch, "--entity", "tx1", "--cause", "fraud", "--json")
    assert (code, json.loads(out)["start"]) == (0, "2026-11-01T02:10:00Z"), said
    assert [each["cause"] for each in json.loads(run("alerts", "missed", "payments", "--json")[1])] == ["fraud"]
    assert "name the entity" in run("alerts", "missed", "payments", *stretch)[2]
    assert "--to is missing" in run("alerts", "missed", "payments", *stretch[:2], "--entity", "tx1")[2]
    assert run("alerts", "missed", "payments", "--remove", 1)[0] == 0
    assert "Nothing is known" in run("alerts", "missed", "payments")[1]
    code, _, said = run("exceptions", "propose", "payments", "--alert", 5)
    assert code != 0
    assert "no alert 5" in said
