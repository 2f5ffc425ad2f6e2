"""JSON messages: the compiled reader and the careful one agree, and every refusal names its field."""

import gzip
import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import InvalidMonitor
from latentwatch.domain.record import Decoded, RawMessage
from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.decoding.columns import TimeBound
from latentwatch.streams.decoding.json_decoding import JsonDecoder
from latentwatch.streams.ports import messages_of

SCHEMA = RecordSchema.model_validate(
    {
        "time": "meta.at",
        "entity": "rig",
        "features": {
            "P": "numeric",
            "V": {"type": "numeric", "path": "sensors.v"},
            "on": "boolean",
            "time": "category",
            "note": "text",
        },
    }
)
GOOD: dict[str, Any] = {
    "meta": {"at": "2026-01-01T00:00:00Z"},
    "rig": "a",
    "P": 1,
    "sensors": {"v": 2.5},
    "on": True,
    "time": "day",
    "note": "fine",
    "unknown": [1, {"x": None}],
}


def decode(*values: bytes | None, schema: RecordSchema = SCHEMA) -> Decoded:
    """Messages at offsets 0, 1, ..."""
    rows = [RawMessage(0, offset, value, 1_000) for offset, value in enumerate(values)]
    return JsonDecoder(schema).decode(messages_of("topic", rows))


def good(**changes: Any) -> bytes:
    """A good record with some fields changed."""
    return json.dumps({**GOOD, **changes}).encode()


def nested(sensors: bytes) -> bytes:
    """A good record with other bytes where its nested object belongs."""
    return good(sensors=5).replace(b'"sensors": 5', b'"sensors": ' + sensors)


def test_reads_typed_nested_fields_and_ignores_unknown_ones() -> None:
    """Every field lands in its column, typed, wherever it stands in the record."""
    batch = decode(good()).batch
    assert batch.values(0) == {"P": 1.0, "V": 2.5, "on": True, "time": "day", "note": "fine"}
    assert batch.entities.tolist() == ["a"]
    assert batch.time(0) == datetime(2026, 1, 1, tzinfo=UTC)
    assert str(batch.position(0)) == "topic[0]@0"


