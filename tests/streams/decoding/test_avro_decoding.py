"""Avro messages: the same batch as JSON gives, by the writer's schema, refused with a reason."""

import gzip
import io
import json
import struct
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentwatch.domain.errors import Unavailable
from latentwatch.domain.record import Decoded, RawMessage
from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.decoding.avro_decoding import AvroDecoder
from latentwatch.streams.decoding.json_decoding import JsonDecoder
from latentwatch.streams.decoding.schema_registry import UnknownSchema, WriterSchema
from latentwatch.streams.ports import messages_of

SCHEMA = RecordSchema.model_validate(
    {
        "time": "at",
        "entity": "rig",
        "features": {
            "P": "numeric",
            "T": {"type": "numeric", "path": "motor.temperature"},
            "on": "boolean",
            "mode": "category",
            "note": "text",
        },
    }
)
WRITER = {
    "type": "record",
    "name": "Reading",
    "fields": [
        {"name": "note", "type": ["null", "string"]},
        {"name": "extra", "type": {"type": "map", "values": {"type": "array", "items": ["null", "double"]}}},
        {"name": "at", "type": ["string", "long"]},
        {"name": "rig", "type": ["string", "int"]},
        {"name": "P", "type": ["null", "int", "float", "double"]},
        {
            "name": "motor",
            "type": [
                "null",
                {
                    "type": "record",
                    "name": "Motor",
                    "fields": [{"name": "serial", "type": "bytes"}, {"name": "temperature", "type": "float"}],
                },
            ],
        },
        {"name": "on", "type": ["null", "boolean"]},
        {"name": "mode", "type": ["null", "string", "long", "boolean"]},
    ],
}


class Schemas:
    """A registry in memory; away for as many questions as it is told."""

    def __init__(self, *schemas: Any, away: int = 0) -> None:
        self._schemas = dict(enumerate(schemas))
        self.away = away

    def schema(self, number: int) -> WriterSchema:
        """The schema of that place."""
        if self.away:
            self.away -= 1
            raise Unavailable("the registry is away")
        if number not in self._schemas:
            raise UnknownSchema(f"no Avro schema {number}")
        return WriterSchema(self._schemas[number])


def avro(schema: Any, record: Any, number: int = 0) -> bytes:
    """A record in the registry's wire format."""
    out = io.BytesIO(b"\0" + struct.pack(">I", number))
    out.seek(0, io.SEEK_END)
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), record)
    return out.getvalue()


def decode(schema: RecordSchema, registry: Schemas, *messages: bytes | None) -> Decoded:
    """Messages at offsets 0, 1, ..."""
    rows = [RawMessage(0, offset, message, 0) for offset, message in enumerate(messages)]
    return AvroDecoder(schema, registry).decode(messages_of("topic", rows))


def field(kind: Any, name: str = "P") -> dict[str, Any]:
    """A record of one field."""
    return {"type": "record", "name": "R", "fields": [{"name": name, "type": kind}]}


def numbers(kind: Any, *values: Any) -> list[float]:
    """What the numeric feature P becomes when it was written as that type."""
    schema = RecordSchema.model_validate({"features": {"P": "numeric"}})
    decoded = decode(schema, Schemas(field(kind)), *(avro(field(kind), {"P": value}) for value in values))
    assert not decoded.dead_letters
    return [float(value) for value in decoded.batch.numbers[:, 0]]


RECORDS = st.fixed_dictionaries(
    {
        "note": st.none() | st.text(max_size=5),
        "extra": st.dictionaries(st.text(max_size=3), st.lists(st.none() | st.floats(-9, 9), max_size=3), max_size=2),
        "at": st.integers(1_600_000_000, 1_700_000_000) | st.just("2026-01-01T00:00:00Z"),
        "rig": st.integers(0, 5) | st.text("ab", min_size=1, max_size=3),
        "P": st.none() | st.integers(-(2**31), 2**31 - 1) | st.floats(-1e6, 1e6, width=32),
        "motor": st.none()
        | st.fixed_dictionaries({"serial": st.just(b"x"), "temperature": st.floats(-10, 10, width=32)}),
        "on": st.none() | st.booleans(),
        "mode": st.none() | st.sampled_from(["auto", "ö"]) | st.integers(-3, 3) | st.booleans(),
    }
)


