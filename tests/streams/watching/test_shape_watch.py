"""A stream that changes its shape is told of once a change, and not by a thousand dead letters."""

import json
from typing import Any

import pytest

from latentwatch.domain.monitor import parse_monitor
from latentwatch.domain.outcome import FIELD_MOVED, FIELD_NEW, FIELD_VANISHED, STREAM_REFUSED
from latentwatch.streams.poison import StreamRefused
from tests.streams.stage import START, Stage


def _records(first: int, count: int, **changed: Any) -> list[bytes]:
    made = []
    for number in range(first, first + count):
        fields: dict[str, Any] = {"at": START + number, "rig": "r", "a": number % 7 / 10, "b": 0.5, **changed}
        made.append(json.dumps({key: value for key, value in fields.items() if value is not ...}).encode())
    return made


def _told(stage: Stage) -> list[tuple[str, str]]:
    return [(entry.kind, entry.subject) for outcome in stage.store.outcomes for entry in outcome.audit]


@pytest.mark.parametrize("records", [16, 256, 4_000])
def test_each_change_is_told_once(records: int):
    """A field that no longer comes, comes again and goes again; one that is new; one of another type in every third message."""
    stage = Stage()
    first = _records(0, 900)
    gone, back, gone_again = _records(900, 1200, b=...), _records(2100, 300), _records(2400, 1200, b=...)
    fresh = _records(3600, 6000, extra=1)
    moved = [
        each for number in range(11600, 12200, 3) for each in (*_records(number, 2), *_records(number + 2, 1, a="high"))
    ]
    for value in (*_records(0, 2000), *first, *gone, *back, *gone_again, *fresh, *moved):
        stage.broker.produce(value, 0)
    stage.run(records=records)
    told = _told(stage)
    assert [each for each in told if each[0] == FIELD_VANISHED] == [(FIELD_VANISHED, "b")] * 2
    assert told.count((FIELD_MOVED, "a")) == 1
    assert told.count((FIELD_NEW, "extra")) == 1
    assert not stage.store.dead_letters
    unread = [value for outcome in stage.store.outcomes for value in outcome.unread]
    assert [value.feature for value in unread] == ["a"] * 200
    assert stage.accounted() == stage.produced()


def test_what_a_stream_never_had_is_no_news():
    """A field that comes now and then, and keys that the first messages have, are what they were."""
    stage = Stage()
    for number in range(0, 3000, 3):
        for value in (*_records(number, 2, b=..., note="x"), *_records(number + 2, 1)):
            stage.broker.produce(value, 0)
    stage.run(records=32)
    assert _told(stage) == []


def test_a_refused_stream_is_one_notice():
    """Where most messages changed at once the stream stops, with a note and no thousand letters."""
    stage = Stage()
    for value in (*_records(0, 200), *_records(200, 2000, a="high", b=[1])):
        stage.broker.produce(value, 0)
    with pytest.raises(StreamRefused, match="a number belongs there"):
        stage.run(records=64)
    assert _told(stage)[-1] == (STREAM_REFUSED, "")
    assert len(stage.store.dead_letters) < 1000


LONG = """
name: pump
source: {kafka: {topic: memory}}
record: {time: at, entity: rig, long: {name: of, value: is}, every: 10s%s, features: {load: numeric, temp: numeric}}
"""


def _values(ticks: range, *names: str, **changed: Any) -> list[bytes]:
    """Of three rigs and each tick a value for each name."""
    return [
        json.dumps({"at": START + 10 * tick, "rig": f"r{rig}", "of": name, "is": changed.get(name, tick % 7)}).encode()
        for tick in ticks
        for rig in range(3)
        for name in names
    ]


@pytest.mark.parametrize("age", ["", ", age: 1m"])
@pytest.mark.parametrize("records", [128, 4_000])
def test_each_change_is_told_once_in_long_form(records: int, age: str):
    """A name that no longer comes, one that is new, and one whose values are of another type; what was left out is no news."""
    stage = Stage(watched=parse_monitor(LONG % age))
    for value in (
        *_values(range(600), "load", "temp", "left out"),
        *_values(range(600, 800), "load", "left out"),
        *_values(range(800, 1_400), "load", "temp", "left out", "fresh"),
        *_values(range(1_400, 1_430), "load", "temp", "left out", temp="high"),
    ):
        stage.broker.produce(value, 0)
    stage.run(records=records)
    assert sorted(_told(stage)) == [(FIELD_MOVED, "temp"), (FIELD_NEW, "fresh"), (FIELD_VANISHED, "temp")]
    assert not stage.store.dead_letters
    assert sum(len(outcome.unread) for outcome in stage.store.outcomes) == 90


def test_a_new_value_of_an_object_is_told_in_long_form():
    """Of messages that hold several values each, as Telegraf's, a value is named as its feature would be."""
    text = (
        LONG.replace("name: of, value: is", "name: of, values: is")
        .replace("load: n", "cpu.load: n")
        .replace("temp: n", "cpu.temp: n")
    )
    stage = Stage(watched=parse_monitor(text % ""))
    for tick in range(7_000):
        values = {"load": 1.0, "temp": tick % 5, **({"steal": 2.0} if tick > 5_200 else {})}
        stage.broker.produce(json.dumps({"at": START + 10 * tick, "rig": "r", "of": "cpu", "is": values}).encode(), 0)
    stage.run(records=64)
    assert _told(stage) == [(FIELD_NEW, "cpu.steal")]
