"""Topics whose offsets do not follow one another: transactions, compaction, and retention that overtakes the scorer."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from kafka import KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient

from tests.faults.scene import Scene
from tests.faults.verifier import read_topic
from tests.faults.workload import message, record

BUNDLE = "gain-1.0"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_transactional_topic(scene: Scene) -> None:
    """Committed records have their outcome, aborted ones and markers have none, and a restart goes on between them."""
    producer = KafkaProducer(bootstrap_servers=scene.servers, transactional_id=f"tx-{uuid4().hex[:8]}")
    producer.init_transactions()

    def write(rounds: int) -> None:
        for turn in range(rounds):
            producer.begin_transaction()
            for number in range(20):
                producer.send(scene.topic, message(turn * 20 + number), partition=number % 2)
            producer.flush()
            producer.abort_transaction() if turn % 3 == 1 else producer.commit_transaction()
            scene.produced += 0 if turn % 3 == 1 else 20

    write(8)
    first = scene.start(records=7)
    scene.wait_for(scene.produced)
    assert scene.stop(first) == 0
    write(9)
    producer.close()
    scene.start(records=7)
    scene.settle(same_as_undisturbed=BUNDLE)
    assert sum(scene.positions().values()) > scene.produced


def test_a_compacted_topic(
    stage: Callable[..., Scene], kafka_address: str, topic: Callable[..., str], postgres_url: str
) -> None:
    """What compaction removed is not missed: the scorer goes from record to record, whatever their offsets."""
    name = topic(
        partitions=1,
        cleanup_policy="compact",
        segment_ms="200",
        min_cleanable_dirty_ratio="0.001",
        max_compaction_lag_ms="500",
    )
    scene = stage(kafka_address, name, postgres_url)
    producer = KafkaProducer(bootstrap_servers=kafka_address)

    def update_every_rig() -> None:
        for number in range(60):
            producer.send(name, record(number), key=f"rig-{number % 11}".encode(), partition=0)
        producer.flush()

    def has_gaps() -> bool:
        update_every_rig()
        kept = read_topic(kafka_address, name)
        return len(kept) < kept[-1].offset

    scene.wait_until(has_gaps, "the topic was not compacted")
    producer.close()
    scene.start(records=7)
    # The broker may go on compacting: the rows say which records there were.
    end = read_topic(kafka_address, name)[-1].offset + 1
    scene.wait_until(lambda: scene.positions().get(0) == end, "the end was not reached")
    scene.close()
    account = scene.account()
    assert not account.missing | account.both
    assert account.counted == len(account.scored) < end


@pytest.mark.parametrize(("policy", "database"), [("stop", "sqlite"), ("skip", "postgresql")], indirect=["database"])
def test_retention_overtakes_the_scorer(scene: Scene, policy: str) -> None:
    """Records deleted before they were scored stop the scorer, or are skipped with a row in the audit table: by policy."""
    scene.send((0, record(number)) for number in range(100))
    first = scene.start(on_gap=policy)
    scene.wait_for(100)
    assert scene.stop(first) == 0
    scene.send((0, record(number)) for number in range(100, 300))
    admin = KafkaAdminClient(bootstrap_servers=scene.servers)
    admin.delete_records({TopicPartition(scene.topic, 0): 250})
    admin.close()
    second = scene.start(on_gap=policy)
    if policy == "stop":
        assert second.wait(timeout=120) == 4, scene.logs()
        assert scene.positions()[0] == scene.progress() == 100
        ((kind, words),) = scene.ask("SELECT kind, message FROM audit")
        assert (kind, "on_retention_gap" in words) == ("stream_refused", True)
    else:
        scene.wait_for(150)
        assert scene.stop(second) == 0
        assert scene.positions()[0] == 300
        ((kind, words),) = scene.ask("SELECT kind, message FROM audit")
        assert kind == "retention_gap"
    assert "150 offsets (100 to 249)" in words
    account = scene.account()
    assert set(account.scored) == {
        (0, offset) for offset in (*range(100), *(range(250, 300) if policy == "skip" else ()))
    }
    assert account.counted == len(account.scored)