@given(st.lists(RECORDS, max_size=8))
def test_avro_and_json_give_the_same_batch(records: list[dict[str, Any]]) -> None:
    """Whatever the writer's order of fields and unions, a record means the same in both formats."""
    texts = [
        json.dumps({**record, "motor": record["motor"] and {"temperature": record["motor"]["temperature"]}})
        for record in records
    ]
    rows = [RawMessage(0, offset, text.encode(), 0) for offset, text in enumerate(texts)]
    wanted = JsonDecoder(SCHEMA).decode(messages_of("topic", rows)).batch
    found = decode(SCHEMA, Schemas(WRITER), *(avro(WRITER, record) for record in records))
    assert not found.dead_letters
    assert found.batch.numbers.tobytes() == wanted.numbers.tobytes()
    for name in ("categories", "texts", "entities", "times", "offsets", "partitions"):
        assert getattr(found.batch, name).tolist() == getattr(wanted, name).tolist(), name


def test_numbers_of_every_type() -> None:
    """Ints, longs, floats, doubles and decimals are numbers; NaN is a missing one."""
    assert numbers("int", 0, -1, 2**31 - 1) == [0, -1, 2.0**31]
    assert numbers("long", -(2**63), 2**63 - 1) == [-(2.0**63), 2.0**63]
    assert numbers("float", 1.5) == numbers("double", 1.5) == [1.5]
    assert np.isnan(numbers("double", float("nan"))).all()
    decimal = {"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": 2}
    assert numbers(decimal, Decimal("12.25"), Decimal("-0.5"), Decimal("-327.68"), Decimal(10**20)) == [
        12.25, -0.5, np.float32(-327.68), np.float32(1e20)
    ]  # fmt: skip
    fixed = {"type": "fixed", "name": "F", "size": 4, "logicalType": "decimal", "precision": 8, "scale": 1}
    assert numbers(fixed, Decimal("-1.5")) == [-1.5]


def test_times_keep_the_unit_their_schema_names() -> None:
    """A logical type says what a number counts; its size need not tell."""
    schema = RecordSchema.model_validate({"time": "at", "features": {"P": "numeric"}})
    moment = datetime(1970, 1, 2, 3, 4, 5, 6000, tzinfo=UTC)
    for unit, kind in (("millis", "long"), ("micros", "long")):
        writer = field({"type": kind, "logicalType": f"timestamp-{unit}"}, "at")
        assert decode(schema, Schemas(writer), avro(writer, {"at": moment})).batch.time(0) == moment
    days = field({"type": "int", "logicalType": "date"}, "at")
    assert decode(schema, Schemas(days), avro(days, {"at": date(1970, 1, 3)})).batch.time(0).day == 3
    mixed = field(["string", {"type": "long", "logicalType": "timestamp-millis"}], "at")
    found = decode(schema, Schemas(mixed), avro(mixed, {"at": moment}), avro(mixed, {"at": "2026-01-01"})).batch
    assert (found.time(0), found.time(1).year) == (moment, 2026)
    far = decode(schema, Schemas(days), b"\0\0\0\0\0\xff\xff\xff\xff\x0f")
    assert "is not a time" in far.dead_letters[0].reason


