"""A first monitor is sensible, says why, and is read back as it was meant."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from latentwatch.domain.errors import InvalidHistory, InvalidInput
from latentwatch.domain.monitor import parse_monitor
from latentwatch.guessing import guess_monitor
from latentwatch.history import read_history
from latentwatch.streams.sources.file_source import FileSource

_ROWS = 240


@pytest.fixture
def frame() -> pd.DataFrame:
    """A table with one column of every kind."""
    numbers = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "id": range(_ROWS),
            "timestamp": pd.date_range("2026-01-01", periods=_ROWS, freq="min", tz="UTC").strftime(
                "%Y-%m-%dT%H:%M:%SZ"
            ),
            "machine_id": [f"m{row % 4}" for row in range(_ROWS)],
            "pressure": numbers.normal(size=_ROWS),
            "limit": 5.0,
            "open": numbers.random(_ROWS) > 0.5,
            "mode": numbers.choice(["run", "idle"], _ROWS),
            "hour": np.arange(_ROWS) % 24,
            "note": [f"operator wrote a free remark, number {row}" for row in range(_ROWS)],
            "token": [f"t{row:08x}" for row in range(_ROWS)],
            "anomaly": 0.0,
        }
    )


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_every_role_is_guessed_and_said(form: str, frame: pd.DataFrame, tmp_path: Path) -> None:
    """Time, entity and types are found in every format; counters, identifiers and labels are left out, each with a word."""
    path = tmp_path / f"Plant Data.{form}"
    if form == "parquet":
        frame.to_parquet(path)
    elif form == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, index=False, sep=";")
    guess = guess_monitor(str(path))
    record = guess.monitor.record
    assert guess.monitor.name == "plant-data"
    assert (record.time, record.entity) == ("timestamp", "machine_id")
    assert {feature.name: feature.type.value for feature in record.features} == {
        "pressure": "numeric",
        "limit": "numeric",
        "open": "boolean",
        "mode": "category",
        "hour": "cyclic",
        "note": "text",
    }
    notes = "\n".join(guess.notes)
    for said in ("left out 'id': it counts the rows", "left out 'token'", "left out 'anomaly': it looks like a label"):
        assert said in notes
    assert parse_monitor(guess.yaml(path.name)) == guess.monitor


def test_numbers_alone_are_a_monitor_without_a_day_to_count_by(tmp_path: Path) -> None:
    """No time, no entity: records are scored one by one, and the budget is a share of records."""
    path = tmp_path / "numbers.csv"
    pd.DataFrame(np.random.default_rng(0).normal(size=(50, 3)), columns=list("abc")).to_csv(path, index=False)
    monitor = guess_monitor(str(path)).monitor
    assert (monitor.record.time, monitor.record.entity, monitor.window) == (None, None, 1)
    assert monitor.alert.false_alarm_rate == 0.01
    assert monitor.record.numbers == ("a", "b", "c")


def test_records_of_nobody_are_offered_what_comes_again(tmp_path: Path) -> None:
    """Numbers that name a card are no quantity but whom alerts can be kept apart by; what names each record once is not."""
    path, random = tmp_path / "payments.csv", np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "transaction_id": [f"tx{number}" for number in range(2_000)],
            "card": random.integers(0, 400, 2_000),
            "status_code": random.choice([200, 404, 500], 2_000),
            "amount": random.integers(1, 500, 2_000),
        }
    )
    rows.to_csv(path, index=False)
    guess = guess_monitor(str(path))
    said = "\n".join(guess.notes)
    assert {each.name: each.type.value for each in guess.monitor.record.features} == {
        "status_code": "category",
        "amount": "numeric",
    }
    assert "left out 'card': its 398 different whole numbers are named like an identifier's" in said
    assert "with --entity card each 'card' has its own" in said
    assert "--entity transaction_id" not in said
    kept = guess_monitor(str(path), entity="card")
    assert kept.monitor.record.entity == "card"
    assert not any("left out 'card'" in note or "--entity" in note for note in kept.notes)
    once = guess_monitor(str(path), entity="transaction_id")
    assert any("every 'transaction_id' comes once" in note for note in once.notes)


@pytest.mark.parametrize("form", ["%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%Y-%m-%d %H:%M:%S"])
def test_a_days_spelling_and_its_columns_language_do_not_matter(form: str, tmp_path: Path) -> None:
    """Plants write days with points and name columns in their own language; that a zone is missing is said."""
    times = pd.date_range("2026-01-01", periods=300, freq="min")
    path = tmp_path / "verlauf.csv"
    pd.DataFrame({"Zeitstempel": times.strftime(form), "Druck": np.arange(300) % 7 * 0.5}).to_csv(path, index=False)
    guess = guess_monitor(str(path))
    assert guess.monitor.record.time == "Zeitstempel"
    assert "without a zone it is taken as UTC" in guess.notes[1]


def test_decimal_commas_are_numbers_and_the_notes_show_one(tmp_path: Path) -> None:
    """Between semicolons they can be read; people see how, since 1,234 could have meant something else."""
    path = tmp_path / "werte.csv"
    path.write_text("a;b\n" + "1,5;2\n-2,25;3\n" * 100)
    guess = guess_monitor(str(path))
    assert guess.monitor.record.numbers == ("a", "b")
    assert "decimal commas: in 'a' 1,5 is read as 1.5" in guess.notes


@pytest.mark.parametrize("form", ["%m/%d/%Y %H:%M", "%Y-%m-%d %H:%M"])
def test_times_are_no_words(form: str, tmp_path: Path) -> None:
    """A second time, or one in a form that nobody can be sure of, would be a category whose every value is new."""
    times = pd.date_range("2026-01-01", periods=300, freq="h")
    path = tmp_path / "two.csv"
    rows = pd.DataFrame({"at": times.astype(str), "geprueft": times.strftime(form), "P": np.arange(300) % 7 * 0.5})
    rows.to_csv(path, index=False)
    guess = guess_monitor(str(path))
    assert guess.monitor.record.names == ("P",)
    assert any(note.startswith("left out 'geprueft': it holds times") for note in guess.notes)


def test_a_guess_can_be_overruled_and_a_wrong_name_is_refused(frame: pd.DataFrame, tmp_path: Path) -> None:
    """What people say goes; a field that is not there is named with those that are."""
    path = tmp_path / "x.csv"
    frame.to_csv(path, index=False)
    monitor = guess_monitor(str(path), name="mine", topic="plant.x", entity="mode").monitor
    assert (monitor.name, monitor.record.entity) == ("mine", "mode")
    assert monitor.source.kafka is not None
    assert monitor.source.kafka.topic == "plant.x"
    with pytest.raises(InvalidHistory, match=r"no field 'rig' for the entity; it has id, timestamp"):
        guess_monitor(str(path), entity="rig")


@pytest.mark.parametrize("name", ["Machine ID", "device-id", "Which"])
def test_records_of_one_time_are_told_apart_by_an_entity(name: str, tmp_path: Path) -> None:
    """Its name may hold a blank, or say nothing, where one column of words alone parts records of the same time."""
    path = tmp_path / "x.csv"
    rows = [f"2026-01-01T00:00:{row:02},{row % 2},{of},{row}\n" for row in range(60) for of in ("left", "right")]
    path.write_text(f"at,phase,{name},b\n" + "".join(rows))
    assert guess_monitor(str(path)).monitor.record.entity == name


def test_one_column_of_phrases_is_a_table(tmp_path: Path) -> None:
    """A single column of text is refused only where its lines are plainly rows of a table."""
    path = tmp_path / "x.csv"
    path.write_text("message\n" + "".join(f"the pump {word} stopped\n" for word in ("has", "had", "then") * 40))
    assert guess_monitor(str(path)).monitor.record.names == ("message",)


def test_the_first_file_of_a_folder_is_the_sample_and_the_source(frame: pd.DataFrame, tmp_path: Path) -> None:
    """What was not looked at is said, as is a sample that is too small to learn from."""
    frame.to_csv(tmp_path / "b.csv", index=False)
    frame.head(30).to_csv(tmp_path / "a.csv", index=False)
    guess = guess_monitor(str(tmp_path))
    assert guess.monitor.source.file is not None
    assert guess.monitor.source.file.path == str(tmp_path / "a.csv")
    notes = "\n".join(guess.notes)
    assert "did not look at 1 further files" in notes
    assert "a sample of 30" in notes


def test_a_measured_quantity_is_no_entity_whatever_its_name(tmp_path: Path) -> None:
    """A column called 'engine' with fractions is a reading, not a name."""
    path = tmp_path / "x.csv"
    path.write_text("engine,b\n" + "".join(f"{row % 7 + 0.5},{row * 7 % 60}\n" for row in range(60)))
    record = guess_monitor(str(path)).monitor.record
    assert record.entity is None
    assert record.names == ("engine", "b")


def test_a_few_words_among_numbers_leave_a_quantity_numeric(frame: pd.DataFrame, tmp_path: Path) -> None:
    """A sensor that sent a word now and then stays a feature, and the note says where the word is."""
    path = tmp_path / "pump.csv"
    frame["pressure"] = frame["pressure"].astype(object)
    frame.loc[7, "pressure"] = "Sensor Error"
    frame.to_csv(path, index=False)
    guess = guess_monitor(str(path))
    assert "pressure" in guess.monitor.record.numbers
    assert any("row 8: 'Sensor Error'" in note for note in guess.notes)


@pytest.mark.parametrize(
    ("name", "left_out"), [("is_fraud", True), ("Class", True), ("fraud_label", True), ("y", False)]
)
def test_outcomes_are_no_features(name: str, left_out: bool, frame: pd.DataFrame, tmp_path: Path) -> None:
    """A feature that says what is to be found would be learned as never set, and find it; `y` may be a coordinate."""
    values = np.arange(_ROWS) % 2 if left_out else np.arange(_ROWS) % 7 * 0.1
    path = tmp_path / "payments.csv"
    frame.assign(**{name: values}).to_csv(path, index=False)
    assert (name not in guess_monitor(str(path)).monitor.record.names) == left_out


def test_a_column_that_counts_the_rows_is_left_out_whatever_its_name(frame: pd.DataFrame, tmp_path: Path) -> None:
    """Its next value was never seen in training, so that every record to come would be strange."""
    path = tmp_path / "pump.csv"
    frame.assign(i=range(7, 7 + len(frame))).to_csv(path, index=False)
    assert any("left out 'i': it counts the rows" in note for note in guess_monitor(str(path)).notes)


def test_a_saved_index_without_a_name_is_left_out(frame: pd.DataFrame, tmp_path: Path) -> None:
    """The blank column that pandas writes in front is seen for what it is; the others are read as ever."""
    path = tmp_path / "pump.csv"
    frame[["pressure", "limit"]].to_csv(path)
    guess = guess_monitor(str(path))
    assert guess.monitor.record.names == ("pressure", "limit")
    assert any("left out 'column0': it counts the rows" in note for note in guess.notes)


@pytest.mark.parametrize(
    ("name", "content", "fix"),
    [
        ("twice.csv", "a,a,b\n1,2,3\n", "names 'a' more than once; rename one"),
        ("broken.jsonl", '{"a": 1}\n{"a":\n', "row 2: is not a JSON object"),
        (
            "us.csv",
            "Time (UTC),b\n10/11/2026 12:00,1\n11/01/2026 12:00,2\n",
            r"'Time \(UTC\)' holds .* not ISO 8601 \(10/11",
        ),
        ("words.csv", "date,b\n31 Okt 2026,1\n", "not ISO 8601"),
        (
            "apart.csv",
            "Date,Time,b\n31/10/2026,9:05:00 PM,1\n31/10/2026,21:06,2\n",
            "'Date' holds the day and 'Time' the",
        ),
        ("title.csv", "Report;;\na;b;c\n1;2;3\n", "names only 1 of 3 columns"),
        ("above.csv", "# of plant 3\na;b\n" + "1;2\n" * 40, "the others have 2, parted by ';'; begin the file"),
        ("caret.csv", "a^b\n" + "1^2\n" * 40, r"parted by '\^'; part them by comma"),
        ("spaces.csv", "a b c\n" + "1 2 3\n" * 40, "parted by ' '; part them by comma"),
        ("sheet.xlsx", "PK\3\4 and so on", "is an archive, as spreadsheets are kept in"),
        ("lines.csv", '{"a": 1}\n', "begins as JSON lines do"),
        ("image.csv", "\x89PNG\0\0\n", "is not text"),
        ("names.csv", "name\n" + "".join(f"n{row}\n" for row in range(99)), "'name': every value is different"),
        ("comma.csv", 'a,b\n"12,000",2\n"12,003",3\n', r"column 'a' has numbers with a comma \(12,000\), and nothing"),
        ("short.csv", "a,b\r\n1,2\n\n3\r\n", "row 2: 1 columns where the header has 2"),
        ("empty.jsonl", "\n", "is empty"),
        ("list.json", '[{"a": 1}, 2]\n', "is a JSON list; write one object a line"),
    ],
)
def test_tables_of_other_habits_are_refused_with_the_fix(name: str, content: str, fix: str, tmp_path: Path) -> None:
    """Headers with a name twice, commas of two meanings and JSON lists are told apart from data, with what to do."""
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InvalidHistory, match=fix):
        guess_monitor(str(path))


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_the_parts_of_objects_are_fields_and_lists_are_left_out(form: str, tmp_path: Path) -> None:
    """A nested record is guessed like a flat one, its fields named by their paths, and is learned from as it is scored."""
    rows = [
        {"a": row % 40 * 1.5, "meta": {"ts": f"2026-01-01T00:00:{row:02}Z", "rig": {"id": f"r{row % 2}"}},
         "motor": {"speed": row % 50 / 7, "on": row % 3 == 0}, "tags": [1, row], "mark": "{open}"}
        for row in range(60)
    ]  # fmt: skip
    path = tmp_path / f"nested.{form}"
    if form == "parquet":
        pd.DataFrame(rows).to_parquet(path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    guess = guess_monitor(str(path))
    record = guess.monitor.record
    assert (record.time, record.entity) == ("meta.ts", "meta.rig.id")
    assert {feature.name: (feature.type.value, feature.path) for feature in record.features} == {
        "a": ("numeric", ""),
        "motor.speed": ("numeric", "motor.speed"),
        "motor.on": ("boolean", "motor.on"),
    }
    assert any("left out 'tags'" in note for note in guess.notes)
    assert any("left out 'mark'" in note for note in guess.notes)
    assert parse_monitor(guess.yaml(path.name)) == guess.monitor
    learned = read_history(record, [str(path)])
    assert set(learned.entities) == {"r0", "r1"}
    assert learned.values(3) == {"a": 4.5, "motor.speed": pytest.approx(3 / 7), "motor.on": True}
    source = FileSource(str(path))
    decoder = source.decoder(record)
    source.seek(0, 0)
    assert decoder.decode(source.poll(100, 1.0)).batch.all_values() == learned.all_values()
    source.close()


@pytest.mark.parametrize(
    ("given", "said"), [({"name": "a b/c"}, "--name: .*'a b/c'"), ({"topic": "a topic!"}, "--topic: .*'a topic!'")]
)
def test_a_name_or_topic_that_is_none_is_refused(
    given: dict[str, Any], said: str, frame: pd.DataFrame, tmp_path: Path
) -> None:
    """The option that holds it is named, with what was found there."""
    path = tmp_path / "x.csv"
    frame.to_csv(path, index=False)
    with pytest.raises(InvalidInput, match=said):
        guess_monitor(str(path), **given)
