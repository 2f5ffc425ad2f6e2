"""Records of one kind among others, and entities of several fields: alike in every format, and every message accounted for."""

import json
from typing import Any

import pytest

from latentwatch.domain.record import RawMessage
from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.decoding.formats import decoder_for
from latentwatch.streams.decoding.sound_decoding import decode_sound
from latentwatch.streams.ports import Messages, messages_of
from latentwatch.streams.testing import FakeBundles, FakeDetector
from tests.streams.stage import START, Stage
from tests.streams.test_scorer import Bomb, Crash

_SCHEMA = RecordSchema.model_validate(
    {"time": "at", "entity": ["host", "cpu"], "where": {"name": ["cpu", "gpu"]}, "features": {"idle": "numeric"}}
)
_HEADER = ("at", "name", "host", "cpu", "idle")
_ROWS = [
    (1_700_000_001, "cpu", "a", "0", "5"),
    (1_700_000_002, "mem", "a", "", "x"),
    (1_700_000_003, "gpu", "a|b", "1", "6"),
    (1_700_000_004, "cpu", "a", "", "7"),
    (1_700_000_005, "mem", "", "", ""),
]


def _messages(rows: list[bytes | None]) -> Messages:
    return messages_of("topic", [RawMessage(0, offset, value, 0) for offset, value in enumerate(rows)])


@pytest.mark.parametrize("form", ["json", "csv"])
def test_other_kinds_are_passed_over_and_parts_of_a_name_belong_together(form: str):
    """What `where` does not mean is no dead letter, whatever it lacks; an entity that lacks a part of its name is one."""
    rows: list[bytes | None] = [
        ";".join(map(str, row)).encode()
        if form == "csv"
        else json.dumps({key: cell for key, cell in zip(_HEADER, row, strict=True) if cell != ""}).encode()
        for row in _ROWS
    ]
    decoder = decoder_for(_SCHEMA, form, header=_HEADER, delimiter=";")
    decoded = decode_sound(decoder, _messages([*rows, None]))
    assert decoded.batch.schema == _SCHEMA
    assert decoded.batch.offsets.tolist() == [0, 2]
    assert decoded.batch.entities.tolist() == ["a | 0", "a||b | 1"]
    assert decoded.batch.numbers[:, 0].tolist() == [5.0, 6.0]
    assert [(letter.position.offset, letter.reason) for letter in decoded.dead_letters] == [
        (3, "entity field 'cpu' is missing")
    ]
    assert decoded.passed.offsets.tolist() == [1, 4, 5]


def test_what_cannot_be_read_is_a_dead_letter_whatever_where_says():
    """Bytes that are no record say nothing of their kind."""
    decoded = decoder_for(_SCHEMA, "json").decode(_messages([b"{", b'{"name": "mem"}', b'{"name": "cpu"}']))
    assert [letter.position.offset for letter in decoded.dead_letters] == [0, 2]
    assert decoded.passed.offsets.tolist() == [1]


def test_every_message_is_scored_dead_or_passed_over_once():
    """Also where messages are read again to rebuild the context after a crash."""
    stage = Stage()
    stage.monitor = stage.monitor.model_copy(
        update={
            "record": RecordSchema.model_validate(
                {**stage.monitor.record.model_dump(), "entity": ["rig", "side"], "where": {"side": ["l", "r"]}}
            )
        }
    )
    stage.bundles = FakeBundles(FakeDetector(stage.monitor.record, "first"))
    for number in range(300):
        fields = {"at": START + number, "rig": "x", "side": "lmr"[number % 3], "a": 1.0, "b": 0.5}
        stage.broker.produce(json.dumps(fields).encode() if number % 60 else b"{", 0)
    settings: dict[str, Any] = {"decoder": decoder_for(stage.monitor.record, "json"), "records": 16}
    first = stage.scorer(reach=Bomb("committed", 4), snapshot_seconds=1e9, **settings)
    with pytest.raises(Crash):
        first.run(stage.stop)
    second = stage.run(**settings)
    passed = first.totals.passed + second.totals.passed
    reread = second.metrics.registry.get_sample_value("latentwatch_reread_records_total", {"monitor": "pump"})
    assert reread
    assert stage.accounted() + passed == stage.produced() == 300
    assert passed == 100


def test_a_monitor_says_it_back():
    """Conditions and lists survive being written; what says nothing is not written; they are part of the fingerprint."""
    assert RecordSchema.model_validate(_SCHEMA.model_dump(mode="json")) == _SCHEMA
    bare = RecordSchema.model_validate({"features": {"a": "numeric"}})
    assert set(bare.model_dump()) == {"time", "entity", "features", "timezone"}
    other = RecordSchema.model_validate({**_SCHEMA.model_dump(), "where": {"name": "cpu"}})
    assert other.fingerprint() != _SCHEMA.fingerprint()
    assert "where is" in _SCHEMA.compared_with(other).changed[0]
