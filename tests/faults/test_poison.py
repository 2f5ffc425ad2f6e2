"""Messages that are no records, and records that break the model: each becomes a dead letter, alone and with its reason."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.scene import Scene
from tests.faults.workload import record
from tests.streams.decoding.test_avro_decoding import avro
from tests.streams.registry_server import RegistryServer

BUNDLE = "gain-1.0"
BATCH = 50
MILLION = 1_000_000
POISON: list[tuple[bytes | None, str]] = [
    (b'{"at": 1700000000, "rig": "rig-1", "a": 0.5, "numb', "not valid JSON"),
    (b'{"at": 1700000000, "rig": "rig-1", "a": NaN, "number": 1}', "field 'a' is NaN"),
    (b"x" * MILLION, "not valid JSON"),
    (None, "a tombstone"),
    (b'{"at": 1700000000, "rig": "rig-1", "a": "half", "number": 1}', "field 'a' is text"),
    (b'{"at": 1700000000, "rig": "rig-1", "a": [1], "number": {}}', "field 'a' is a list"),
    (record(1, a=-1), "the model could not score it"),
    (b"\x00\x00\x00\x00\x07\x02", "not valid JSON"),
    (b"", "an empty message"),
    (b"[]", "a record is a JSON object"),
]
READING = {"at": 1_700_000_000, "rig": "rig-1", "a": 0.5, "number": 1.0}
WRITER = {
    "type": "record",
    "name": "Reading",
    "fields": [
        {"name": "at", "type": "long"},
        {"name": "rig", "type": "string"},
        {"name": "a", "type": "double"},
        {"name": "number", "type": "double"},
    ],
}


def verify(scene: Scene, poisoned: dict[tuple[int, int], str], **settings: Any) -> None:
    """Score everything in batches of BATCH: exactly the poisoned messages are dead letters, each for its reason."""
    scene.start(records=BATCH, **settings)
    account = scene.settle(same_as_undisturbed=BUNDLE)
    assert account.dead == poisoned.keys()
    reasons = {(p, o): reason for p, o, reason in scene.ask('SELECT "partition", "offset", reason FROM dead_letters')}
    assert all(reasons[place].startswith(why) for place, why in poisoned.items()), reasons


def test_every_kind_of_poison_harms_no_neighbour(scene: Scene) -> None:
    """Truncated, NaN, a megabyte of nothing, tombstones, wrong types, what breaks the model: each alone among records."""
    messages: list[tuple[int, bytes | None]] = [(0, record(number)) for number in range(5 * len(POISON))]
    messages[::5] = [(0, payload) for payload, _ in POISON]
    places = scene.send(messages)
    verify(scene, {place: why for place, (_, why) in zip(places[::5], POISON, strict=True)})


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_avro_by_a_schema_that_is_not_its_own(scene: Scene) -> None:
    """Ids the registry does not know, has for another kind of schema or for another record, and broken frames: each
    alone among records; while the registry is away nothing is decided."""
    poison = [
        (avro(WRITER, READING, 99), "schema 99"),
        (avro(WRITER, READING, 8), "schema 8"),
        (avro(WRITER, READING, 9), "bytes are left over behind its record"),
        (avro(WRITER, READING, 7)[:-1], "the message ends before its record does"),
        (b'{"at": 1700000000}', "not Avro as a schema registry frames it"),
        (None, "a tombstone"),
    ]
    messages: list[tuple[int, bytes | None]] = [
        (0, avro(WRITER, {**READING, "at": READING["at"] + number}, 7)) for number in range(5 * len(poison))
    ]
    messages[::5] = [(0, payload) for payload, _ in poison]
    with RegistryServer().running() as registry:
        registry.failing = 3
        registry.register(7, WRITER)
        registry.register(8, "message Reading {}", kind="PROTOBUF")
        registry.register(9, {"type": "record", "name": "Other", "fields": [{"name": "x", "type": "double"}]})
        places = scene.send(messages)
        scene.start(records=BATCH, registry=registry.url)
        account = scene.settle()
    assert account.dead == set(places[::5])
    reasons = {(p, o): reason for p, o, reason in scene.ask('SELECT "partition", "offset", reason FROM dead_letters')}
    assert all(why in reasons[place] for place, (_, why) in zip(places[::5], poison, strict=True)), reasons


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_batch_is_bisected_to_its_bad_records(scene: Scene) -> None:
    """Records that break the model for their whole batch, at its first and last place, and a batch of nothing else."""
    bad = {0, BATCH - 1, *range(2 * BATCH, 3 * BATCH), 4 * BATCH}
    places = scene.send((0, record(number, a=-1) if number in bad else record(number)) for number in range(6 * BATCH))
    verify(scene, {places[number]: "the model could not score it" for number in bad})


def test_a_record_larger_than_a_fetch_is_scored(
    stage: Callable[..., Scene], kafka_address: str, topic: Callable[..., str], postgres_url: str
) -> None:
    """A good record of a megabyte, and one larger than a whole fetch may be, are records like any other."""
    scene = stage(kafka_address, topic(partitions=1, max_message_bytes="8000000"), postgres_url)
    sizes = {7: MILLION, 13: 6 * MILLION}
    messages = [(0, record(number, note="n" * sizes.get(number, 1))) for number in range(BATCH)]
    scene.send(messages, max_request_size=8_000_000)
    verify(scene, {})


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_stream_of_nothing_else_stops_the_scorer(scene: Scene) -> None:
    """Above the ratio the scorer ends with its reason in the audit table, and dead-letters no stream; nothing is lost."""
    scene.send((0, record(number)) for number in range(BATCH))
    places = scene.send((0, b'{"another": "stream"}') for _ in range(8 * BATCH))
    assert scene.start(records=BATCH).wait(timeout=120) == 4, scene.logs()
    ((kind, message),) = scene.ask("SELECT kind, message FROM audit")
    assert kind == "stream_refused"
    assert "could not be read as records" in message
    account = scene.account()
    position = scene.positions()[0]
    assert len(account.scored) == BATCH
    assert not account.strangers | account.both
    assert account.missing == {place for place in places if place[1] >= position}
    assert len(account.dead) <= 2 * BATCH
