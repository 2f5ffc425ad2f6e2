"""Made, not recorded: drawn records are read as they are and flagged about as promised, say that they were made, and may carry a
known fault."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from latentwatch.cli import app
from latentwatch.demo_plant import write_history
from latentwatch.detector.faults import FaultKind
from latentwatch.detector.likeness_of_samples import nearest_ratio, told_apart
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.schema import RecordSchema
from latentwatch.plant import Plant
from latentwatch.rehearsing import FaultCase, with_fault
from latentwatch.synthesizing import Made, _in_counts, _with_rates, _write, as_surprising_as_real

MONITOR = """
name: mill
source: {file: {path: normal.csv}}
record: {time: at, entity: rig, features: {load: numeric, power: {type: numeric, unit: kW}, mode: category}}
window: 1
model: {effort: light}
alert: {false_alarm_rate: 0.01}
"""
SCHEMA = RecordSchema.model_validate(
    {"time": "at", "entity": "rig", "features": {"load": "numeric", "sent": "counter", "mode": "category"}}
)


def invoke(*arguments: str) -> tuple[int, str]:
    """A command's exit code and all that it printed."""
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.output + (str(done.exception) if done.exception else "")


@pytest.fixture
def mill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A trained monitor of two rigs, a record a minute each."""
    random = np.random.default_rng(1)
    lines = ["at,rig,load,power,mode"]
    for minute in range(1_200):
        for rig, size in (("a", 1.0), ("b", 3.0)):
            load = random.normal(50, 5)
            mode = "high" if load > 53 else "low"
            moment = f"2026-03-01T{minute // 60:02}:{minute % 60:02}:00Z"
            lines.append(f"{moment},{rig},{load:.3f},{size * load + random.normal(0, 1):.3f},{mode}")
    (tmp_path / "normal.csv").write_text("\n".join(lines[: 1 + 2 * 1_200]))
    (tmp_path / "mill.yaml").write_text(MONITOR)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LATENTWATCH_DATABASE", f"sqlite:///{tmp_path}/mill.db")
    monkeypatch.setenv("LATENTWATCH_BUNDLES", str(tmp_path / "bundles"))
    code, said = invoke("train", "mill.yaml", "--history", "normal.csv", "--accept-blind")
    assert code == 0, said
    return tmp_path


@pytest.mark.slow
def test_drawn_records_are_scored_as_they_are(mill: Path) -> None:
    """Unedited, and flagged at most three times as often as promised; times go on at the cadence; the file says what it is."""
    code, said = invoke("synthesize", "mill.yaml", "-n", "2000", "-o", "made.parquet", "--json")
    assert code == 0, said
    table = pq.read_table("made.parquet")
    assert table.num_rows == 2_000
    assert set(table.column("synthetic").to_pylist()) == {True}
    facts = json.loads((table.schema.metadata or {})[b"latentwatch.synthetic"])
    assert facts["auc"] < 0.65
    assert facts["nearest"] > 0.5
    assert not facts["anyway"]
    code, said = invoke("score", "mill.yaml", "--input", "made.parquet", "--output", "scores.jsonl")
    assert code == 0, said
    rows = [json.loads(line) for line in Path("scores.jsonl").read_text().splitlines()]
    assert len(rows) == 2_000
    assert not any("error" in row for row in rows)
    assert sum(row["flagged"] for row in rows) <= 60
    rows_of_b = table.filter([name == "b" for name in table.column("rig").to_pylist()])
    steps = np.diff(rows_of_b.column("at").to_numpy().astype("datetime64[s]").astype(np.int64))
    assert set(steps.tolist()) == {60}
    ratio = rows_of_b.column("power").to_numpy() / rows_of_b.column("load").to_numpy()
    assert abs(np.median(ratio) - 3) < 0.1
    code, said = invoke("synthesize", "mill.yaml", "-o", "made.parquet", "--fault", "bearing")
    assert code != 0
    assert "no alert labelled true has the cause 'bearing'" in said
    code, said = invoke("synthesize", "mill.yaml", "-o", "made.txt")
    assert code != 0
    assert ".parquet or .csv" in said


STREAM = """
name: rigs
source: {file: {path: faulty.parquet}}
record:
  {time: time, entity: rig, features: {flow: numeric, current: numeric, vibration: numeric, valve_position: numeric, mode: category}}