def test_null_and_absent_fields_are_missing_values() -> None:
    """Missing is not zero: numbers become NaN, words None; also where a whole nested object is null."""
    batch = decode(
        good(P=None, sensors=None, on=None, time=None, note=None), b'{"meta": {"at": 1767225600}, "rig": 7}'
    ).batch
    assert len(batch) == 2
    assert batch.values(0) == batch.values(1) == dict.fromkeys(("P", "V", "on", "time", "note"))
    assert batch.entities.tolist() == ["a", "7"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "a tombstone"),
        (b"", "an empty message"),
        (b"{", "not valid JSON: Input data was truncated"),
        (good()[:-7], "not valid JSON"),
        (good() + b"x", "trailing characters"),
        (b"[1, 2]", "a record is a JSON object, this is a list"),
        (b'"text"', "a record is a JSON object, this is text"),
        (b"null", "a record is a JSON object, this is null"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (good(P=math.nan), "field 'P' is NaN, which JSON does not have; send null"),
        (good(P=-math.inf), "field 'P' is -Infinity, which JSON does not have"),
        (good(meta={}), "time field 'meta.at' is missing"),
        (good(meta={"at": "yesterday"}), "time field 'meta.at' is not a time: 'yesterday'"),
        (good(meta={"at": [1]}), "time field 'meta.at' is a list"),
        (good(rig=None), "entity field 'rig' is missing"),
        (good(rig=""), "entity field 'rig' is missing"),
        (good(rig="a\0b"), "entity field 'rig' holds a NUL"),
        (good(note="x" * 1_000_000)[:-30], "not valid JSON"),
        (nested(b'{"v": ' * 5_000 + b"1" + b"}" * 5_000), "nested too deeply"),
        (good(meta={"at": "9" * 5_000}), "time field 'meta.at' is not a time: '999"),
        (b"\0\0\0\0\x07" + good()[:-7], "not valid JSON: Input data was truncated"),
        (b"\0\0\0\0\x07\x02\x04ab", "not valid JSON: behind a schema registry's header (schema 7) stands none"),
        (b"\xef\xbb\xbf" + good(), "not valid JSON: text behind a byte order mark"),
        (gzip.compress(good(), mtime=0), "not valid JSON: compressed with gzip"),
        (good().decode().encode("utf-16"), "not valid JSON: text in UTF-16"),
        (good().decode().encode("utf-16-le"), "not valid JSON: text in UTF-16"),
        (good().decode().encode("utf-16-be"), "not valid JSON: text in UTF-16"),
    ],
)
def test_bad_messages_become_dead_letters_with_a_reason(value: bytes | None, reason: str) -> None:
    """Each refusal says which field is wrong and how; its neighbours are read; its payload is kept."""
    decoded = decode(good(P=1), value, good(P=3))
    assert decoded.batch.numbers[:, 0].tolist() == [1, 3]
    (letter,) = decoded.dead_letters
    assert reason in letter.reason
    assert len(letter.reason) < 400
    assert letter.position.offset == 1
    assert letter.payload == (value or b"")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (good(P="high"), "field 'P' is text ('high'), a number belongs there"),
        (good(P=[1.0]), "field 'P' is a list ([1.0]), a number belongs there"),
        (good(P=True), "field 'P' is a truth value (True), a number belongs there"),
        (good(on="maybe"), "field 'on' is text ('maybe'), true or false belongs there"),
        (good(on=2), "field 'on' is 2, true or false belongs there"),
        (good(sensors={"v": "high"}), "field 'sensors.v' is text ('high'), a number belongs there"),
        (good(P=1).replace(b'"P": 1', b'"P": 1e400'), "field 'P' holds 1e400"),
        (good(P=1e300), "field 'P' is infinite, or too large"),
        (good(P=10**400), "field 'P' is a number (1000"),
        (good(sensors=5), "field 'sensors.v': 'sensors' is a number (5), an object belongs there"),
        (nested(b"1e999"), "field 'sensors.v': 'sensors' holds 1e999 (Number out of range), an object belongs there"),
        (nested(b"9" * 5_000), "field 'sensors.v': 'sensors' holds 999"),
        (nested(b'"\xff\xfe"'), "field 'sensors.v': 'sensors' holds"),
        (nested(b'{"\xff": 1, "v": "high"}'), "field 'sensors.v'"),
        (b"\0\0\0\0\x07" + good(P="high"), "field 'P' is text"),
    ],
)
def test_a_value_that_its_feature_cannot_have_is_missing_and_noted(value: bytes, reason: str) -> None:
    """The record is read without it, at its place; the note says which field is wrong and how, and keeps the message."""
    decoded = decode(good(P=1), value, good(P=3))
    assert not decoded.dead_letters
    (unread,) = decoded.unread
    assert reason in unread.reason
    assert len(unread.reason) < 400
    assert (unread.position.offset, unread.payload) == (1, value)
    assert decoded.batch.values(1) == decoded.batch.values(0) | {unread.feature: None}


def test_what_is_left_of_a_record_must_be_something() -> None:
    """A record of which no value can be read is a dead letter, with the first reason."""
    value = json.dumps({"meta": {"at": 1767225600}, "rig": "a", "P": "high", "on": "maybe"}).encode()
    decoded = decode(good(), value)
    assert [letter.reason for letter in decoded.dead_letters] == ["field 'P' is text ('high'), a number belongs there"]
    assert not decoded.unread
    assert len(decoded.batch) == 1