def test_each_message_is_read_by_its_writers_schema() -> None:
    """Fields added, dropped, reordered and widened between versions: what a version lacks is missing."""
    schema = RecordSchema.model_validate({"entity": "rig", "features": {"P": "numeric", "mode": "category"}})
    mode = {"type": "enum", "name": "Mode", "symbols": ["AUTO", "MANUAL"]}
    later = {"type": "enum", "name": "Mode", "symbols": ["OFF", "AUTO", "MANUAL"]}
    first = {"type": "record", "name": "R", "fields": [{"name": "rig", "type": "string"}, {"name": "P", "type": "int"}]}
    second = {
        "type": "record",
        "name": "R",
        "fields": [
            {"name": "mode", "type": mode},
            {"name": "P", "type": "double"},
            {"name": "rig", "type": "string"},
        ],
    }
    third = {
        "type": "record",
        "name": "R",
        "fields": [{"name": "rig", "type": "string"}, {"name": "mode", "type": later}],
    }
    found = decode(
        schema,
        Schemas(first, second, third),
        avro(second, {"mode": "AUTO", "P": 1.5, "rig": "a"}, 1),
        avro(first, {"rig": "b", "P": 2}, 0),
        avro(third, {"rig": "c", "mode": "AUTO"}, 2),
    ).batch
    assert found.entities.tolist() == ["a", "b", "c"]
    assert [found.values(row) for row in range(3)] == [
        {"P": 1.5, "mode": "AUTO"},
        {"P": 2.0, "mode": None},
        {"P": None, "mode": "AUTO"},
    ]


def test_types_that_contain_themselves_are_passed_over() -> None:
    """What the monitor does not name is skipped, however it is nested, also in blocks that say their size."""
    tree = {
        "type": "record",
        "name": "Tree",
        "fields": [{"name": "children", "type": {"type": "array", "items": "Tree"}}, {"name": "leaf", "type": "int"}],
    }
    writer = {
        "type": "record",
        "name": "R",
        "fields": [{"name": "tree", "type": tree}, {"name": "again", "type": "Tree"}, {"name": "P", "type": "double"}],
    }
    schema = RecordSchema.model_validate({"features": {"P": "numeric"}})
    leaf: dict[str, Any] = {"children": [], "leaf": 1}
    grown = {"children": [leaf, {"children": [leaf, leaf], "leaf": 2}], "leaf": 3}
    message = avro(writer, {"tree": grown, "again": leaf, "P": 4.5})
    assert decode(schema, Schemas(writer), message).batch.numbers.tolist() == [[4.5]]
    sized = field({"type": "array", "items": "int"}, "skipped")
    sized["fields"].append({"name": "P", "type": "float"})
    blocks = b"\0\0\0\0\0" + b"\x03\x04\x02\x04" + b"\0" + struct.pack("<f", 2.5)
    assert decode(schema, Schemas(sized), blocks).batch.numbers.tolist() == [[2.5]]
    deep = b"\0\0\0\0\0" + b"\x02" * 200
    assert "nested too deeply" in decode(schema, Schemas(writer), deep).dead_letters[0].reason
    hostile = b"\0\0\0\0\0" + b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01" + b"\0"
    nothing = field({"type": "array", "items": "null"}, "skipped")
    assert "cannot be" in decode(schema, Schemas(nothing), hostile).dead_letters[0].reason


def deep(levels: int) -> Any:
    """A type nested so deep."""
    kind: Any = "int"
    for _ in range(levels):
        kind = {"type": "array", "items": kind}
    return kind


