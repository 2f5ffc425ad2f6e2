"""The command line end to end on a plain table: the forms scripts rely on, the exit codes, and clear errors."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from latentwatch.alerts.database import open_database
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.cli import main

ROOT = Path(__file__).parents[2]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command in a folder of its own; its exit code, what it printed for scripts, and what for people."""
    monkeypatch.chdir(tmp_path)

    def go(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    return go


def write_table(path: Path, rows: int, seed: int, odd: int | None = None) -> None:
    """Three coupled columns of plain numbers; row `odd` breaks their coupling."""
    numbers = np.random.default_rng(seed)
    a, b = numbers.normal(size=(2, rows))
    c = a + b + 0.05 * numbers.normal(size=rows)
    if odd is not None:
        c[odd] += 6.0
    np.savetxt(path, np.stack([a, b, c], axis=1), delimiter=",", header="a,b,c", comments="", fmt="%.5f")


@pytest.fixture
def trained(run: Run, tmp_path: Path) -> Run:
    """A folder with a monitor and a promoted model of a plain table."""
    write_table(tmp_path / "normal.csv", 400, seed=1)
    code, _, said = run("init", "normal.csv", "-o", "monitor.yaml")
    assert (code, "wrote monitor.yaml" in said) == (0, True)
    with (tmp_path / "monitor.yaml").open("a") as monitor:
        monitor.write("model: {kind: linear, effort: light}\n")
    code, out, said = run("train", "monitor.yaml", "--history", "normal.csv", "--json")
    assert code == 0, said
    result = json.loads(out)
    assert (result["version"], result["status"], result["records"]) == (1, "champion", 400)
    return run


@pytest.mark.slow
def test_a_plain_table_goes_from_init_to_scores(trained: Run, tmp_path: Path):
    """One object a row in input order, through files and through pipes alike; the odd row is flagged."""
    write_table(tmp_path / "new.csv", 50, seed=2, odd=17)
    code, out, said = trained("score", "monitor.yaml", "--input", "new.csv", "--output", "scores.jsonl")
    assert code == 0, said
    assert out == ""
    text = (tmp_path / "scores.jsonl").read_text()
    rows = [json.loads(line) for line in text.splitlines()]
    assert [row["position"] for row in rows] == list(range(50))
    assert all({"surprise", "reconstruction", "density", "flagged", "position"} <= set(row) for row in rows)
    assert rows[17]["flagged"]
    assert rows[17]["features"]
    assert all(("features" in row) == row["flagged"] for row in rows)
    assert max(range(50), key=lambda at: rows[at]["surprise"]) == 17
    piped = subprocess.run(
        [sys.executable, "-m", "latentwatch", "score", "monitor.yaml", "--input", "-", "--output", "-"],
        input=(tmp_path / "new.csv").read_bytes(),
        cwd=tmp_path,
        capture_output=True,
        timeout=300,
        check=True,
    )
    assert piped.stdout.decode() == text


def test_a_file_of_which_nothing_can_be_read_is_an_error(trained: Run, tmp_path: Path):
    """Every line says why, and a script that looks at the exit code only learns that nothing was scored."""
    header = (tmp_path / "normal.csv").read_text().splitlines()[0]
    (tmp_path / "new.csv").write_text(f"{header}\nlow,lower,lowest\n")
    code, _, said = trained("score", "monitor.yaml", "--input", "new.csv", "--output", "scores.jsonl")
    assert code == 2
    assert "none of its records could be read (1 record); the first: field" in said
    (row,) = (json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines())
    assert "low" in row["error"]
    (tmp_path / "new.csv").write_text("other\n1\n")
    code, _, said = trained("score", "monitor.yaml", "--input", "new.csv", "--output", f"{tmp_path}/new.csv")
    assert (code, (tmp_path / "new.csv").read_text()) == (2, "other\n1\n")
    assert "is the file that is scored" in said
    assert "new.csv: the CSV header lacks" in trained("score", "monitor.yaml", "--input", "new.csv")[2]


def test_a_file_is_read_again_where_its_offsets_are_reset(trained: Run, tmp_path: Path):
    """A preview changes nothing; done, the next run scores the file anew; only its beginning can be asked for."""
    assert trained("score", "monitor.yaml")[0] == 0
    name = json.loads(trained("models", "list", "--json")[1])[0]["monitor"]
    (before,) = json.loads(trained("offsets", "show", name, "--json")[1])["partitions"]
    assert before["next_offset"] == 400
    planned = json.loads(trained("offsets", "reset", name, "--json")[1])
    assert (planned["done"], planned["moves"][0]["scored_again"]) == (False, 400)
    assert "holds nothing new" in trained("score", "monitor.yaml")[2]
    code, out, said = trained("offsets", "reset", name, "--yes")
    assert (code, "400" in out, "moved; running scorers go on" in said) == (0, True, True)
    assert "scored 400 records" in trained("score", "monitor.yaml")[2]
    assert trained("offsets", "show", name)[0] == 0
    code, _, said = trained("offsets", "reset", name, "--to", "latest")
    assert (code, "which can only be begun anew" in said) == (2, True)
    assert trained("offsets", "show", "unknown")[0] == 2


@pytest.mark.parametrize("name", ["new.csv", "new.jsonl"])
def test_a_file_without_records_is_scored_and_says_so(trained: Run, tmp_path: Path, name: str):
    """A header alone is as good as no line of JSON: done, no line of scores, and whoever expected some is told."""
    header = (tmp_path / "normal.csv").read_text().splitlines()[0]
    (tmp_path / name).write_text(f"{header}\n" if name.endswith("csv") else "")
    code, out, said = trained("score", "monitor.yaml", "--input", name)
    assert (code, out) == (0, "")
    assert f"{name} holds no records" in said


def test_the_stream_goes_to_the_database_and_every_verdict_replays(trained: Run, tmp_path: Path):
    """Scoring the monitor's own source stores alerts; a second run has nothing left to do; verdicts replay."""
    write_table(tmp_path / "normal.csv", 60, seed=3, odd=30)
    with (tmp_path / "normal.csv").open("a") as more:
        more.write("1.0,high,2.0\nhigh,high,high\n")
    code, _, said = trained("score", "monitor.yaml")
    assert code == 0, said
    assert "scored 61 records" in said
    assert "1 dead letter, 1 value not read and left out" in said
    again = trained("score", "monitor.yaml")[2]
    assert "scored 0 records" in again
    assert "normal.csv holds nothing new" in again
    alerts = json.loads(trained("alerts", "list", "--json")[1])
    assert len(alerts) >= 1
    number = str(alerts[0]["id"])
    assert trained("alerts", "acknowledge", number)[0] == 0
    assert trained("alerts", "label", number, "true", "--cause", "a bent pipe")[0] == 0
    labelled = json.loads(trained("alerts", "list", "--json", "--status", "closed")[1])
    assert [str(alert["id"]) for alert in labelled if alert["verdict"] == "true"] == [number]
    verified = json.loads(trained("replay", "monitor.yaml", "--json")[1])
    assert verified["records"] >= 1
    assert verified["differing"] == 0
    compared = json.loads(trained("replay", "monitor.yaml", "--version", "1", "--json")[1])
    assert (compared["records"], compared["only_against"], compared["only_version"]) == (61, [], [])
    assert compared["flagged_by_both"] == verified["records"]
    assert compared["against"] is None
    both = json.loads(trained("replay", "monitor.yaml", "--version", "1", "--against", "1", "--json")[1])
    assert both == {**compared, "against": 1}
    assert "--version" in trained("replay", "monitor.yaml", "--against", "1")[2]


def test_the_same_history_is_not_learned_twice(trained: Run, tmp_path: Path):
    """Without anything new nothing is trained, which succeeds and is said; asked for, or with other settings, it is."""
    retrain, monitor = ("retrain", "monitor.yaml", "--history", "normal.csv", "--json"), tmp_path / "monitor.yaml"
    code, out, said = trained(*retrain)
    assert code == 0, said
    result = json.loads(out)
    assert (result["version"], result["trained"], result["promoted"]) == (1, False, False)
    assert "Nothing new since version 1 of 'normal': the same 400 records" in result["reasons"][0]
    assert "no earlier champion" in trained("models", "rollback", "normal")[2]
    assert json.loads(trained(*retrain, "--anyway")[1])["version"] == 2
    monitor.write_text(monitor.read_text().replace("effort: light", "effort: light, seed: 1"))
    assert json.loads(trained(*retrain)[1])["trained"]
    assert "let in" in trained("models", "show", "normal", "1")[1]


def test_the_doctor_finds_what_is_wrong_and_says_how_to_mend_it(trained: Run, tmp_path: Path):
    """All is well after training; a damaged bundle is a failure with its fix and an exit code."""
    code, out, _ = trained("doctor", "monitor.yaml", "--json")
    assert code == 0
    assert json.loads(out)["ok"]
    weights = next((tmp_path / "bundles").glob("*/weights.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0\1")
    code, out, _ = trained("doctor", "--json")
    assert code == 1
    failures = [finding for finding in json.loads(out)["findings"] if finding["state"] == "failure"]
    assert [finding["what"] for finding in failures] == ["bundles"]
    assert "rollback" in failures[0]["fix"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("train", "none.yaml", "--history", "x.csv"), 2, "none.yaml: no such monitor file"),
        (("score", "odd.yaml", "--input", "x.csv"), 2, "odd.yaml:1: source"),
        (("score", "good.yaml", "--input", "x.csv"), 2, "no model serves yet"),
        (("train", "good.yaml", "--history", "nothing.csv"), 2, "nothing.csv: no such file"),
        (
            ("train", "good.yaml", "--history", "words.csv"),
            2,
            "row 1: field 'a' is text ('one'), a number belongs there",
        ),
        (("init", "words.csv", "-o", "good.yaml"), 2, "exists already"),
        (("init", "words.csv", "-o", "words.csv", "--force"), 2, "is the sample itself"),
        (("alerts", "list", "--status", "shut"), 2, "choose one of open, acknowledged, snoozed, silenced, closed"),
        (("alerts", "label", "7", "true"), 2, "there is no alert 7"),
        (("serve", "--host", "0.0.0.0"), 2, "without a password or a token"),
        (("retention", "--keep", "cats=2d"), 2, "no such kind of row: cats"),
        (("retention", "--keep", "trace=soon"), 2, "is not a duration"),
        (("replay", "good.yaml", "--since", "yesterday"), 2, "is not a time"),
        (("demo", "--for", "ever"), 2, "is not a duration"),
    ],
)
def test_a_mistake_is_one_clear_message_and_an_exit_code(
    arguments: tuple[str, ...], code: int, said: str, run: Run, tmp_path: Path
):
    """No traceback; what was wrong, where, and what to do."""
    (tmp_path / "odd.yaml").write_text("{name: x, record: {features: {a: numeric}}}\n")
    (tmp_path / "good.yaml").write_text(
        "name: good\nsource: {file: {path: words.csv}}\nrecord: {features: {a: numeric}}\n"
    )
    (tmp_path / "words.csv").write_text("a\none\n")
    ended, out, err = run(*arguments)
    assert ended == code
    assert out == ""
    assert said.replace(":1: source", ":1:") in err
    assert "Traceback" not in err


