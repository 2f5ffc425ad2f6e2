"""Every message format from a real topic, as a monitor's file names it: through `open_source`, to the same batch."""

import json
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from kafka import KafkaProducer

from latentwatch.domain.clock import SystemClock
from latentwatch.domain.monitor import parse_monitor
from latentwatch.domain.record import Batch, concatenate
from latentwatch.streams.decoding.registry_access import RegistryAccess
from latentwatch.streams.kafka.access import Client, KafkaAccess
from latentwatch.streams.sources.array_source import STRIDE
from latentwatch.streams.sources.opening import open_source
from tests.streams.contract import PATIENCE_SECONDS, await_partitions, read
from tests.streams.decoding.test_avro_decoding import avro
from tests.streams.registry_server import RegistryServer

COUNT = 200
WRITER = {
    "type": "record",
    "name": "Reading",
    "fields": [
        {"name": "rig", "type": "string"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "motor", "type": {"type": "record", "name": "Motor", "fields": [{"name": "a", "type": "double"}]}},
        {"name": "b", "type": ["null", "float"]},
    ],
}


def reading(number: int) -> dict[str, Any]:
    """A record; every seventh lacks a value."""
    return {
        "rig": f"rig-{number % 3}",
        "at": 1_700_000_000_000 + number * 1_000,
        "motor": {"a": number / 8},
        "b": None if number % 7 == 0 else number / 4,
    }


def as_csv(record: dict[str, Any]) -> bytes:
    """A line, its columns in an order of the sender's."""
    b = "" if record["b"] is None else record["b"]
    return f"x;{b};{record['motor']['a']};{record['rig']};{record['at']}".encode()


FORMATS: dict[str, tuple[str, Callable[[dict[str, Any]], bytes]]] = {
    "json": ("format: json", lambda record: json.dumps(record).encode()),
    "avro": ("format: avro", lambda record: avro(WRITER, record, 7)),
    "csv": ("format: csv, header: [extra, b, a, rig, at], delimiter: ;", as_csv),
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("client", ["kafka-python", "confluent"])
def test_a_monitor_reads_its_format(kafka_address: str, topic: Callable[..., str], form: str, client: Client) -> None:
    """JSON with nested paths, Avro with a registry and CSV with a header give the same batch with either client."""
    name, (words, write) = topic(), FORMATS[form]
    producer = KafkaProducer(bootstrap_servers=kafka_address, linger_ms=50)
    for number in range(COUNT):
        producer.send(name, write(reading(number)), partition=0)
    producer.close()
    monitor = parse_monitor(
        f"name: {name.replace('.', '-')}\nsource: {{kafka: {{topic: {name}, {words}}}}}\n"
        "record: {time: at, entity: rig, features: {a: {type: numeric, path: motor.a}, b: numeric}}\n"
    )
    with RegistryServer(user="watch", password="secret").running() as registry:
        registry.register(7, WRITER)
        source, decode_as = open_source(
            monitor,
            SystemClock(),
            Event(),
            kafka=KafkaAccess(kafka_address),
            registry=RegistryAccess(registry.url, user="watch", password="secret"),
            client=client,
            patience_seconds=PATIENCE_SECONDS,
        )
        decoder = decode_as(monitor.record)
        try:
            await_partitions(source)
            source.seek(0, 0)
            batches = list[Batch]()
            clock = SystemClock()
            deadline = clock.monotonic() + PATIENCE_SECONDS
            while sum(map(len, batches)) < COUNT and clock.monotonic() < deadline:
                decoded = decoder.decode(source.poll(1_000, 0.5))
                assert not decoded.dead_letters
                batches.append(decoded.batch)
        finally:
            source.close()
    batch = concatenate(batches)
    assert batch.offsets.tolist() == list(range(COUNT))
    assert batch.entities.tolist() == [reading(number)["rig"] for number in range(COUNT)]
    assert (batch.times // 1_000).tolist() == [reading(number)["at"] for number in range(COUNT)]
    wanted = [{"a": number / 8, "b": reading(number)["b"]} for number in range(COUNT)]
    assert [batch.values(row) for row in range(COUNT)] == wanted


@pytest.mark.parametrize("client", ["kafka-python", "confluent"])
def test_arrays_of_records(kafka_address: str, topic: Callable[..., str], client: Client) -> None:
    """Every record of a message is delivered at an offset of its own, and reading goes on in the middle of a message."""
    name = topic()
    producer = KafkaProducer(bootstrap_servers=kafka_address)
    for first in range(0, COUNT, 20):
        producer.send(name, json.dumps([reading(number) for number in range(first, first + 20)]).encode(), partition=0)
    producer.close()
    source_of = f"source: {{kafka: {{topic: {name}, arrays: true}}}}\n"
    monitor = parse_monitor(
        f"name: {name.replace('.', '-')}\n{source_of}record: {{time: at, entity: rig, features: {{b: numeric}}}}\n"
    )
    source, _ = open_source(monitor, SystemClock(), Event(), kafka=KafkaAccess(kafka_address), client=client)
    wanted = [(number // 20 + 1) * STRIDE - 20 + number % 20 for number in range(COUNT)]
    try:
        await_partitions(source)
        source.seek(0, 0)
        assert read(source, COUNT) == wanted
        source.seek(0, wanted[57])
        assert read(source, COUNT - 57) == wanted[57:]
    finally:
        source.close()
