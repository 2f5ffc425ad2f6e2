"""Files that Excel, PowerShell and older systems save, which are not UTF-8: the same monitor and the same records."""

import gzip
import json
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from latentwatch.domain.errors import InvalidHistory
from latentwatch.domain.monitor import Monitor, parse_monitor
from latentwatch.domain.schema import RecordSchema
from latentwatch.guessing import guess_monitor
from latentwatch.history import read_history
from latentwatch.streams.sources.file_source import FileSource
from tests.latentwatch.measured import TICKS, at, each, level


def table(name: str = "Größe", rig: str = "Mühle") -> str:
    """Two mills with words and a column's name that ASCII does not have."""
    rows = (
        f"{at(tick):%Y-%m-%d %H:%M:%S};{rig} {machine};{level(tick, machine)};{('läuft', 'steht')[tick % 2]}\r\n"
        for tick, machine, _ in each()
    )
    return f"Zeit;Gerät;{name};Zustand\r\n" + "".join(rows)


def json_lines() -> str:
    """The same as objects."""
    head, *rows = table().splitlines()
    return "".join(
        json.dumps(dict(zip(head.split(";"), row.split(";"), strict=True)), ensure_ascii=False) + "\n" for row in rows
    )


def guessed(path: Path) -> Monitor:
    """What `init` writes, as it is read back."""
    return parse_monitor(guess_monitor(str(path)).yaml("sample"))


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".jsonl"])
@pytest.mark.parametrize(
    ("saved", "said"),
    [("utf-16", None), ("utf-8-sig", None), ("utf-16-le", "utf-16-le"), ("cp1252", "cp1252"), ("latin-1", "cp1252")],
)
def test_text_of_another_encoding_is_read_as_utf8_is(saved: str, said: str | None, ending: str, tmp_path: Path) -> None:
    """`init` writes a monitor that learns from it and scores it."""
    text = json_lines() if ending == ".jsonl" else table()
    path = tmp_path / f"mill{ending}"
    found = []
    for encoding in ("utf-8", saved):
        data = text.encode(encoding)
        path.write_bytes(gzip.compress(data) if ending.endswith(".gz") else data)
        monitor = guessed(path)
        assert monitor.record.encoding == (None if encoding == "utf-8" else said)
        assert monitor.record.entity == "Gerät"
        history = read_history(monitor.record, [str(path)])
        source = FileSource(str(path), record=monitor.record)
        source.open()
        decoder = source.decoder(monitor.record)
        source.seek(0, 0)
        scored = decoder.decode(source.poll(10_000, 1.0)).batch
        source.close()
        assert len(history) == len(scored) == 2 * TICKS
        assert np.array_equal(history.numbers, scored.numbers)
        assert set(history.entities) == set(scored.entities) == {"Mühle 0", "Mühle 1"}
        found.append((monitor.record.model_copy(update={"encoding": None}), history.numbers.tolist()))
    assert found[0] == found[1]


def test_an_assumption_is_said_with_the_words_it_makes(tmp_path: Path) -> None:
    """Nothing proves that it was Western Europe's."""
    path = tmp_path / "mill.csv"
    path.write_bytes(table().encode("cp1252"))
    note = next(note for note in guess_monitor(str(path)).notes if note.startswith("encoding"))
    assert "cp1252 is assumed" in note
    assert "(Gerät, Größe, Mühle, läuft)" in note


@pytest.mark.parametrize(
    ("encoding", "rig"), [("cp1251", "Мельница"), ("gb18030", "磨机温度"), ("shift_jis", "製粉機ソ表")]
)
@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
def test_another_script_is_refused_with_a_command_that_mends_it(
    encoding: str, rig: str, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command has the file's name; with the encoding's it makes a file of which there is a monitor."""
    monkeypatch.chdir(tmp_path)
    data = table("size", rig).replace("Gerät", rig[:2]).replace("läuft", "1").encode(encoding)
    path = Path(f"a mill{ending}")
    path.write_bytes(gzip.compress(data) if ending.endswith(".gz") else data)
    with pytest.raises(InvalidHistory, match="neither UTF-8 nor") as refused:
        guess_monitor(str(path))
    command = str(refused.value).splitlines()[1]
    subprocess.run(["bash", "-c", command.replace("cp1251", encoding)], check=True, cwd=tmp_path)
    monitor = guessed(Path(shlex.split(command)[-1]))
    assert monitor.record.encoding is None
    assert monitor.record.entity == rig[:2]


def test_with_the_encoding_named_another_script_is_read(tmp_path: Path) -> None:
    """As a monitor may say it."""
    path = tmp_path / "mill.csv"
    path.write_bytes(table("size", "Мельница").replace("Gerät", "rig").replace("läuft", "1").encode("cp1251"))
    features = {"size": "numeric"}
    schema = RecordSchema.model_validate({"time": "Zeit", "entity": "rig", "encoding": "cp1251", "features": features})
    assert set(read_history(schema, [str(path)]).entities) == {"Мельница 0", "Мельница 1"}


def test_damaged_rows_of_utf8_stay_damaged_rows(tmp_path: Path) -> None:
    """A byte that is lost makes no other encoding of a file."""
    path = tmp_path / "mill.csv"
    data = bytearray(table().encode())
    data[data.index("läuft".encode(), 5000) + 2] = 0x20
    path.write_bytes(data)
    assert guessed(path).record.encoding is None


@pytest.mark.parametrize("name", ["zip", "rot13", "utf-7", "unicode_escape", "nothing", "hex", "bz2", ""])
def test_what_is_no_encoding_of_text_is_refused(name: str) -> None:
    """With some that are."""
    with pytest.raises(ValidationError, match="name one such as cp1252"):
        RecordSchema.model_validate({"encoding": name, "features": {"x": "numeric"}})
