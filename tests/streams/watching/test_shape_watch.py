"""A stream that changes its shape is told of once a change, and not by a thousand dead letters."""

import json
from typing import Any

import pytest

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


@pytest.mark.parametrize("records", [16, 256])
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
    assert len(stage.store.dead_letters) == 200


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
    for value in (*_records(0, 200), *_records(200, 2000, a="high")):
        stage.broker.produce(value, 0)
    with pytest.raises(StreamRefused, match="a number belongs there"):
        stage.run(records=64)
    assert _told(stage)[-1] == (STREAM_REFUSED, "")
    assert len(stage.store.dead_letters) < 1000
