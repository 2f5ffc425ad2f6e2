"""The loop over each Kafka client and a real broker: what a crash and a second member do to the accounts."""

from collections.abc import Callable
from uuid import uuid4

import pytest

from latentwatch.domain.clock import SystemClock
from latentwatch.streams.kafka.access import Client, KafkaAccess
from latentwatch.streams.scorer import Scorer
from latentwatch.streams.sources.opening import open_member
from tests.services.test_kafka_source import fill
from tests.streams.contract import PATIENCE_SECONDS
from tests.streams.stage import Stage

COUNT = 3_000


class Crash(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("client", ["kafka-python", "confluent"])
@pytest.mark.parametrize("step", ["polled", "before commit", "committed"])
def test_a_crash_neither_loses_nor_doubles(
    kafka_address: str, topic: Callable[..., str], client: Client, step: str
) -> None:
    """A scorer dies in the middle and leaves its group without a word of its positions; the next one goes on."""
    name, stage = topic(partitions=2), Stage()
    for partition in range(2):
        fill(kafka_address, name, COUNT // 2, partition, linger_ms=20)
    place, clock, group = stage.monitor.source.kafka, SystemClock(), f"test-{uuid4().hex[:8]}"
    assert place is not None
    deadline, crash_at = clock.monotonic() + 2 * PATIENCE_SECONDS, 1

    def watch(reached: str) -> None:
        if crash_at and reached == step and stage.accounted() >= COUNT // 4:
            raise Crash
        if stage.accounted() == COUNT or clock.monotonic() > deadline:
            stage.stop.set()

    def scorer() -> Scorer:
        member = open_member(place.model_copy(update={"topic": name}), KafkaAccess(kafka_address), group, client, clock)
        return stage.scorer(source=member, records=100, clock=clock, reach=watch)

    with pytest.raises(Crash):
        scorer().run(stage.stop)
    crash_at = 0
    assert COUNT // 4 <= stage.accounted() < COUNT
    scorer().run(stage.stop)
    assert stage.accounted() == COUNT
    assert {partition: end for (_, partition), end in stage.store.offsets.items()} == {0: COUNT // 2, 1: COUNT // 2}
    assert stage.store.dead_letters == {}
