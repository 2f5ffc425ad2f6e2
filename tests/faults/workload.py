"""Records with sequence numbers, some of them broken, and the monitor that reads them."""

import json
from collections.abc import Sequence
from typing import Any

from kafka import KafkaProducer

from domain.monitor import Monitor, parse_monitor
from streams.testing import FakeDetector

PARTITIONS = 4
RIGS = 11
EVERY_BROKEN = 97
MONITOR = """
name: faults
source: {kafka: {topic: %s, group: %s}}
record: {time: at, entity: rig, features: {a: numeric, number: numeric}}
alert: {group_gap: 1h}
"""


def monitor(topic: str) -> Monitor:
    """The monitor of a topic."""
    return parse_monitor(MONITOR % (topic, f"group-{topic}"))


def detector(bundle: str) -> FakeDetector:
    """The detector of a bundle named `gain-<number>`; it flags every record, so that every one leaves a row."""
    return FakeDetector(monitor("any").record, bundle, gain=float(bundle.removeprefix("gain-")), threshold=-1.0)


def message(number: int) -> bytes | None:
    """The message of a sequence number: a record, and now and then something that is none."""
    if number % EVERY_BROKEN == 5:
        return [b"{", b"[]", b'{"at": "soon"}', None][number // EVERY_BROKEN % 4]
    rig = number % RIGS
    return json.dumps(
        {"at": 1_700_000_000 + number, "rig": f"rig-{rig}", "a": number % 17 / 10, "number": rig}
    ).encode()


def produce(servers: str, topic: str, numbers: Sequence[int], **options: Any) -> None:
    """Send the messages of some numbers, a rig always to the same partition, and wait until the broker has them."""
    producer = KafkaProducer(bootstrap_servers=servers, **{"linger_ms": 5, **options})
    sent = [
        producer.send(topic, message(number), key=str(number % RIGS).encode(), partition=number % RIGS % PARTITIONS)
        for number in numbers
    ]
    for each in sent:
        each.get(timeout=60)
    producer.close()
