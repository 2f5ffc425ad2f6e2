"""Columns as people have them: a few bad cells, clocks under other names, counters, words and numbers that mean nothing."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from latentwatch.domain.errors import InvalidHistory, InvalidInput
from latentwatch.domain.monitor import parse_monitor
from latentwatch.domain.schema import RecordSchema
from latentwatch.domain.shape import LongForm
from latentwatch.guessing import Guess, guess_monitor
from latentwatch.history import read_history
from latentwatch.streams.sources.file_source import FileSource

_ROWS = 1200
_START = datetime(2026, 2, 25, tzinfo=UTC)


@pytest.fixture
def guess(tmp_path: Path) -> Callable[..., Guess]:
    """What `init` makes of a table with a time, a level that wanders and the given columns; an empty one leaves."""

    def of(**columns: Sequence[Any]) -> Guess:
        levels = np.random.default_rng(7).normal(10.0, 0.1, _ROWS).round(3)
        table = {"timestamp": _times("%Y-%m-%dT%H:%M:%S"), "level": levels.tolist()} | columns
        path = tmp_path / "dirty.csv"
        pd.DataFrame({name: values for name, values in table.items() if len(values)}).to_csv(path, index=False)
        return guess_monitor(str(path))

    return of


def _times(form: str) -> list[str]:
    return [(_START + row * timedelta(minutes=1)).strftime(form) for row in range(_ROWS)]


def _said(guess: Guess, *words: str) -> bool:
    return any(all(word in note for word in words) for note in guess.notes)


@pytest.mark.parametrize("bad", ["", "unknown", "2026-99-99"])
def test_one_bad_time_does_not_cost_the_time(bad: str, guess: Callable[..., Guess]) -> None:
    """The column stays the time, and the row without one is counted and named."""
    times = _times("%Y-%m-%dT%H:%M:%S")
    times[250] = bad
    found = guess(timestamp=times)
    assert found.monitor.record.time == "timestamp"
    assert found.monitor.record.names == ("level",)
    assert _said(found, "without a time: 1 row,", "row 251")


@pytest.mark.parametrize("name", ["at", "dt", "Zeit"])
@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000])
def test_an_epoch_is_a_time_whatever_its_name(name: str, unit: int, guess: Callable[..., Guess]) -> None:
    """Whole numbers of an epoch's digits that grow are the time, in each unit."""
    epoch = [int(_START.timestamp() + 10 * row) * unit for row in range(_ROWS)]
    assert guess(timestamp=[], **{name: epoch}).monitor.record.time == name


def test_a_large_number_that_does_not_grow_is_no_time(guess: Callable[..., Guess]) -> None:
    """An amount of an epoch's size is a quantity."""
    amounts = (1.7e9 + np.random.default_rng(3).normal(0, 1e8, _ROWS)).astype(int).tolist()
    found = guess(timestamp=[], amount=amounts)
    assert found.monitor.record.time is None
    assert "amount" in found.monitor.record.names


def test_an_order_of_day_and_month_that_nothing_proves_is_refused(guess: Callable[..., Guess]) -> None:
    """The time is neither dropped nor misread, whatever the column's name."""
    with pytest.raises(InvalidHistory, match=r"'at' holds times .*nothing proves which number is the day"):
        guess(timestamp=[], at=["01/02/2026 10:00"] * _ROWS)


@pytest.mark.parametrize(
    ("form", "day_first"),
    [
        ("%d/%m/%Y %H:%M:%S", True),
        ("%m/%d/%Y %I:%M:%S %p", False),
        ("%a, %d %b %Y %H:%M:%S +0000", None),
        ("%Y-%m-%d %H:%M:%S UTC", None),
    ],
)
def test_times_of_other_habits_are_learned_as_they_are_guessed(
    form: str, day_first: bool | None, guess: Callable[..., Guess], tmp_path: Path
) -> None:
    """A day beyond the 12th proves its place, which the monitor says; history and scoring read what `init` read."""
    times = [(_START + row * timedelta(hours=1)).strftime(form) for row in range(_ROWS)]
    guessed = guess(timestamp=[], at=times)
    record = guessed.monitor.record
    assert (record.time, record.day_first) == ("at", day_first)
    assert parse_monitor(guessed.yaml("sample")) == guessed.monitor
    assert (np.diff(read_history(record, [str(tmp_path / "dirty.csv")]).times) == 3600 * 1_000_000).all()


