"""A topic deleted and made anew under the same name, while its scorer is away or at work, with either client."""

import pytest
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from latentwatch.domain.record import first_name
from tests.faults.scene import Scene
from tests.faults.workload import PARTITIONS, record

OLD, NEW = 100, 160
CLIENTS = ["kafka-python", "confluent"]


def recreate(scene: Scene) -> None:
    """Delete the topic and make it anew; the broker forgets the old one in its own time."""
    admin = KafkaAdminClient(bootstrap_servers=scene.servers)
    admin.delete_topics([scene.topic])

    def made() -> bool:
        try:
            admin.create_topics([NewTopic(scene.topic, num_partitions=PARTITIONS, replication_factor=1)])
        except TopicAlreadyExistsError:
            return False
        return True

    scene.wait_until(made, "the topic cannot be made anew")
    admin.close()


def fill(scene: Scene, count: int) -> None:
    """Records for partition 0 alone, so that a new topic can be longer than the stored offset."""

    def sent() -> bool:
        try:
            scene.send(((0, record(number)) for number in range(count)), max_block_ms=5_000)
        except KafkaError:  # the new topic has no leader yet
            return False
        return True

    scene.wait_until(sent, "the topic takes no records")


def streams(scene: Scene) -> dict[str, int]:
    """Records scored by stream: every record of this workload is flagged."""
    return dict(scene.ask("SELECT source, count(*) FROM flagged_records GROUP BY source"))  # type: ignore[arg-type]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("alive", [False, True], ids=["while it is down", "under its hands"])
def test_it_stops_rather_than_pass_records_over(scene: Scene, client: str, alive: bool) -> None:
    """The scorer ends with a sentence and a row of audit, and its offsets stay where they were."""
    fill(scene, OLD)
    scorer = scene.start(client=client)
    scene.wait_for(OLD)
    if not alive:
        assert scene.stop(scorer) == 0
    recreate(scene)
    fill(scene, NEW)
    if not alive:
        scorer = scene.start(client=client)
    assert scorer.wait(timeout=120) == 4, scene.logs()
    assert streams(scene) == {scene.topic: OLD}
    assert scene.positions()[0] == OLD
    ((kind, words),) = scene.ask("SELECT kind, message FROM audit")
    assert (kind, "made anew" in words, "offsets reset faults" in words) == ("stream_refused", True, True)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("alive", [False, True], ids=["while it is down", "under its hands"])
def test_it_restarts_in_the_new_topic(scene: Scene, client: str, alive: bool) -> None:
    """Every record of the new topic is scored once, as a stream of its own; the old one's results stay as they are."""
    fill(scene, OLD)
    scorer = scene.start(client=client, on_recreated="restart")
    scene.wait_for(OLD)
    if not alive:
        assert scene.stop(scorer) == 0
    recreate(scene)
    fill(scene, NEW)
    if not alive:
        scorer = scene.start(client=client, on_recreated="restart")
    scene.wait_for(OLD + NEW)
    assert scene.stop(scorer) == 0
    assert scene.progress() == OLD + NEW
    (later,) = set(streams(scene)) - {scene.topic}
    assert (first_name(later), streams(scene)[later]) == (scene.topic, NEW)
    ((kind, words),) = scene.ask("SELECT kind, message FROM audit")
    assert (kind, later in words) == ("topic_recreated", True)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_database_from_before_learns_the_topic(scene: Scene) -> None:
    """Offsets of an earlier version, which knew no topics, go on without a word, and know a topic made anew afterwards."""
    fill(scene, OLD)
    first = scene.start()
    scene.wait_for(OLD)
    assert scene.stop(first) == 0
    with scene.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE offsets SET topic_id = NULL")
    second = scene.start()
    learned = "SELECT 1 FROM offsets WHERE topic_id IS NOT NULL"
    scene.wait_until(lambda: bool(scene.ask(learned)), "the topic was not learned")
    assert scene.stop(second) == 0
    assert not scene.ask("SELECT * FROM audit")
    recreate(scene)
    fill(scene, NEW)
    assert scene.start().wait(timeout=120) == 4, scene.logs()
