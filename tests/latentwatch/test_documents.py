"""JSON documents that are no lines: known answers are named with a command that works, arrays are read whatever their layout."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from latentwatch.documents import known_document
from latentwatch.domain.errors import InvalidHistory
from latentwatch.domain.record import Decoded
from latentwatch.domain.schema import RecordSchema
from latentwatch.guessing import guess_monitor
from latentwatch.history import read_history
from latentwatch.streams.decoding.sound_decoding import decode_sound
from latentwatch.streams.sources.file_records import open_records
from latentwatch.streams.sources.file_source import FileSource

_START = 1_790_000_000


def _prometheus() -> dict[str, Any]:
    result = [
        {
            "metric": {"__name__": name, "instance": host, "job": "node"},
            "values": [[_START + 60 * at, str(level + at % 7 / 10)] for at in range(300)],
        }
        for name, level in (("load", 1.0), ("memory", 8e9))
        for host in ("web1", "web2")
    ]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


def _cloudwatch() -> dict[str, Any]:
    times = [f"2026-10-{1 + at // 24:02}T{at % 24:02}:00:00+00:00" for at in reversed(range(300))]
    results = [
        {"Id": f"m{at}", "Label": label, "Timestamps": times, "Values": [at * 1000 + row % 7 for row in range(300)]}
        for at, label in enumerate(("CPUUtilization", "NetworkIn"))
    ]
    return {"MetricDataResults": results, "Messages": []}


def _run(program: list[str], path: Path) -> list[Any]:
    done = subprocess.run(program, input=path.read_text(), capture_output=True, check=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("document", "named", "entity", "features"),
    [
        (_prometheus(), "a Prometheus answer", ("labels.instance",), {"load", "memory"}),
        (_cloudwatch(), "a CloudWatch answer", (), {"CPUUtilization", "NetworkIn"}),
    ],
)
@pytest.mark.parametrize("indent", [None, 4])
def test_a_known_answer_is_named_and_its_command_makes_lines(
    document: dict[str, Any],
    named: str,
    entity: tuple[str, ...],
    features: set[str],
    indent: int | None,
    tmp_path: Path,
) -> None:
    """No monitor is written of it; what the message says to run gives lines, in the order of time, that are one."""
    path = tmp_path / "answer.json"
    path.write_text(json.dumps(document, indent=indent))
    known = known_document(document)
    assert known is not None
    with pytest.raises(InvalidHistory, match=f"is {named}") as refused:
        guess_monitor(str(path))
    assert str(path.with_suffix(".jsonl")) in str(refused.value)
    rows = _run([sys.executable, "-c", known.python], path)
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    lines = tmp_path / "answer.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    record = guess_monitor(str(lines)).monitor.record
    assert (record.entity_fields, set(record.names), record.long is not None) == (entity, features, True)
    assert len(read_history(record, [str(lines)])) == 300 * max(1, 2 * len(entity))


def test_metrics_of_one_label_are_told_apart_by_their_id() -> None:
    """Two series that CloudWatch labels alike stay two."""
    answer = _cloudwatch()
    answer["MetricDataResults"][1]["Label"] = "CPUUtilization"
    known = known_document(answer)
    assert known is not None
    assert 's["Id"]' in known.python


def _records() -> list[dict[str, Any]]:
    return [{"ts": _START + 5 * at, "deep": {"p": at % 9 / 10}, "words": 'a "]" b'} for at in range(300)]


def _layouts() -> dict[str, str]:
    records = _records()
    return {
        "one line": json.dumps(records),
        "indented": json.dumps(records, indent=2),
        "windows": json.dumps(records, indent=2).replace("\n", "\r\n"),
        "an object a line": "[" + ",\n".join(map(json.dumps, records)) + "]\n",
    }


@pytest.mark.parametrize("layout", _layouts())
def test_an_array_is_read_alike_over_one_line_and_over_many(layout: str, tmp_path: Path) -> None:
    """Guessed, learned from and scored: as JSON lines are."""
    path = tmp_path / "array.json"
    path.write_bytes(_layouts()[layout].encode())
    record = guess_monitor(str(path)).monitor.record
    assert record.arrays is True
    learned = read_history(record, [str(path)])
    lines = tmp_path / "lines.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in _records()))
    assert learned.all_values() == read_history(record, [str(lines)]).all_values()
    assert len(learned) == 300
    source = FileSource(str(path), record=record)
    decoder = source.decoder(record)
    source.seek(0, 100)
    scored = decoder.decode(source.poll(500, 1.0))
    source.close()
    assert not scored.dead_letters
    assert scored.batch.all_values() == learned.all_values()[100:]


def test_an_array_inside_an_indented_document_is_found(tmp_path: Path) -> None:
    """As REST services answer: what stands beside the array belongs to each record."""
    path = tmp_path / "answer.json"
    path.write_text(json.dumps({"status": "ok", "page": {"items": _records(), "next": None}}, indent=1))
    record = guess_monitor(str(path)).monitor.record
    assert record.arrays == "page.items"
    assert len(read_history(record, [str(path)])) == 300


def test_a_broken_document_is_read_as_the_lines_it_has(tmp_path: Path) -> None:
    """A first line that is cut short costs itself alone."""
    path = tmp_path / "cut.jsonl"
    path.write_text('[{"a": 1},\n[{"a": 2}]\n[{"a": 3}]\n')
    assert open_records(str(path), "jsonl").read(9, 1.0) == [b'[{"a": 1},', b'[{"a": 2}]', b'[{"a": 3}]']


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("one.json", '{"a": 1, "b": {"c": 2}}\n', "holds one record, .*one object a line"),
        ("one.csv", "a,b\n1,2.5\n", "holds one record"),
        ("header.csv", "time,a,b\n", r"has a header \('time, a, b'\) and no rows"),
        ("objects.json", '{\n "a": 1\n}\n{\n "a": 2\n}\n', "its JSON objects go over several lines; .*'jq -c .'"),
    ],
)
def test_what_is_no_sample_is_refused_for_what_it_is(name: str, content: str, said: str, tmp_path: Path) -> None:
    """No monitor comes of one record or of none."""
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InvalidHistory, match=said):
        guess_monitor(str(path))


def _packed(level: bool) -> list[dict[str, Any]]:
    """As a bridge of MQTT sends what devices say."""
    return [
        {"topic": f"room/{at % 2}", "ts": _START + 5 * at, "qos": 0, "payload": json.dumps({"t": at % 9 / 10})}
        | ({"level": at % 11 / 10} if level else {})
        for at in range(300)
    ]


def _scored(path: Path, record: RecordSchema) -> Decoded:
    source = FileSource(str(path), record=record)
    decoder = source.decoder(record)
    source.seek(0, 0)
    decoded = decode_sound(decoder, source.poll(500, 1.0))
    source.close()
    return decoded


def test_objects_that_are_written_as_text_are_unpacked(tmp_path: Path) -> None:
    """The parts of what a device sent are fields, learned and scored alike; an array in it is records, with what stands beside
    the text; text that writes no object is a value that is missing in its record."""
    path = tmp_path / "mqtt.jsonl"
    rows: list[Any] = _packed(level=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    record = guess_monitor(str(path)).monitor.record
    assert (record.unpack, set(record.names)) == ("payload", {"payload.t", "level", "qos", "topic"})
    assert _scored(path, record).batch.all_values() == read_history(record, [str(path)]).all_values()
    assert read_history(record, [str(path)]).numbers[5, record.numbers.index("payload.t")] == pytest.approx(0.5)
    for row in rows:
        row["payload"] = json.dumps({"readings": [json.loads(row["payload"])] * 2})
    rows[7]["payload"] = "offline"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows[:7]) * 50)
    record = guess_monitor(str(path)).monitor.record
    assert (record.unpack, record.arrays) == ("payload", "payload.readings")
    assert len(read_history(record, [str(path)])) == 700
    path.write_text("".join(json.dumps(row) + "\n" for row in rows[:9]))
    scored = _scored(path, record)
    assert (len(scored.batch), len(scored.dead_letters)) == (17, 0)
    assert np.isnan(scored.batch.numbers[:, record.numbers.index("t")]).tolist() == [False] * 14 + [True] + [False] * 2


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_in_tables_objects_as_text_are_left_out_for_what_they_are(form: str, tmp_path: Path) -> None:
    """And refused where no number stands beside them."""
    path = tmp_path / f"mqtt.{form}"
    frame = pd.DataFrame(_packed(level=True))
    if form == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    guess = guess_monitor(str(path))
    assert "level" in guess.monitor.record.names
    assert any("left out 'payload': it holds JSON objects as text" in note for note in guess.notes)
    assert not any("empty" in note for note in guess.notes)
    frame = frame[["topic", "ts", "payload"]]
    if form == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    with pytest.raises(InvalidHistory, match="'payload' holds JSON objects as text"):
        guess_monitor(str(path))


def test_a_header_that_comes_again_is_no_record(tmp_path: Path) -> None:
    """Files put together are learned from and scored as one table."""
    path = tmp_path / "together.csv"
    header, rows = "time,p\n", [f"{_START + 5 * at},{at % 9}\n" for at in range(300)]
    path.write_text(header + "".join(rows[:100]) + header + "".join(rows[100:]))
    guess = guess_monitor(str(path))
    assert not any("row" in note for note in guess.notes)
    record = guess.monitor.record
    assert len(read_history(record, [str(path)])) == 300
    source = FileSource(str(path), record=record)
    decoder = source.decoder(record)
    source.seek(0, 0)
    scored = decoder.decode(source.poll(500, 1.0))
    source.close()
    assert (len(scored.batch), len(scored.dead_letters)) == (300, 0)