def test_a_mongo_date_is_a_time(tmp_path: Path) -> None:
    """Extended JSON, canonical and relaxed."""
    for wrap in (lambda at: at.isoformat(), lambda at: {"$numberLong": str(round(at.timestamp() * 1000))}):
        path = tmp_path / "mongo.jsonl"
        moments = [_START + row * timedelta(minutes=1) for row in range(300)]
        records = [
            {"_id": {"$oid": f"{row:024x}"}, "ts": {"$date": wrap(at)}, "p": row % 7} for row, at in enumerate(moments)
        ]
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        record = guess_monitor(str(path)).monitor.record
        assert record.names == ("p",)
        assert read_history(record, [str(path)]).time(0) == _START


def test_missing_words_and_numbers_are_left_out_alike_everywhere(tmp_path: Path) -> None:
    """What the monitor or a feature calls missing is missing in CSV, JSON lines and Parquet, in numbers and in words."""
    schema = RecordSchema.model_validate(
        {
            "missing": [-200, "n.v."],
            "features": {"a": {"type": "numeric", "missing": ["--"]}, "b": "numeric", "mode": "category"},
        }
    )
    rows = [["-200", "1.5", "run"], ["--", "n.v.", "n.v."], ["-200.0", "-199", "-200"]]
    (tmp_path / "m.csv").write_text("a,b,mode\n" + "".join(",".join(row) + "\n" for row in rows))
    frame = pd.DataFrame(rows, columns=["a", "b", "mode"])
    frame.to_json(tmp_path / "m.jsonl", orient="records", lines=True)
    frame.to_parquet(tmp_path / "m.parquet")
    for name in ("m.csv", "m.jsonl", "m.parquet"):
        batch = read_history(schema, [str(tmp_path / name)])
        assert [list(batch.values(row).values()) for row in range(3)] == [
            [None, 1.5, "run"],
            [None, None, None],
            [None, -199.0, None],
        ], name
    with pytest.raises(ValueError, match="32 bits"):
        RecordSchema.model_validate({"missing": [1e99], "features": {"a": "numeric"}})


def test_one_machine_a_file_is_guessed_learned_and_scored_alike(tmp_path: Path) -> None:
    """Files of one stretch of time are entities, named as they are, for all who read them; a pipe has no name."""
    for name in ("mixer", "press"):
        rows = "".join(f"{time},{row % 9}\n" for row, time in enumerate(_times("%Y-%m-%dT%H:%M:%SZ")))
        (tmp_path / f"{name}.csv").write_text("at,level\n" + rows)
    guessed = guess_monitor(str(tmp_path))
    record = guessed.monitor.record
    assert record.entity_is_file
    assert "entity:\n    file: true" in guessed.yaml("sample")
    assert parse_monitor(guessed.yaml("sample")) == guessed.monitor
    assert set(read_history(record, [str(tmp_path)]).entities) == {"mixer", "press"}
    source = FileSource(str(tmp_path / "press.csv"))
    source.open()
    decoder = source.decoder(record)
    source.seek(0, 0)
    assert set(decoder.decode(source.poll(10, 1.0)).batch.entities) == {"press"}
    with pytest.raises(InvalidInput, match="a pipe has no name"):
        FileSource("-").decoder(record)