def test_text_that_writes_a_number_is_one() -> None:
    """Where a number or a truth value belongs, text is read as a CSV's cell is, whatever else the record lacks."""
    decoded = decode(
        good(P="12.5", sensors={"v": " 1e3 "}, on="yes"),
        good(P="NA", sensors={"v": ""}, on="0"),
        good(P="7", sensors=None),
    )
    assert not decoded.dead_letters
    batch = decoded.batch
    assert [batch.values(row)["P"] for row in range(3)] == [12.5, None, 7.0]
    assert [batch.values(row)["V"] for row in range(3)] == [1000.0, None, None]
    assert [batch.values(row)["on"] for row in range(3)] == [True, False, True]


@pytest.mark.parametrize("neighbour", [b"", good(), b"{", None])
def test_json_behind_a_registry_header_is_read(neighbour: bytes | None) -> None:
    """As registries' own JSON serializers write it, among framed messages only or others; a dead letter is kept whole."""
    framed = b"\0\0\0\0\x07" + good(P=7)
    decoded = decode(framed, neighbour, framed)
    assert decoded.batch.numbers[:, 0].tolist() == ([7.0, 1.0, 7.0] if neighbour == good() else [7.0, 7.0])
    assert decode(framed, framed).batch.numbers[:, 0].tolist() == [7.0, 7.0]
    (letter,) = decode(framed, framed[:-1]).dead_letters
    assert letter.payload == framed[:-1]


def test_a_megabyte_record_is_read() -> None:
    """Size alone is no fault."""
    decoded = decode(good(note="x" * 1_000_000))
    assert len(decoded.batch.texts[0, 0]) == 1_000_000


def test_nul_characters_in_words_are_replaced() -> None:
    """Databases cannot hold NUL; a word that has one is kept readable."""
    assert decode(good(time="a\0b")).batch.categories[0, 0] == "a\ufffdb"


def test_records_from_the_far_future_are_refused_on_live_streams() -> None:
    """A day ahead is a zone or a skewed clock, more is a wrong unit or a broken one."""
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    decoder = JsonDecoder(SCHEMA, TimeBound(clock, timedelta(days=1)))
    times = ["2026-01-01T23:59:00Z", "2026-01-02T00:01:00Z", "2031-01-01T00:00:00Z"]
    decoded = decoder.decode(messages_of("t", [RawMessage(0, i, good(meta={"at": t}), 0) for i, t in enumerate(times)]))
    assert len(decoded.batch) == 1
    assert [letter.position.offset for letter in decoded.dead_letters] == [1, 2]
    assert "lies in the future: 2031-01-01" in decoded.dead_letters[1].reason


def test_records_from_a_clock_never_set_are_refused_on_live_streams() -> None:
    """Within a day of 1970, in whatever zone; on a stream that is not live, time may begin where it likes."""
    times: list[str | int] = [0, 86_399, "1969-12-31T12:00:00Z", "1970-01-02T00:00:00Z", "1969-12-30T23:00:00Z"]
    messages = messages_of("t", [RawMessage(0, i, good(meta={"at": t}), 0) for i, t in enumerate(times)])
    decoded = JsonDecoder(SCHEMA, TimeBound(ManualClock())).decode(messages)
    assert [letter.position.offset for letter in decoded.dead_letters] == [0, 1, 2]
    assert "is 1970-01-01T23:59:59+00:00, as of a clock that was never set" in decoded.dead_letters[1].reason
    assert len(JsonDecoder(SCHEMA).decode(messages).batch) == 5


def test_without_time_and_entity_the_messages_own_time_counts() -> None:
    """A schema without time takes the source's; without entity all records are one entity's."""
    schema = RecordSchema.model_validate({"features": {"P": "numeric"}})
    batch = decode(b'{"P": 4}', schema=schema).batch
    assert batch.times.tolist() == [1_000_000]
    assert batch.entities.tolist() == [""]


def test_a_path_that_is_value_and_object_is_refused() -> None:
    """A schema that contradicts itself is refused when the decoder is made, not record by record."""
    schema = RecordSchema.model_validate({"features": {"P": "numeric", "Q": {"type": "numeric", "path": "P.q"}}})
    with pytest.raises(InvalidMonitor, match="'P' is both"):
        JsonDecoder(schema)