def test_a_database_that_is_away_is_waited_for_visibly(run: Run, monkeypatch: pytest.MonkeyPatch):
    """Every try is told; in the end come what was tried, what to do, and the exit code that trying later may help."""
    monkeypatch.setattr("latentwatch.wiring.ASKING_SECONDS", 0.8)
    monkeypatch.setenv("LATENTWATCH_DATABASE", "postgresql+psycopg://u:secret@127.0.0.1:1/x")
    code, _, said = run("models", "list", "pump")
    assert code == 3
    assert "waiting for the database, next try in 0.5 s" in said
    assert "tried 2 times" in said
    assert "correct LATENTWATCH_DATABASE" in said
    assert "secret" not in said


def test_help_is_complete_and_imports_nothing_heavy():
    """Every command says what it does with an example, and asking for help costs no torch, pandas or database."""
    script = (
        "import sys, typer\n"
        "from latentwatch.cli import app\n"
        "command = typer.main.get_command(app)\n"
        "heavy = [name for name in ('torch', 'pandas', 'numpy', 'sqlalchemy', 'kafka', 'nicegui', 'mlflow') if name in sys.modules]\n"
        "assert not heavy, heavy\n"
        "for name, one in command.commands.items():\n"
        "    for each in getattr(one, 'commands', {name: one}).values():\n"
        "        assert each.help, name\n"
        "        assert 'Example' in (each.epilog or ''), name\n"
        "        assert '[[' not in each.get_usage(typer.Context(each)), name\n"
        "print(sorted(command.commands))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(
        sorted(
            [
                "incidents",
                "init",
                "train",
                "schema",
                "score",
                "backfill",
                "serve",
                "sessions",
                "segments",
                "silences",
                "synthesize",
                "retrain",
                "notify",
                "offsets",
                "replay",
                "retention",
                "doctor",
                "exceptions",
                "demo",
                "models",
                "monitors",
                "alerts",
                "database",
            ]
        )
    )