SOUND = avro(field("double"), {"P": 1.0})


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (None, "a tombstone"),
        (b"", "an empty message"),
        (b'{"P": 1}', "not Avro as a schema registry frames it: it looks like JSON"),
        (b"\0\0\0", "begins with 00 00 00"),
        (gzip.compress(SOUND, mtime=0), "compressed with gzip"),
        (b"\0\0\0\0\x06\0", "Avro schema 6 is nested too deeply"),
        (b"\0\0\0\0\x07\0", "Avro schema 7 is not a valid Avro schema"),
        (b"\0\0\0\0\x63" + bytes(8), "no Avro schema 99"),
        (SOUND[:-1], "not a record of Avro schema 0: the message ends before its record does"),
        (SOUND + b"\0", "bytes are left over"),
        (avro(field("double"), {"P": 1e300}), "infinite, or too large"),
        (avro(field("string"), {"P": "high"}, 1), "field 'P' is text, a number belongs there"),
        (avro(field(["null", "double"]), {"P": None}, 2)[:5] + b"\x06", "a branch of a union"),
        (b"\0\0\0\0\x03", "Avro schema 3 describes text, not a record"),
        (b"\0\0\0\0\x04", "Avro schema 4 is not a valid Avro schema"),
        (avro(field({"type": "array", "items": "int"}), {"P": [1]}, 5), "field 'P' is a list, a number belongs there"),
    ],
)
def test_bad_messages_become_dead_letters_with_a_reason(message: bytes | None, reason: str) -> None:
    """A bad message harms no neighbour, is kept whole, and says what is wrong with it."""
    schema = RecordSchema.model_validate({"features": {"P": "numeric"}})
    writers = [field("double"), field("string"), field(["null", "double"]), "string", {"type": "nonsense"}]
    writers += [field({"type": "array", "items": "int"}), field(deep(3_000), "other"), {"type": "record", "fields": 7}]
    decoded = decode(schema, Schemas(*writers), SOUND, message, SOUND)
    assert decoded.batch.numbers.tolist() == [[1.0], [1.0]]
    (letter,) = decoded.dead_letters
    assert letter.position.offset == 1
    assert letter.payload == (message or b"")
    assert reason in letter.reason


@given(st.binary(max_size=60))
def test_any_bytes_end_as_a_row_or_a_dead_letter(body: bytes) -> None:
    """Noise behind a sound frame is never read beyond its end, and never raises."""
    decoded = decode(SCHEMA, Schemas(WRITER), b"\0\0\0\0\0" + body)
    assert len(decoded.batch) + len(decoded.dead_letters) == 1


def test_a_value_that_its_feature_cannot_have_is_passed_over() -> None:
    """Of any type, in a union's branch too, and where an object is expected; what stands behind it is read."""
    schema = RecordSchema.model_validate(
        {"entity": "rig", "features": {"P": "numeric", "V": {"type": "numeric", "path": "in.v"}, "Q": "numeric"}}
    )
    strange: list[Any] = ["string", {"type": "array", "items": "int"}, {"type": "map", "values": "string"}]
    strange.append({"type": "record", "name": "Part", "fields": [{"name": "x", "type": "int"}]})
    values = ["high", [1, 2], {"a": "b"}, {"x": 3}]
    inner = {"type": "record", "name": "Inner", "fields": [{"name": "v", "type": "double"}]}
    for kind, value in zip(strange, values, strict=True):
        fields = [("rig", "string"), ("P", ["null", "double", kind]), ("in", kind if kind == "string" else inner)]
        writer = {
            "type": "record",
            "name": "R",
            "fields": [{"name": name, "type": of} for name, of in (*fields, ("Q", "double"))],
        }
        within: Any = "none" if kind == "string" else {"v": 5.0}
        messages = [avro(writer, {"rig": "a", "P": each, "in": within, "Q": 7.0}) for each in (1.5, value, None)]
        decoded = decode(schema, Schemas(writer), *messages)
        v = None if kind == "string" else 5.0
        assert [decoded.batch.values(row) for row in range(3)] == [
            {"P": p, "V": v, "Q": 7.0} for p in (1.5, None, None)
        ]
        found = [(each.position.offset, each.feature) for each in decoded.unread]
        assert sorted(found) == sorted([(1, "P"), *((row, "V") for row in range(3) if kind == "string")])
        assert all("belongs there" in each.reason for each in decoded.unread)


def test_text_that_is_not_utf8_is_refused() -> None:
    """In an entity's name as in a category."""
    writer = field("string", "rig")
    schema = RecordSchema.model_validate({"entity": "rig", "features": {"P": "numeric"}})
    decoded = decode(schema, Schemas(writer), b"\0\0\0\0\0\x02\xff", avro(writer, {"rig": "a"}))
    assert decoded.batch.entities.tolist() == ["a"]
    assert "entity field 'rig' is not UTF-8 text" in decoded.dead_letters[0].reason