ATOMS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text("ab\0é", max_size=3), st.just({}), st.just([])
)
RECORDS = st.fixed_dictionaries(
    {},
    optional={
        "meta": st.one_of(st.fixed_dictionaries({"at": st.one_of(st.just("2026-01-01T00:00:00"), ATOMS)}), ATOMS),
        "rig": st.one_of(st.just("a"), ATOMS),
        "P": ATOMS,
        "sensors": st.one_of(st.fixed_dictionaries({}, optional={"v": ATOMS}), ATOMS),
        "on": ATOMS,
        "time": ATOMS,
        "note": ATOMS,
    },
)


@given(
    st.lists(
        st.one_of(
            RECORDS.map(lambda r: json.dumps(r).encode()),
            st.sampled_from([b"", b"{", b"[]", b"null", b"\xff", b'{"P": NaN}']),
        ),
        max_size=12,
    )
)
def test_a_batch_is_read_as_its_messages_alone(values: list[bytes]) -> None:
    """A message's fate never depends on its neighbours, whichever path reads the batch."""
    together = decode(*values)
    alone = [decode(*([b"{}"] * row), value) for row, value in enumerate(values)]
    assert len(together.batch) + len(together.dead_letters) == len(values)
    rows = {int(offset): row for row, offset in enumerate(together.batch.offsets)}
    for row, single in enumerate(alone):
        assert (row in rows) == (row in single.batch.offsets)
        if row in rows:
            assert np.array_equal(together.batch.numbers[rows[row]], single.batch.numbers[-1], equal_nan=True)
            assert together.batch.times[rows[row]] == single.batch.times[-1]
            assert together.batch.entities[rows[row]] == single.batch.entities[-1]
            assert together.batch.categories[rows[row]].tolist() == single.batch.categories[-1].tolist()


FLAT = RecordSchema.model_validate(
    {
        "time": "event.time",
        "entity": "host.name",
        "features": {"cpu": {"type": "numeric", "path": "system.cpu.pct"}, "memory.used": "numeric"},
    }
)


def _flat(**changes: Any) -> dict[str, Any]:
    record = {"event.time": "2026-03-01T00:00:00Z", "host.name": "h1", "system.cpu.pct": 0.25, "memory.used": 7}
    return record | changes


def _nested() -> dict[str, Any]:
    return {
        "event": {"time": "2026-03-01T00:00:01Z"},
        "host": {"name": "h2"},
        "system": {"cpu": {"pct": 0.5}},
        "memory.used": 8,
    }


def test_a_key_that_has_the_dots_itself_comes_first():
    """Flat keys, nested objects and messages of both kinds in one batch are read, each record in its place."""
    both = {"system.cpu.pct": 0.75, **{key: value for key, value in _nested().items() if key != "system"}}
    messages = [_flat(), _nested(), both, _flat(**{"host.name": "h3"}), {"host.name": 5.5, "memory.used": "x"}]
    decoded = decode(*(json.dumps(message).encode() for message in messages), schema=FLAT)
    batch = decoded.batch
    assert batch.entities.tolist() == ["h1", "h2", "h2", "h3"]
    assert [batch.values(row) for row in range(4)] == [
        {"cpu": 0.25, "memory.used": 7.0},
        {"cpu": 0.5, "memory.used": 8.0},
        {"cpu": 0.75, "memory.used": 8.0},
        {"cpu": 0.25, "memory.used": 7.0},
    ]
    assert [letter.position.offset for letter in decoded.dead_letters] == [4]
    assert "'host.name' is a number" in decoded.dead_letters[0].reason


def test_a_dotted_name_among_the_values_is_no_key():
    """A nested record whose text names a path is read by its objects, and broken bytes around it are a dead letter."""
    record = _nested() | {"note": "host.name", "tags": ["event.time"]}
    decoded = decode(json.dumps(record).encode(), b'{"host.name": "h', None, schema=FLAT)
    assert decoded.batch.entities.tolist() == ["h2"]
    assert len(decoded.dead_letters) == 2
