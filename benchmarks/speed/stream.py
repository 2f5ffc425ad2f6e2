"""The benchmark's stream: twenty coupled sensors of eight rigs, as JSON of about 330 bytes a record."""

from collections.abc import Iterator

import numpy as np
from confluent_kafka import Producer
from kafka.admin import KafkaAdminClient, NewTopic
from numpy.typing import NDArray

from latentwatch.domain.monitor import Monitor, parse_monitor
from latentwatch.domain.record import Batch, batch_from_columns

FIELDS = tuple(f"s{number:02d}" for number in range(20))
RIGS = 8
PARTITIONS = 4
START_SECONDS = 1_700_000_000
_BLOCK = 400_000
"""Records made at a time."""


def monitor(variant: str) -> Monitor:
    """The monitor of a variant: `light` scores each record on its own, `default` is what a user gets who chooses nothing."""
    extra = "window: 1\nmodel: {effort: light}\n" if variant == "light" else ""
    features = ", ".join(f"{name}: numeric" for name in FIELDS)
    return parse_monitor(
        f"name: speed-{variant}\nsource: {{kafka: {{topic: speed}}}}\n{extra}"
        f"record: {{time: time, entity: id, features: {{{features}}}}}\nalert: {{false_alarm_rate: 0.01}}\n"
    )


def readings(count: int, seed: int) -> NDArray[np.float64]:
    """[count, 20] sensor values, rig after rig at each second: five slow hidden causes and noise."""
    random = np.random.default_rng(seed)
    causes_of = np.random.default_rng(1).normal(size=(5, len(FIELDS)))
    steps = -(-count // RIGS)
    causes = np.empty((steps, RIGS, 5))
    state = np.zeros((RIGS, 5))
    for step in range(steps):
        state = 0.95 * state + 0.3 * random.normal(size=state.shape)
        causes[step] = state
    values = causes @ causes_of + 0.3 * random.normal(size=(steps, RIGS, len(FIELDS)))
    return np.asarray(values.reshape(-1, len(FIELDS))[:count])


def sample(variant: str, count: int, seed: int = 7) -> Batch:
    """Records such as the topic's, as a batch."""
    values, places = readings(count, seed), np.arange(count)
    return batch_from_columns(
        monitor(variant).record,
        {name: values[:, column] for column, name in enumerate(FIELDS)},
        entities=[f"rig-{place % RIGS}" for place in places],
        times=(START_SECONDS + places // RIGS) * 1_000_000,
    )


def payloads(count: int, seed: int = 7) -> Iterator[tuple[int, bytes]]:
    """(partition, message) of each record; a rig always goes to the same partition."""
    form = '{"id":"rig-%d","time":%d,' + ",".join(f'"{name}":%.5f' for name in FIELDS) + "}"
    for block, start in enumerate(range(0, count, _BLOCK)):
        rows = readings(min(_BLOCK, count - start), seed + block).tolist()
        for place, row in enumerate(rows, start):
            rig, milliseconds = place % RIGS, (START_SECONDS + place // RIGS) * 1_000
            yield rig % PARTITIONS, (form % (rig, milliseconds, *row)).encode()


def create_topic(servers: str, topic: str) -> None:
    """An empty topic."""
    admin = KafkaAdminClient(bootstrap_servers=servers)
    admin.create_topics([NewTopic(topic, num_partitions=PARTITIONS, replication_factor=1)])
    admin.close()


def fill(servers: str, topic: str, count: int) -> int:
    """Fill a topic; mean bytes a record."""
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 50, "batch.size": 1 << 18})
    size = 0
    for partition, message in payloads(count):
        while True:
            try:
                producer.produce(topic, message, partition=partition)
                break
            except BufferError:  # as many are on their way as the client holds
                producer.poll(0.05)
        size += len(message)
    producer.flush()
    return size // count
