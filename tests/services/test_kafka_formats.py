"""Every message format from a real topic, as a monitor's file names it: through `open_source`, to the same batch."""

import json
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from kafka import KafkaProducer

from latentwatch.domain.clock import SystemClock
from latentwatch.domain.monitor import parse_monitor
from latentwatch.domain.record import Batch, Decoded, concatenate, decoded_together
from latentwatch.guessing import guess_monitor
from latentwatch.history import read_history
from latentwatch.streams.decoding.registry_access import RegistryAccess
from latentwatch.streams.kafka.access import Client, KafkaAccess
from latentwatch.streams.sources.array_source import STRIDE
from latentwatch.streams.sources.opening import open_source
from tests.latentwatch.test_shapes import lines
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


@pytest.mark.parametrize("shape", ["telegraf", "batch", "debezium", "senml", "otlp"])
def test_shapes_of_collectors(kafka_address: str, topic: Callable[..., str], shape: str, tmp_path: Path) -> None:
    """The monitor that `init` writes for a topic reads from it what it reads from the file, and every message is accounted for."""
    name, sample, messages = topic(), tmp_path / "sample.jsonl", lines(shape)
    producer = KafkaProducer(bootstrap_servers=kafka_address, linger_ms=50)
    for message in messages:
        producer.send(name, message, partition=0)
    producer.close()
    sample.write_bytes(b"\n".join(messages))
    monitor = parse_monitor(guess_monitor(str(sample), name="shapes", topic=name).yaml("sample"))
    history = read_history(monitor.record, [str(sample)])
    source, decode_as = open_source(monitor, SystemClock(), Event(), kafka=KafkaAccess(kafka_address))
    decoder, decoded, polled = decode_as(monitor.record), list[Decoded](), 0
    try:
        await_partitions(source)
        source.seek(0, 0)
        deadline = SystemClock().monotonic() + PATIENCE_SECONDS
        while sum(len(each.batch) for each in decoded) < len(history) and SystemClock().monotonic() < deadline:
            read_now = source.poll(1_000, 0.5)
            polled += len(read_now)
            decoded.append(decoder.decode(read_now))
    finally:
        source.close()
    whole = decoded_together(decoded)
    assert len(whole) == polled
    assert not whole.dead_letters
    order = np.argsort(whole.batch.times, kind="stable")
    assert np.array_equal(whole.batch.numbers[order], history.numbers)
    assert set(whole.batch.entities) == set(history.entities)
