"""Records with sequence numbers, some of them broken, and the monitor that reads them."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from kafka import KafkaProducer

from latentwatch.domain.monitor import Monitor, parse_monitor
from latentwatch.streams.testing import FakeDetector

PARTITIONS = 4
RIGS = 11
EVERY_BROKEN = 97
FLAT = "a: numeric, number: numeric"
NESTED = "a: {type: numeric, path: motor.pressure}, number: numeric"
MONITOR = """
name: faults
source: {kafka: {topic: %s, group: %s, on_retention_gap: %s, on_recreated: %s}}
record: {time: at, entity: rig, features: {%s}}
alert: {group_gap: 1h, after_step: keep}
"""
"""What a model finds strange decides what is asked about, and an undisturbed run here has one model: so nothing is asked."""


def monitor(
    topic: str, on_gap: str = "stop", on_recreated: str = "stop", group: str = "", features: str = FLAT
) -> Monitor:
    """The monitor of a topic, by default with a group of its own."""
    return parse_monitor(MONITOR % (topic, group or f"group-{topic}", on_gap, on_recreated, features))


def detector(bundle: str, features: str = FLAT) -> FakeDetector:
    """The detector of a bundle named `gain-<number>`; it flags every record, so that every one leaves a row."""
    return FakeDetector(
        monitor("any", features=features).record, bundle, gain=float(bundle.removeprefix("gain-")), threshold=-1.0
    )


def message(number: int) -> bytes | None:
    """The message of a sequence number: a record, and now and then something that is none."""
    if number % EVERY_BROKEN == 5:
        return [b"{", b"[]", b'{"at": "soon"}', None][number // EVERY_BROKEN % 4]
    return record(number)


def record(number: int, rig: int | None = None, **fields: Any) -> bytes:
    """The record of a sequence number, by default of the rig whose turn it is."""
    rig = number % RIGS if rig is None else rig
    usual = {"at": 1_700_000_000 + number, "rig": f"rig-{rig}", "a": number % 17 / 10, "number": rig}
    return json.dumps({**usual, **fields}).encode()


def produce(servers: str, topic: str, numbers: Sequence[int], **options: Any) -> None:
    """Send the messages of some numbers, a rig always to the same partition, and wait until the broker has them."""
    send(servers, topic, ((number % RIGS % PARTITIONS, message(number)) for number in numbers), **options)


def send(
    servers: str, topic: str, messages: Iterable[tuple[int, bytes | None]], **options: Any
) -> list[tuple[int, int]]:
    """Send messages to their partitions, in order, and wait until the broker has them; the partition and offset of each."""
    producer = KafkaProducer(bootstrap_servers=servers, **{"linger_ms": 5, **options})
    sent = [producer.send(topic, value, key=b"any", partition=partition) for partition, value in messages]
    places = [(one.partition, one.offset) for one in (each.get(timeout=60) for each in sent)]
    producer.close()
    return places