window: 32
model: {effort: light}
"""


@pytest.mark.slow
def test_a_stream_is_drawn_and_a_fault_in_it_alarms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a monitor with a window: flagged no more than a little, told apart no better than allowed; with a labelled incident's
    fault upon a stretch, that stretch is flagged."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LATENTWATCH_DATABASE", f"sqlite:///{tmp_path}/rigs.db")
    monkeypatch.setenv("LATENTWATCH_BUNDLES", str(tmp_path / "bundles"))
    plant, day = Plant(seed=3, rigs=2), datetime(2026, 3, 1, tzinfo=UTC)
    write_history(plant.history(day, 4_320), Path("normal.parquet"))
    faulty, _ = plant.stream(day + timedelta(days=1), 1_400, faults=(FaultKind.BEARING_WEAR,))
    write_history(faulty, Path("faulty.parquet"))
    Path("rigs.yaml").write_text(STREAM)
    for command in (
        ("train", "rigs.yaml", "--history", "normal.parquet", "--accept-blind"),
        ("score", "rigs.yaml"),
    ):
        code, said = invoke(*command)
        assert code == 0, said
    code, said = invoke("alerts", "list", "--json")
    longest = max(json.loads(said), key=lambda alert: alert["records"])
    assert longest["records"] >= 5
    code, said = invoke("alerts", "label", str(longest["id"]), "true", "--cause", "bearing")
    assert code == 0, said
    arguments = ("-n", "4000", "--history", "normal.parquet", "--json")
    code, said = invoke("synthesize", "rigs.yaml", "-o", "made.parquet", *arguments)
    assert code == 0, said
    facts = json.loads((pq.read_schema("made.parquet").metadata or {})[b"latentwatch.synthetic"])
    assert facts["auc"] < 0.75
    assert facts["nearest"] > 0.6
    assert scored("rigs.yaml", "made.parquet").mean() <= 0.003
    code, said = invoke(
        "synthesize", "rigs.yaml", "-o", "worn.parquet", *arguments, "--fault", "bearing", "--entity", "rig-2"
    )
    assert code == 0, said
    table = pq.read_table("worn.parquet").to_pandas()
    stretch = (table["synthetic_fault"] == "bearing").to_numpy()
    assert stretch.sum() >= 5
    assert set(table["rig"][stretch]) == {"rig-2"}
    assert scored("rigs.yaml", "worn.parquet")[stretch].mean() > 0.5


def scored(monitor: str, file: str) -> NDArray[np.bool_]:
    """[N] which of a file's records are flagged."""
    code, said = invoke("score", monitor, "--input", file, "--output", "scores.jsonl")
    assert code == 0, said
    return np.array([json.loads(line)["flagged"] for line in Path("scores.jsonl").read_text().splitlines()])


def test_what_is_told_from_real_is_measured() -> None:
    """Half for the same distribution, near one for another; copies lie at no distance."""
    random = np.random.default_rng(2)
    real, same = random.normal(size=(2, 1_500, 3))
    assert told_apart(real, same) < 0.58
    assert told_apart(real, same + 3) > 0.95
    assert 0.8 < nearest_ratio(real, same) < 1.25
    assert nearest_ratio(real, real) < 0.9


def test_drawn_records_are_thinned_to_normal_surprises() -> None:
    """Of draws half of which surprise, about a tenth reach 1."""
    random = np.random.RandomState(3)
    surprise = np.concatenate([-np.log10(random.uniform(size=4_000)), random.uniform(1, 5, 4_000)]).astype(np.float32)
    chosen = as_surprising_as_real(surprise, 1_000, random)
    assert len(set(chosen.tolist())) == 1_000
    assert 0.05 < (surprise[chosen] >= 1).mean() < 0.15


def records(count: int) -> Batch:
    """Of one rig, a second apart, with a counter."""
    columns: dict[str, Any] = {"load": np.full(count, 5.0), "sent": 10.0 * np.arange(count), "mode": ["low"] * count}
    return batch_from_columns(SCHEMA, columns, entities=["a"] * count)


def test_a_fault_shifts_a_stretch_and_nothing_else() -> None:
    """For as long as the incident lasted, by what it did, and its word is shown."""
    case = FaultCase(7, 20.0, {"load": np.array([0.0, 2.0])}, {"mode": "odd"})
    shifted, stretch = with_fault(records(90), case, "a")
    assert 20 <= stretch.sum() <= 22
    assert (shifted.numbers[~stretch, 0] == 5).all()
    assert shifted.numbers[np.flatnonzero(stretch)[-1], 0] == 7
    assert set(shifted.categories[stretch, 0]) == {"odd"}
    assert set(shifted.categories[~stretch, 0]) == {"low"}
    with pytest.raises(InvalidInput, match="has no records here"):
        with_fault(records(9), case, "b")


def test_counters_go_on_from_where_they_were() -> None:
    """What is drawn are rates; what is written are counts."""
    history = records(50)
    rates = _with_rates(history)
    assert np.allclose(rates.numbers[1:, 1], 10)
    drawn = rates.take(slice(40, 50))
    later = _in_counts(
        Batch(**{name: getattr(drawn, name) for name in Batch.__slots__} | {"times": drawn.times + 10_000_000}), history
    )
    assert np.allclose(later.numbers[:, 1], 490 + 10 * np.arange(1, 11))


def test_whole_counts_stay_whole() -> None:
    """A count of bytes or parts has no fraction, which rates that were drawn would give it."""
    history = records(50)
    drawn = _with_rates(history).take(slice(40, 50))
    numbers = drawn.numbers.copy()
    numbers[:, 1] = 3.3
    later = _in_counts(drawn.with_numbers(numbers), history)
    assert not (later.numbers[:, 1] % 1).any()


def test_drawn_values_are_written_without_the_digits_of_double(tmp_path: Path) -> None:
    """A batch with a counter holds doubles; 0.1 that was drawn in single precision is written as 0.1."""
    drawn = records(3)
    numbers = drawn.numbers.copy()
    numbers[:, 0] = np.float32(0.1)
    target = tmp_path / "made.csv"
    facts = Made(str(target), 3, 1, "linear", 0.5, 1.0, False, "", None, 0, 0.0, 0.01)
    _write(drawn.with_numbers(numbers), np.zeros(3, bool), facts, synthetic=True)
    assert ",0.1," in target.read_text().splitlines()[1]