def test_what_only_grows_is_a_counter(guess: Callable[..., Guess]) -> None:
    """But for its resets; what rose for a while is a number, and what runs with the time is a clock and left out."""
    counter = np.cumsum(np.random.default_rng(1).integers(0, 9, _ROWS))
    counter[500:] -= counter[500]
    ramp = np.concatenate([np.arange(_ROWS // 2), np.arange(_ROWS // 2, 0, -1)])
    uptime = [60 * row + row % 2 for row in range(_ROWS)]
    found = guess(bytes_total=counter.tolist(), ramp=ramp.tolist(), uptime=uptime)
    assert found.monitor.record.names == ("level", "bytes_total", "ramp")
    assert found.monitor.record.counters == ("bytes_total",)
    assert _said(found, "'bytes_total' is a counter", "only grows", "rate a second")
    assert _said(found, "left out 'uptime'", "it is a clock")


def test_without_a_time_a_counter_is_left_out_with_a_word(guess: Callable[..., Guess]) -> None:
    """There is no rate a second of records that carry no time."""
    found = guess(timestamp=[], bytes_total=np.cumsum(np.random.default_rng(1).integers(0, 9, _ROWS)).tolist())
    assert found.monitor.record.names == ("level",)
    assert _said(found, "left out 'bytes_total'", "only grows", "with a time")


def test_counters_of_several_machines_are_each_their_own(guess: Callable[..., Guess]) -> None:
    """Interleaved, two counters fall at every second row; by machine they only grow."""
    totals = [row + (10_000 if row % 2 else 0) for row in range(_ROWS)]
    found = guess(machine=["m1", "m2"] * (_ROWS // 2), total=totals)
    assert found.monitor.record.entity == "machine"
    assert found.monitor.record.names == ("level",)


def test_levels_that_were_raised_are_no_counters(guess: Callable[..., Guess]) -> None:
    """A setting that was changed upwards a few times stays a feature."""
    assert "setpoint" in guess(setpoint=[40 + row // 100 for row in range(_ROWS)]).monitor.record.names


@pytest.mark.parametrize("word", ["?", "unavailable", "unknown", "err"])
def test_a_column_of_few_numbers_and_one_word_is_numbers(word: str, guess: Callable[..., Guess]) -> None:
    """One cell in a thousand does not make a count a category."""
    counts: list[Any] = [row % 5 for row in range(_ROWS)]
    counts[600] = word
    assert "count" in guess(count=counts).monitor.record.numbers


def test_a_value_that_means_none_is_noted(guess: Callable[..., Guess]) -> None:
    """An extreme that repeats far from all others is shown, with what to do; a limit that a sensor reaches is not."""
    values = np.random.default_rng(2).normal(2.0, 0.4, _ROWS).round(2)
    clipped = np.minimum(values, 2.5)
    values[::10] = -200.0
    found = guess(co=values.tolist(), clipped=clipped.tolist())
    assert _said(found, "'co' is -200 in 10% of the rows", "missing: [-200]")
    assert not _said(found, "'clipped'")


def test_one_doubled_time_is_no_evidence_for_an_entity(guess: Callable[..., Guess]) -> None:
    """A category that differs between the two records of one time is a feature all the same."""
    times = _times("%Y-%m-%dT%H:%M:%S")
    times[101] = times[100]
    found = guess(timestamp=times, status=["run", "idle"] * (_ROWS // 2))
    assert found.monitor.record.entity is None
    assert "status" in found.monitor.record.names


def test_an_epoch_of_senders_that_are_not_in_step_is_a_time(guess: Callable[..., Guess]) -> None:
    """Within some ticks they come in any order; a number of as many digits that goes up and down is none."""
    rng = np.random.default_rng(4)
    at = 1_760_000_000 + 60 * np.arange(_ROWS) + rng.integers(0, 300, _ROWS)
    walk = 1_760_000_000 + rng.normal(0, 1e6, _ROWS).cumsum().astype(int)
    assert guess(timestamp=[], at=at.tolist()).monitor.record.time == "at"
    assert guess(timestamp=[], memory=walk.tolist()).monitor.record.names == ("level", "memory")


def test_identifiers_that_repeat_are_entities(tmp_path: Path) -> None:
    """Three pumps that send under their ids are three entities."""
    path = tmp_path / "context.jsonl"
    records = (
        {"id": f"urn:pump:{row % 3}", "at": at, "temperature": 50 + row % 7}
        for row, at in enumerate(_times("%Y-%m-%dT%H:%M:%SZ"))
    )
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert guess_monitor(str(path)).monitor.record.entity == "id"


def _long(sources: int) -> dict[str, list[Any]]:
    """A load and a memory of some hosts, a row each."""
    rows = [
        (time, host, name)
        for time in _times("%Y-%m-%dT%H:%M:%S")
        for host in range(sources)
        for name in ("load", "memory")
    ][:_ROWS]
    values = [0.5 + row % 7 / 10 if row % 2 == 0 else 8e9 + row % 11 * 1e6 for row in range(_ROWS)]
    return {
        "timestamp": [time for time, _, _ in rows],
        "level": [],
        "origin": [f"h{host}" for _, host, _ in rows],
        "name": [name for _, _, name in rows],
        "value": values,
    }


def test_an_hour_that_comes_twice_is_told(guess: Callable[..., Guess]) -> None:
    """A local clock that was set back; the same times with a zone, and machines one after the other, are no such thing."""
    start = datetime(2025, 10, 25)
    local = [start + minute * timedelta(minutes=5) for minute in range(_ROWS)]
    turn = local.index(datetime(2025, 10, 26, 3))
    back = [*local[:turn], *(each - timedelta(hours=1) for each in local[turn:])]
    assert _said(guess(timestamp=[f"{each:%Y-%m-%d %H:%M:%S}" for each in back]), "goes back by an hour", "02:55")
    assert not _said(guess(timestamp=[f"{each:%Y-%m-%d %H:%M:%S}" for each in local]), "goes back by an hour")


@pytest.mark.parametrize("sources", [1, 3])
def test_long_form_is_aligned(sources: int, guess: Callable[..., Guess], tmp_path: Path) -> None:
    """Where a value means what a name says, those of an entity and tick are a row; what tells sources apart is the entity."""
    record = guess(**_long(sources)).monitor.record
    assert record.long == LongForm(name="name", value="value")
    assert record.every == timedelta(minutes=1)
    assert record.entity == (None if sources == 1 else "origin")
    assert record.names == ("load", "memory")
    history = read_history(record, [str(tmp_path / "dirty.csv")])
    assert len(history) == _ROWS // 2
    assert not np.isnan(history.numbers).any()


@pytest.mark.parametrize(("sources", "asked"), [(1, "must have one partition"), (3, "must be keyed by 'origin'")])
def test_a_topic_in_long_form_is_aligned_too(
    sources: int, asked: str, guess: Callable[..., Guess], tmp_path: Path
) -> None:
    """By the same monitor; what it asks of the topic's keys, which a file does not show, is a comment."""
    of_file = guess(**_long(sources)).monitor.record
    found = guess_monitor(str(tmp_path / "dirty.csv"), topic="metrics")
    assert found.monitor.record == of_file
    assert _said(found, asked)
    assert parse_monitor(found.yaml("sample")) == found.monitor


def test_what_follows_from_a_name_is_no_entity(guess: Callable[..., Guess]) -> None:
    """A unit that each name has does not part what belongs together; it is left out with a word."""
    found = guess(**_long(3), unit=["1", "bytes"] * (_ROWS // 2))
    assert found.monitor.record.entity == "origin"
    assert _said(found, "left out 'unit'")


def test_a_long_form_without_a_time_is_watched_name_by_name(guess: Callable[..., Guess]) -> None:
    """Nothing says which values belong together."""
    found = guess(**{**_long(1), "timestamp": []})
    assert found.monitor.record.entity == "name"
    assert _said(found, "without a time each is watched as an entity of its own")


def test_names_beside_a_value_of_one_meaning_are_no_long_form(guess: Callable[..., Guess]) -> None:
    """Channels that measure the same quantity are what they were."""
    channels = [f"c{row % 3}" for row in range(_ROWS)]
    found = guess(level=[], channel=channels, value=np.random.default_rng(4).normal(20, 1, _ROWS).round(3).tolist())
    assert not _said(found, "long form")


@pytest.mark.parametrize("form", ["%d/%b/%Y:%H:%M:%S +0000", "[%d/%b/%Y:%H:%M:%S +0000]", "DT#%Y-%m-%d-%H:%M:%S"])
def test_times_of_web_logs_and_controllers_are_read(form: str, tmp_path: Path) -> None:
    """Taken for words, every later one would be new."""
    times = pd.date_range("2026-10-12", periods=200, freq="min")
    path = tmp_path / "log.csv"
    pd.DataFrame({"minute": times.strftime(form), "a": np.arange(200) * 7 % 13 / 2}).to_csv(path, index=False)
    record = guess_monitor(str(path)).monitor.record
    assert (record.time, record.names) == ("minute", ("a",))
    assert read_history(record, [str(path)]).times.tolist() == times.as_unit("us").astype("int64").tolist()


def test_a_time_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    """It was a text or an identifier, and the records had no time; where there is another, it is left out by its name."""
    times = pd.date_range("2026-10-12", periods=200, freq="min")
    path = tmp_path / "log.csv"
    frame = pd.DataFrame({"minute": times.strftime("%Y~%m~%d %H:%M"), "a": np.arange(200) * 7 % 13 / 2})
    frame.to_csv(path, index=False)
    with pytest.raises(
        InvalidHistory, match=r"'minute' looks like a time that cannot be read .*; write it as 2026-10-12T00"
    ):
        guess_monitor(str(path))
    frame.assign(at=times.astype(str)).to_csv(path, index=False)
    guess = guess_monitor(str(path))
    assert guess.monitor.record.names == ("a",)
    assert any(note.startswith("left out 'minute': it looks like a time") for note in guess.notes)


@pytest.mark.parametrize(
    "text", ["10.0.0.{}:8080", "00:{:02}:11:22:33:44", "took 00:00:{:02}", "1.2.3-rc{}", "run 7-{} at 12:30"]
)
def test_addresses_and_words_are_no_times(text: str, tmp_path: Path) -> None:
    """What has digits and colons alone does not cost the monitor."""
    path = tmp_path / "x.csv"
    path.write_text("what,a\n" + "".join(f"{text.format(row)},{row * 7 % 13}\n" for row in range(99)))
    assert "a" in guess_monitor(str(path)).monitor.record.names


def test_words_that_come_again_in_place_of_a_number_mean_no_value(tmp_path: Path) -> None:
    """A historian's states; a word that comes once is a mistake still, and is named."""
    words = {7: "Bad Input", 40: "Bad Input", 90: "Bad Input", 100: "Comm Fail", 120: "I/O Timeout"}
    rows = (
        f"2026-01-0{1 + row // 96}T{row % 96 // 4:02}:{row % 4 * 15:02}:00Z,{words.get(row, 20 + row % 113 / 7)}\n"
        for row in range(384)
    )
    (tmp_path / "tag.csv").write_text("time,level\n" + "".join(rows))
    guess = guess_monitor(str(tmp_path / "tag.csv"))
    assert guess.monitor.record.feature("level").missing == ("Bad Input",)
    assert len(read_history(guess.monitor.record, [str(tmp_path / "tag.csv")])) == 384 - 2
    assert "2 cells of it hold no number (row 101: 'Comm Fail')" in " ".join(guess.notes)
