"""Messages that are no records, and records that break the model: each becomes a dead letter, alone and with its reason."""

import gzip
from collections.abc import Callable
from random import Random
from string import ascii_letters
from typing import Any

import pytest

from tests.faults.scene import Scene
from tests.faults.workload import NESTED, PARTITIONS, record
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
    (b'{"at": 1700000000, "rig": "rig-1", "a": "half", "number": "x"}', "field 'a' is text"),
    (b'{"at": 1700000000, "rig": "rig-1", "a": [1], "number": {}}', "field 'a' is a list"),
    (record(1, a=-1), "the model could not score it"),
    (b"\x00\x00\x00\x00\x07\x02", "not valid JSON"),
    (b"", "an empty message"),
    (b"[]", "a record is a JSON object"),
]
READING = {"at": 1_700_000_000, "rig": "rig-1", "a": 0.5, "number": 1.0}
DEEP = '{"type": "array", "items": ' * 3_000 + '"int"' + "}" * 3_000
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


def with_motor(number: int, motor: bytes, **fields: Any) -> bytes:
    """The record of a number, with any bytes where its nested object belongs."""
    return record(number, motor="here", **fields).replace(b'"here"', motor)


def test_messages_that_no_restart_could_pass(scene: Scene) -> None:
    """Numbers, text and keys where a nested object belongs, times and encodings that ended every scorer at their offset
    pass a live scorer, and the next one; what can be read among them is scored."""
    usual = b'{"pressure": 0.5}'
    name = "".join(Random(7).choices(ascii_letters, k=9_000)).encode()  # beyond what an index of PostgreSQL can hold
    poison = [
        (with_motor(1, b'{"pressure": ' * 3_000 + b"1" + b"}" * 3_000), "not valid JSON: nested too deeply"),
        (with_motor(1, b'"\0"'), "not valid JSON"),
        (with_motor(1, usual, at="9" * 5_000), "time field 'at' is not a time"),
        (with_motor(1, usual, at=60), "time field 'at' is 1970-01-01T00:01:00+00:00, as of a clock that was never set"),
        (gzip.compress(with_motor(1, usual)), "not valid JSON: compressed with gzip"),
        (b"\xef\xbb\xbf" + with_motor(1, usual), "not valid JSON: text behind a byte order mark"),
        (with_motor(1, usual).decode().encode("utf-16"), "not valid JSON: text in UTF-16"),
    ]
    unread = [with_motor(1, motor) for motor in (b"1e999", b'"\xff\xfe"', b'{"\xff": 1, "pressure": "q"}')]
    unread.append(with_motor(1, b'{"\xff": 1, "pressure": []}'))
    longest = with_motor(1, usual).replace(b"rig-1", name)
    sound = [
        *unread,
        longest,
        b"\0\0\0\0\7" + with_motor(1, usual),
        with_motor(1, b"{}", more="x"),
        with_motor(2, usual),
    ]
    first = scene.start(records=BATCH, features=NESTED)
    scene.wait_to_read("partition taken up", first)
    for turn in range(2):
        before = scene.produced
        places = scene.send((number % PARTITIONS, payload) for number, (payload, _) in enumerate(poison))
        kept = scene.send((number % PARTITIONS, sound[number % len(sound)]) for number in range(BATCH))
        scene.wait_for(scene.produced)
        reasons = {(p, o): why for p, o, why in scene.ask('SELECT "partition", "offset", reason FROM dead_letters')}
        wanted = {place: why for place, (_, why) in zip(places, poison, strict=True)}
        other = {why: reasons.get(place) for place, why in wanted.items() if not reasons.get(place, "").startswith(why)}
        assert not other
        assert not reasons.keys() & set(kept)
        assert len(reasons) == len(poison) * (turn + 1)
        assert scene.produced - before == len(poison) + BATCH
        if turn == 0:
            assert scene.stop(first) == 0
            scene.start(records=BATCH, features=NESTED)
    scene.settle()
    told = scene.ask("SELECT field, sum(messages) FROM unread_values GROUP BY field")
    assert [(field, int(count)) for field, count in told] == [("a", 2 * sum(n % len(sound) < 4 for n in range(BATCH)))]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_avro_by_a_schema_that_is_not_its_own(scene: Scene) -> None:
    """Ids the registry does not know, has for another kind of schema or for another record, and broken frames: each
    alone among records; while the registry is away nothing is decided."""
    poison = [
        (avro(WRITER, READING, 99), "schema 99"),
        (avro(WRITER, READING, 8), "schema 8"),
        (avro(WRITER, READING, 9), "bytes are left over behind its record"),
        (b"\0\0\0\0\x0a\2\2\0\0", "schema 10 of the registry is nested too deeply"),
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
        registry.register(10, DEEP)
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
