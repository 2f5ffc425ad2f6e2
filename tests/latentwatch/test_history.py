"""Files become one batch in the order of time, and what cannot be learned from is refused with its place."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from latentwatch.alerts.reviewing import Interval
from latentwatch.domain.clock import ManualClock, to_microseconds
from latentwatch.domain.errors import InvalidHistory
from latentwatch.domain.record import batch_from_columns
from latentwatch.domain.schema import RecordSchema
from latentwatch.history import read_history
from latentwatch.labelled_history import without_incidents
from latentwatch.streams.sources.file_source import FileSource

_SCHEMA = RecordSchema.model_validate(
    {"time": "at", "entity": "rig", "features": {"flow": "numeric", "open": "boolean", "mode": "category"}}
)
_PLAIN = RecordSchema.model_validate({"features": {"a": "numeric", "b": "numeric"}})
_ROWS = [
    {"at": "2026-01-01T00:00:02Z", "rig": "r1", "flow": 2.5, "open": True, "mode": "run"},
    {"at": "2026-01-01T00:00:01Z", "rig": "r2", "flow": None, "open": False, "mode": None},
]


def _write(folder: Path, name: str) -> Path:
    path, frame = folder / name, pd.DataFrame(_ROWS)
    if name.endswith(".parquet"):
        frame.assign(at=pd.to_datetime(frame["at"])).to_parquet(path)
    elif name.endswith(".jsonl"):
        path.write_text("".join(json.dumps(row) + "\n" for row in _ROWS))
    elif name.endswith((".gz", ".zst")):
        pack = gzip.compress if name.endswith(".gz") else zstandard.compress
        path.write_bytes(pack(frame.to_csv(index=False).encode()))
    else:
        frame.to_csv(path, index=False, sep="\t" if name.endswith(".tsv") else ";")
    return path


@pytest.mark.parametrize("name", ["x.csv", "x.tsv", "x.jsonl", "x.parquet", "x.csv.gz"])
def test_every_format_means_the_same(name: str, tmp_path: Path):
    """The same rows are the same batch, sorted by time, whatever the file."""
    batch = read_history(_SCHEMA, [str(_write(tmp_path, name))])
    assert batch.entities.tolist() == ["r2", "r1"]
    assert [batch.values(row) for row in range(2)] == [
        {"flow": None, "open": False, "mode": None},
        {"flow": 2.5, "open": True, "mode": "run"},
    ]
    assert batch.time(0) == datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert batch.offsets.tolist() == [1, 0]


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.parquet", "x.csv.gz", "x.csv.zst"])
def test_history_means_what_the_stream_means(name: str, tmp_path: Path):
    """A file learned from and the same file scored give the same records."""
    _check_same_meaning(str(_write(tmp_path, name)))


@pytest.mark.parametrize(
    "time", [pa.timestamp("ns", "UTC"), pa.timestamp("ns"), pa.timestamp("s"), pa.timestamp("ms", "UTC")]
)
def test_every_unit_of_a_parquet_time_is_read(time: pa.DataType, tmp_path: Path):
    """Nanoseconds are what pandas wrote for years; a half-precision or decimal number is a number."""
    at = pa.array([datetime.fromisoformat(str(row["at"])) for row in _ROWS], pa.timestamp("us", "UTC"))
    flow = pa.array([Decimal("2.5"), None]) if time.tz else pa.array([2.5, None], pa.float16())
    table = pa.table({**pa.Table.from_pylist(_ROWS).to_pydict(), "at": at.cast(time), "flow": flow})
    pq.write_table(table, tmp_path / "x.parquet")
    _check_same_meaning(str(tmp_path / "x.parquet"))


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.parquet"])
def test_numbers_written_as_text_mean_the_same_too(name: str, tmp_path: Path):
    """Text that writes a number or a truth value is one, in learning as in scoring, and a word for nothing is nothing."""
    texts = [
        {**row, "flow": flow, "open": open_}
        for row, flow, open_ in zip(_ROWS, ("2.5", " NA "), ("yes", "0"), strict=True)
    ]
    path = tmp_path / name
    if name == "x.parquet":
        pq.write_table(pa.Table.from_pylist(texts), path)
    elif name == "x.jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in texts))
    else:
        pd.DataFrame(texts).to_csv(path, index=False)
    _check_same_meaning(str(path))
    learned = read_history(_SCHEMA, [str(path)])
    assert [learned.values(row)["flow"] for row in range(2)] == [None, 2.5]


def test_decimal_commas_mean_the_same_too(tmp_path: Path):
    """What spreadsheets of half the world write: semicolons, decimal commas, and days with points."""
    path = tmp_path / "x.csv"
    path.write_text("at;rig;flow;open;mode\n01.01.2026 00:00:02;r1;2,5;1;run\n01.01.2026 00:00:01;r2;-,5;0;\n")
    _check_same_meaning(str(path))
    learned = read_history(_SCHEMA, [str(path)])
    assert [learned.values(row)["flow"] for row in range(2)] == [-0.5, 2.5]
    path.write_text(path.read_text().replace("2,5", "-1.002.003,5"))
    _check_same_meaning(str(path))
    assert read_history(_SCHEMA, [str(path)]).values(1)["flow"] == -1_002_003.5
    path.write_text(path.read_text().replace("1.002.003,5", "1.02,5"))
    with pytest.raises(InvalidHistory, match=r"row 1: field 'flow' is text \('-1\.02,5'\)"):
        read_history(_SCHEMA, [str(path)])


def test_a_truth_value_is_no_number_in_learning_either(tmp_path: Path):
    """Scoring refuses `true` where a number belongs; learning from it would let a model in that scores nothing."""
    pq.write_table(pa.table({"a": [True, False], "b": [1.0, 2.0]}), tmp_path / "x.parquet")
    with pytest.raises(InvalidHistory, match="field 'a': 'true' is not a number"):
        read_history(_PLAIN, [str(tmp_path / "x.parquet")])


_HEAD, *_LINES = "at,rig,flow,open,mode", "2026-01-01T00:00:02Z,NA,2.5,true,run", "2026-01-01T00:00:01Z,r2,,no,NA"


@pytest.mark.parametrize(
    "text",
    [
        "\r".join([_HEAD, *_LINES]),
        f"{_HEAD}\r\n{_LINES[0]}\n{_LINES[1]}\r",
        "\r\r\n".join([_HEAD, *_LINES]),
        f"{_HEAD}\n{_LINES[0]},\n{_LINES[1]},\n",
        f"\r\n  \n{_HEAD}\n\n{_LINES[0]}\n{_LINES[1]}\n",
        f"\ufeff\n{_HEAD}\n{_LINES[0]}\n{_LINES[1]}",
        f'"at",rig,flow,"a;b;c;d;e",open,mode\n{_LINES[0].replace("true", ",true")}\n{_LINES[1].replace("no", ",no")}\n',
    ],
    ids=["returns", "mixed", "doubled", "trailing", "blank", "mark", "quoted"],
)
def test_csv_of_other_habits_means_the_same(text: str, tmp_path: Path):
    """Line ends of every kind, blank lines, a delimiter at every end, a byte order mark and quotes change nothing."""
    (tmp_path / "x.csv").write_text(text, newline="")
    _check_same_meaning(str(tmp_path / "x.csv"))
    learned = read_history(_SCHEMA, [str(tmp_path / "x.csv")])
    assert learned.entities.tolist() == ["r2", "NA"]  # a name, where a feature would be missing
    assert learned.values(0) == {"flow": None, "open": False, "mode": None}


def test_a_name_that_does_not_tell_the_format_leaves_it_to_the_first_byte(tmp_path: Path):
    """A file called .dat or .log is what it looks like, in training as in scoring."""
    for number, text in enumerate(("\n".join([_HEAD, *_LINES]), "\n".join(map(json.dumps, _ROWS)))):
        path = tmp_path / f"{number}.dat"
        path.write_text(text)
        _check_same_meaning(str(path))


def test_a_feature_is_found_by_its_path_in_a_csv_too(tmp_path: Path):
    """The column's name may differ from the feature's, in training as in scoring."""
    schema = RecordSchema.model_validate({"features": {"flow": {"type": "numeric", "path": "Flow (l/s)"}}})
    (tmp_path / "x.csv").write_text("Flow (l/s)\n1.5\n")
    source = FileSource(str(tmp_path / "x.csv"), clock=ManualClock())
    decoder = source.decoder(schema)
    source.seek(0, 0)
    assert decoder.decode(source.poll(10, 0.1)).batch.numbers.tolist() == [[1.5]]
    source.close()
    assert read_history(schema, [str(tmp_path / "x.csv")]).numbers.tolist() == [[1.5]]


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ('"flow": NaN', "'flow' is NaN, which JSON does not have"),
        ('"flow": 1, "mode": {"a": 1}', "'mode' is an object"),
        ('"flow": 1, "rig": null', "entity field 'rig' is missing"),
        ('"flow": 1', None),
        ('"flow": 0, "flow": 1', None),
        ('"flow": 1,, ', "not valid JSON"),
    ],
)
def test_what_scoring_refuses_of_json_is_not_learned_from(record: str, said: str | None, tmp_path: Path):
    """One refusal, in the same words, and one reading of what is taken."""
    sound = json.dumps(_ROWS[0])
    path = tmp_path / "x.jsonl"
    path.write_text(f'{sound}\n{{"at": "2026-01-01T00:00:09Z", "rig": "r1", {record}}}\n')
    if said is None:
        assert read_history(_SCHEMA, [str(path)]).numbers[:, 0].tolist() == [2.5, 1.0]
        return
    with pytest.raises(InvalidHistory, match=f"row 2: .*{said}"):
        read_history(_SCHEMA, [str(path)])


def test_a_folder_is_read_whole_and_one_without_data_is_named_as_such(tmp_path: Path):
    """Packed files count as their kind; a folder that has nothing to read is not 'no such file'."""
    with pytest.raises(InvalidHistory, match="holds no CSV, JSONL or Parquet file"):
        read_history(_PLAIN, [str(tmp_path)])
    (tmp_path / "notes.md").write_text("a,b\n")
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n"))
    assert read_history(_PLAIN, [str(tmp_path)]).numbers.tolist() == [[1.0, 2.0]]


def _check_same_meaning(path: str) -> None:
    source = FileSource(path, clock=ManualClock())
    source.open()
    decoder = source.decoder(_SCHEMA)
    source.seek(0, 0)
    streamed = decoder.decode(source.poll(10, 0.1))
    source.close()
    learned = read_history(_SCHEMA, [path])
    assert streamed.dead_letters == ()
    back = np.argsort(learned.offsets)
    assert learned.times[back].tolist() == streamed.batch.times.tolist()
    assert [learned.values(int(row)) for row in back] == [streamed.batch.values(row) for row in range(2)]
    assert learned.time(0) == datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("a,b\n", "no record"),
        ("a,c\n1,2\n", "lacks 'b'; it has 'a', 'c'"),
        (
            "a,b\n1,2\n3,high\n5,low\n",
            r"row 2: field 'b' is text \('high'\), a number belongs there \(and 1 more rows\)",
        ),
        ("a,b\n1,2\n3,inf\n", "row 2: field 'b' is infinite"),
        ("a,b\n1,2\n3,1e39\n", "row 2: field 'b' is infinite, or too large for a 32-bit number"),
        ("a,b\n1,2\n3\n", "row 2: 1 columns where the header has 2"),
        (
            "a,b\n" + "1,2\n" * 100 + "1,2,3\n" * 6,
            r"row 101: 3 columns where the header has 2: '1,2,3' \(and 5 more rows\)",
        ),
        ('a,b\n1,2\n"3,4\n', "row 2: not valid CSV"),
        ("a,b,a\n1,2,3\n", "names 'a' more than once"),
        ("a,b\n" + "1,2\n" * 100 + "1,2,3\n" * 100, "row 101: 3 columns where the header has 2"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_with_its_place(text: str, said: str, tmp_path: Path):
    """The message names file, row and field."""
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(InvalidHistory, match=said) as caught:
        read_history(_PLAIN, [str(path)])
    assert "bad.csv" in str(caught.value)


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_few_rows_that_cannot_be_read_are_left_out_and_named(form: str, tmp_path: Path):
    """One bad time and one bad number in a hundred rows cost two rows; the first of them is named."""
    rows = [
        {"at": f"2026-01-01T00:{row // 60:02}:{row % 60:02}Z", "rig": "r1", "flow": str(row % 9)} for row in range(100)
    ]
    rows[40]["at"] = "soon"
    rows[70]["flow"] = "high"
    schema = RecordSchema.model_validate({"time": "at", "entity": "rig", "features": {"flow": "numeric"}})
    path = tmp_path / f"x.{form}"
    if form == "parquet":
        pd.DataFrame(rows).to_parquet(path)
    elif form == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pd.DataFrame(rows).to_csv(path, index=False)
    with capture_logs() as logs:
        learned = read_history(schema, [str(path)])
    assert len(learned) == 98
    (said,) = logs
    assert (said["left_out"], said["of"], said["log_level"]) == (2, 100, "warning")
    assert said["first"].startswith("row 41")


def test_times_that_are_none_and_files_that_are_missing_are_named(tmp_path: Path):
    """A missing time and a pattern without a match are told apart."""
    path = tmp_path / "x.csv"
    path.write_text("at,rig,flow,open,mode\nyesterday,r1,1,true,run\n")
    with pytest.raises(InvalidHistory, match="row 1: time field 'at' is not a time: 'yesterday'"):
        read_history(_SCHEMA, [str(path)])
    with pytest.raises(InvalidHistory, match="no such file"):
        read_history(_SCHEMA, [str(tmp_path / "*.parquet")])


def test_a_constant_sensor_and_bare_numbers_are_history(tmp_path: Path):
    """A column that never moves is kept, and a file without a header has numbered columns."""
    path = tmp_path / "bare.csv"
    path.write_text("1.5,7\n2.5,7\n")
    schema = RecordSchema.model_validate({"features": {"x1": "numeric", "x2": "numeric"}})
    assert read_history(schema, [str(path)]).numbers.tolist() == [[1.5, 7.0], [2.5, 7.0]]


def test_files_that_overlap_in_time_are_entities_and_others_are_one(tmp_path: Path):
    """Without an entity, runs side by side are kept apart by their names; one after the other they are one sequence."""
    schema = RecordSchema.model_validate({"time": "at", "features": {"a": "numeric"}})
    for name, start in (("one", 0), ("two", 5), ("three", 100)):
        rows = "".join(f"2026-01-01T00:{(start + i) // 60:02}:{(start + i) % 60:02}Z,{i}\n" for i in range(10))
        (tmp_path / f"{name}.csv").write_text(f"at,a\n{rows}")
    together = read_history(schema, [str(tmp_path / "one.csv"), str(tmp_path / "two.csv")])
    assert set(together.entities) == {"one", "two"}
    apart = read_history(schema, [str(tmp_path / "one.csv"), str(tmp_path / "three.csv")])
    assert set(apart.entities) == {""}
    assert (np.diff(together.times) >= 0).all()


def test_only_the_last_stretch_counts_where_asked(tmp_path: Path):
    """The span is measured back from the newest record."""
    path = tmp_path / "x.csv"
    path.write_text("at,a\n" + "".join(f"2026-01-{day:02}T00:00:00Z,{day}\n" for day in range(1, 11)))
    schema = RecordSchema.model_validate({"time": "at", "features": {"a": "numeric"}})
    assert read_history(schema, [str(path)], timedelta(days=3)).numbers[:, 0].tolist() == [7.0, 8.0, 9.0, 10.0]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 50), st.integers(0, 20)), max_size=4))
def test_incidents_leave_and_nothing_else(incidents: list[tuple[str, int, int]]):
    """A record stays exactly when no incident of its own entity holds its time."""
    schema = _PLAIN.model_copy(update={"entity": "rig"})
    base = datetime(2026, 1, 1, tzinfo=UTC)
    times = np.arange(60, dtype=np.int64) * 1_000_000 + to_microseconds(base)
    entities = np.array(["a", "b"] * 30, object)
    batch = batch_from_columns(schema, {"a": np.zeros(60), "b": np.zeros(60)}, entities=entities, times=times)
    intervals = [
        Interval(entity, base + timedelta(seconds=start), base + timedelta(seconds=start + length))
        for entity, start, length in incidents
    ]
    kept = set(without_incidents(batch, intervals).offsets.tolist())
    for row in range(60):
        hit = any(e == entities[row] and start <= row < start + length for e, start, length in incidents)
        assert (row in kept) != hit


def test_incidents_of_nobody_leave_whatever_the_files_are_called(tmp_path: Path):
    """Files that overlap in time are learned apart; an alert of the one entity that scoring knows takes its time out of each."""
    schema = RecordSchema.model_validate({"time": "at", "features": {"a": "numeric"}})
    for name in ("one", "two"):
        rows = "".join(f"2026-01-01T00:00:{second:02}Z,{second}\n" for second in range(30))
        (tmp_path / f"{name}.csv").write_text(f"at,a\n{rows}")
    batch = read_history(schema, [str(tmp_path)])
    start = datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC)
    assert len(without_incidents(batch, [Interval("", start, start + timedelta(seconds=5))])) == 60 - 10