@pytest.mark.slow
def test_the_package_is_light_until_the_estimator_is_asked_for():
    """`import latentwatch` costs nothing; `from latentwatch import LatentDetector` works."""
    script = (
        "import sys, latentwatch; assert 'numpy' not in sys.modules; from latentwatch import LatentDetector as d; d()"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, timeout=120, check=True)


def test_the_first_monitor_makes_its_folder(run: Run, tmp_path: Path):
    """A monitor written to a folder that is not there yet makes it; a path that is wrong further up is refused."""
    write_table(tmp_path / "normal.csv", 50, seed=1)
    assert run("init", "normal.csv", "-o", "monitors/pump.yaml")[0] == 0
    assert (tmp_path / "monitors" / "pump.yaml").exists()
    code, _, said = run("init", "normal.csv", "-o", "no/such/pump.yaml")
    assert code == 2
    assert "cannot be written" in said


def test_an_absent_part_is_named_with_what_brings_it(tmp_path: Path):
    """In an environment without a command's part, the command ends with one line that says what to install."""
    probe = (
        "import sys; sys.modules['uvicorn'] = None; from latentwatch.cli import main; main(['serve', '--port', '0'])"
    )
    ended = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 2, ended.stderr
    assert "uvicorn is not installed" in ended.stderr
    assert "latentwatch[review]" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_a_header_in_another_encoding_is_refused_by_name(trained: Run, tmp_path: Path):
    """A file that is not in what the monitor says is refused with its name and the fix, not with a garbled list of columns."""
    (tmp_path / "old.csv").write_bytes("größe,a,b,c\n1,2,3,4\n".encode("latin-1"))
    code, _, said = trained("score", "monitor.yaml", "--input", "old.csv")
    assert code == 2
    assert "old.csv: is not UTF-8 text" in said
    assert "encoding: cp1252" in said
    assert "one file, not a pattern" in trained("score", "monitor.yaml", "--input", "*.csv")[2]


@pytest.mark.slow
def test_an_archive_is_backfilled(trained: Run, tmp_path: Path):
    """Files in the order of their names into new Parquet; what cannot be done ends with what would help."""
    (tmp_path / "archive").mkdir()
    for name, seed in (("b", 4), ("a", 3)):
        write_table(tmp_path / "new.csv", 50, seed=seed, odd=17)
        pq.write_table(csv.read_csv(tmp_path / "new.csv"), tmp_path / "archive" / f"{name}.parquet")
    wanted = ("backfill", "monitor.yaml", "--input", "archive/*.parquet", "--output", "scores", "--json")
    code, out, said = trained(*wanted)
    assert code == 0, said
    told = json.loads(out)
    assert (told["records"], told["unreadable"], told["version"]) == (100, 0, 1)
    rows = pq.read_table(tmp_path / "scores" / "part-00000.parquet").to_pylist()
    assert [(Path(row["file"]).name, row["position"]) for row in rows] == [
        (n, at) for n in ("a.parquet", "b.parquet") for at in range(50)
    ]
    assert all(rows[at]["flagged"] for at in (17, 67))
    code, _, said = trained(*wanted)
    assert (code, "exists already" in said) == (2, True)
    code, _, said = trained("backfill", "monitor.yaml", "--input", "no/*.parquet", "--output", "other")
    assert (code, "no Parquet file" in said) == (2, True)


def test_spark_is_not_for_files(run: Run):
    """Files go to Spark by another command, and the message names it."""
    code, _, said = run("score", "monitor.yaml", "--engine", "spark", "--input", "new.csv")
    assert (code, "latentwatch backfill --engine spark" in said) == (2, True)


def test_models_are_promoted_and_restored_by_hand(trained: Run, tmp_path: Path):
    """Rolling back is undone by promoting, and a refusal by restoring; each says what serves then."""
    engine = open_database(f"sqlite:///{tmp_path / 'latentwatch.db'}")
    registry = ModelRegistry(engine)
    registry.register("normal", registry.version("normal", 1).bundle, "linear", 400, None, None, None)
    assert "version 2 serves" in trained("models", "promote", "normal", "2")[1]
    assert "version 1 serves again" in trained("models", "rollback", "normal")[1]
    assert json.loads(trained("models", "promote", "normal", "2", "--json")[1])["status"] == "champion"
    registry.refuse("normal", 2, "its content does not match its name")
    code, _, said = trained("models", "promote", "normal", "2")
    assert code == 2
    assert "latentwatch models restore normal 2" in said
    assert "version 2 may be promoted again" in trained("models", "restore", "normal", "2")[1]
    engine.dispose()


def test_an_edited_monitor_file_is_compared_with_what_the_model_reads(trained: Run, tmp_path: Path):
    """A field that was only added waits for the next training; one that is missing ends a command, by its name."""
    file = tmp_path / "monitor.yaml"
    text = file.read_text()
    file.write_text(text.replace("    a: numeric\n", "    a: {type: numeric, unit: bar}\n    z: numeric\n"))
    code, _, said = trained("score", "monitor.yaml", "--input", "normal.csv", "--output", "scores.jsonl")
    assert code == 0, said
    assert "z counts from the next training; model version 1 goes on without" in " ".join(said.split())
    code, _, said = trained("doctor", "monitor.yaml", "--only", "bundles")
    assert code == 0
    assert "z counts from the next training" in said
    file.write_text(text.replace("    a: numeric\n", ""))
    code, _, said = trained("score", "monitor.yaml", "--input", "normal.csv")
    assert code == 2
    assert "'a' is missing, which models read since version 1" in " ".join(said.split())
    code, _, said = trained("doctor", "monitor.yaml", "--only", "bundles")
    assert code == 1
    assert "'a' is missing, which the model reads" in said
