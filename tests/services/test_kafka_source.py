"""The Kafka sources, one for each client, against a real broker: the contract of all sources, and what only Kafka does."""

from collections.abc import Callable, Iterator
from threading import Event
from uuid import uuid4

import pytest
from confluent_kafka import KafkaError
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import KafkaAdminClient, NewPartitions
from kafka.errors import LogTruncationError
from structlog.testing import capture_logs

from deploy.services.process import free_port
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.errors import Unavailable
from latentwatch.streams.kafka.confluent_source import ConfluentSource
from latentwatch.streams.kafka.kafka_source import Assignor, KafkaSource
from latentwatch.streams.ports import Source
from latentwatch.streams.waiting import wait_for
from tests.streams.contract import PATIENCE_SECONDS, SourceContract, await_partitions, read
from tests.streams.stage import record


def fill(servers: str, topic: str, count: int, partition: int = 0, **options: object) -> None:
    """Records 0, 1, ... acknowledged by the broker."""
    producer = KafkaProducer(bootstrap_servers=servers, **options)
    for sent in [producer.send(topic, record(number), partition=partition) for number in range(count)]:
        sent.get(timeout=60)
    producer.close()


Member = KafkaSource | ConfluentSource


@pytest.fixture(params=["kafka-python", "confluent"])
def join(kafka_address: str, request: pytest.FixtureRequest) -> Iterator[Callable[..., Member]]:
    """Members of a group of the test's own, with one client or the other."""
    group, members = f"test-{uuid4().hex[:8]}", list[Member]()

    def make(topic: str, assignor: Assignor = "cooperative") -> Member:
        member: Member
        if request.param == "confluent":
            assert assignor == "cooperative"
            hasty = {"session.timeout.ms": 6_000, "heartbeat.interval.ms": 500}
            hasty |= {"topic.metadata.refresh.interval.ms": 5_000}
            member = ConfluentSource(topic, kafka_address, group, properties=hasty)
        else:
            fast = {"session_timeout_ms": 6_000, "heartbeat_interval_ms": 500}
            member = KafkaSource(topic, kafka_address, group, assignor=assignor, options=fast)
        members.append(member)
        return member

    yield make
    for member in members:
        member.close()


class TestKafkaSource(SourceContract):
    """The contract."""

    @pytest.fixture
    def source(self, kafka_address: str, topic: Callable[..., str], join: Callable[..., Member]) -> Source:
        """A hundred records in one partition."""
        name = topic()
        fill(kafka_address, name, self.COUNT)
        return join(name)


def test_the_installed_client_is_changed_whole(
    kafka_address: str, topic: Callable[..., str], join: Callable[..., Member]
) -> None:
    """With the versions that are pinned every patch of the client applies: nothing is said to be lost."""
    name = topic()
    fill(kafka_address, name, 3)
    with capture_logs() as entries:
        source = join(name)
        source.open()
        await_partitions(source)
        source.seek(0, 0)
        assert read(source, 3) == [0, 1, 2]
    assert not [entry for entry in entries if "lost" in entry]


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_compressed_topics(
    kafka_address: str, topic: Callable[..., str], join: Callable[..., Member], codec: str
) -> None:
    """Every codec of Kafka's is read, value for value and with the broker's timestamps."""
    name = topic()
    fill(kafka_address, name, 300, compression_type=codec, linger_ms=50)
    source = join(name)
    source.open()
    await_partitions(source)
    source.seek(0, 0)
    found = source.poll(1_000, 20.0)
    while len(found) < 300:
        source.seek(0, 0)
        found = source.poll(1_000, 5.0)
    assert found.values == [record(number) for number in range(300)]
    now_ms = SystemClock().now().timestamp() * 1_000
    assert (abs(found.timestamps_ms - now_ms) < 600_000).all()


def test_transactions_and_tombstones(
    kafka_address: str, topic: Callable[..., str], join: Callable[..., Member]
) -> None:
    """Aborted records are not delivered, markers leave gaps in the offsets, tombstones come without a value."""
    name = topic()
    producer = KafkaProducer(bootstrap_servers=kafka_address, transactional_id=f"tx-{uuid4().hex[:8]}")
    producer.init_transactions()
    for number, commits in enumerate((True, False, True)):
        producer.begin_transaction()
        producer.send(name, f'{{"number": {number}}}'.encode(), partition=0)
        producer.send(name, None, key=b"gone", headers=[("h", b"x")], partition=0)
        producer.flush()
        producer.commit_transaction() if commits else producer.abort_transaction()
    producer.close()
    source = join(name)
    source.open()
    await_partitions(source)
    source.seek(0, 0)
    assert read(source, 4) == [0, 1, 6, 7]
    source.seek(0, 0)
    assert source.poll(1, 10.0).values == [b'{"number": 0}']
    assert source.poll(1, 10.0).values == [None]


def test_half_read_records_come_back_after_a_pause(
    kafka_address: str, topic: Callable[..., str], join: Callable[..., Member]
) -> None:
    """A partition that is silenced half read is delivered again when sought, also after another one was read to its end."""
    name = topic(partitions=2)
    for partition in (0, 1):
        fill(kafka_address, name, 50, partition)
    source = join(name)
    await_partitions(source)
    source.seek(0, 0)
    begun = len(read(source, 1))
    source.hold(0)
    source.seek(1, 0)
    assert len(read(source, 50)) == 50
    source.seek(0, begun)
    assert read(source, 50 - begun) == list(range(begun, 50))


@pytest.mark.parametrize(
    ("join", "assignor"),
    [("kafka-python", "cooperative"), ("kafka-python", "eager"), ("confluent", "cooperative")],
    indirect=["join"],
)
def test_members_share_partitions(
    kafka_address: str, topic: Callable[..., str], join: Callable[..., Member], assignor: Assignor
) -> None:
    """A second member takes its share, and a member that leaves gives it back, although nobody polls while they join."""
    name = topic(partitions=4)
    first, second = join(name, assignor=assignor), join(name, assignor=assignor)
    owned: dict[Member, set[int]] = {first: set(), second: set()}

    def follow(*members: Member) -> None:
        for member in members:
            member.poll(10, 0.1)
            changes = member.changes()
            owned[member] -= set(changes.lost)
            owned[member] |= set(changes.gained)

    def until(done: Callable[[], bool], *members: Member) -> None:
        clock = SystemClock()
        deadline = clock.monotonic() + 2 * PATIENCE_SECONDS
        while not done():
            follow(*members)
            assert clock.monotonic() < deadline, f"ownership stays {[sorted(mine) for mine in owned.values()]}"

    until(lambda: owned[first] == {0, 1, 2, 3}, first)
    until(lambda: len(owned[first]) == len(owned[second]) == 2, first, second)
    assert owned[first] | owned[second] == {0, 1, 2, 3}
    first.close()
    owned[first].clear()
    until(lambda: owned[second] == {0, 1, 2, 3}, second)


def test_added_partitions_are_noticed(
    kafka_address: str, topic: Callable[..., str], join: Callable[..., Member]
) -> None:
    """Partitions added while a member reads are assigned to it, and its other partitions stay with it."""
    name = topic(partitions=2)
    source = join(name)
    source.open()
    assert sorted(await_partitions(source)) == [0, 1]
    admin = KafkaAdminClient(bootstrap_servers=kafka_address)
    admin.create_partitions({name: NewPartitions(total_count=4)})
    admin.close()
    clock, gained, lost = SystemClock(), set(), set()
    deadline = clock.monotonic() + 2 * PATIENCE_SECONDS
    while gained != {2, 3} and clock.monotonic() < deadline:
        source.poll(10, 0.2)
        changes = source.changes()
        gained |= set(changes.gained)
        lost |= set(changes.lost)
    assert (gained, lost) == ({2, 3}, set())


@pytest.mark.parametrize("client", [KafkaSource, ConfluentSource])
def test_a_start_at_the_end_is_for_what_is_there(
    kafka_address: str, topic: Callable[..., str], client: type[KafkaSource] | type[ConfluentSource]
) -> None:
    """Every partition's end is a start, whoever reads it; a partition that came later begins at its first record."""
    name = topic(partitions=2)
    fill(kafka_address, name, 30)
    source = client(name, kafka_address, f"test-{uuid4().hex[:8]}", start="latest")
    try:
        source.open()
        assert source.starts() == {0: 30, 1: 0}
        assert source.start_offset(0) == 0
    finally:
        source.close()


def test_deleted_records_are_reported_as_a_gap(
    kafka_address: str, topic: Callable[..., str], join: Callable[..., Member]
) -> None:
    """A position that the broker no longer has silences the partition and is reported with where it begins now."""
    name = topic()
    fill(kafka_address, name, 100)
    admin = KafkaAdminClient(bootstrap_servers=kafka_address)
    admin.delete_records({TopicPartition(name, 0): 40})
    admin.close()
    source = join(name)
    source.open()
    await_partitions(source)
    assert source.start_offset(0) == 40
    source.seek(0, 10)
    clock = SystemClock()
    deadline, gaps = clock.monotonic() + PATIENCE_SECONDS, ()
    while not gaps and clock.monotonic() < deadline:
        assert len(source.poll(10, 0.2)) == 0
        gaps = source.changes().gaps
    assert [(gap.partition, gap.start, gap.end) for gap in gaps] == [(0, 10, 40)]
    source.seek(0, 40)
    assert read(source, 5)[:5] == [40, 41, 42, 43, 44]


class Torn:
    """What librdkafka delivers in a message's place where the log lost its end."""

    def error(self) -> KafkaError:
        """The reason."""
        return KafkaError(KafkaError._LOG_TRUNCATION)

    def partition(self) -> int:
        """Of the log."""
        return 0


def test_a_log_that_lost_its_end_is_a_gap(
    kafka_address: str, topic: Callable[..., str], join: Callable[..., Member]
) -> None:
    """What a client finds when a lagging broker became the leader reaches the loop, and the partition waits for it."""
    name = topic()
    fill(kafka_address, name, 100)
    source = join(name)
    source.open()
    await_partitions(source)
    source.seek(0, 0)
    assert read(source, 100) == list(range(100))
    if isinstance(source, KafkaSource):
        lost = {TopicPartition(name, 0): OffsetAndMetadata(60, "", 3)}
        source._consumer._fetcher._cached_log_truncation = LogTruncationError(lost)  # type: ignore[union-attr]
        source.poll(10, 0.1)
    else:
        source._note_error(Torn())
    (gap,) = source.changes().gaps
    assert (gap.partition, gap.start, gap.end) == (0, 100, 60 if isinstance(source, KafkaSource) else 0)
    fill(kafka_address, name, 5)
    assert len(source.poll(10, 0.5)) == 0
    source.seek(0, 60)
    assert read(source, 45) == list(range(60, 105))


def test_a_topic_has_an_id_until_it_is_made_anew(
    kafka_address: str, topic: Callable[..., str], join: Callable[..., Member]
) -> None:
    """Both clients name a topic alike, and every topic otherwise."""
    name, other = topic(), topic()
    sources = [join(name), join(name), join(other)]
    for source in sources:
        source.open()
    first, second, third = (source.topic_id for source in sources)
    assert first == second != third
    assert len(first or "") == 22


def test_kafkas_own_tools_see_the_lag(
    kafka_address: str, topic: Callable[..., str], join: Callable[..., Member]
) -> None:
    """Acknowledged positions arrive as the group's committed offsets."""
    name = topic()
    fill(kafka_address, name, 50)
    source = join(name)
    source.open()
    await_partitions(source)
    source.seek(0, 0)
    read(source, 50)
    assert source.lag() == {0: 0}
    reader = KafkaConsumer(bootstrap_servers=kafka_address, group_id=source._group, enable_auto_commit=False)
    clock = SystemClock()
    deadline, committed = clock.monotonic() + PATIENCE_SECONDS, None
    while committed != 42 and clock.monotonic() < deadline:
        source.acknowledge({0: 42})
        source.poll(10, 0.2)
        committed = reader.committed(TopicPartition(name, 0))
    reader.close()
    assert committed == 42


def test_a_missing_topic_is_waited_for_with_words(
    kafka_address: str, topic: Callable[..., str], join: Callable[..., Member]
) -> None:
    """Each attempt says what is missing and what to do; once the topic is there, reading begins."""
    source = join(f"missing.{uuid4().hex[:8]}")
    with capture_logs() as told, pytest.raises(Unavailable, match="does not exist"):
        wait_for(source.open, SystemClock(), Event(), patience_seconds=1.0)
    assert told
    assert all("create it, or correct source.kafka.topic" in entry["reason"] for entry in told)


@pytest.mark.parametrize("client", ["kafka-python", "confluent"])
def test_a_broker_that_is_away_is_told(client: str) -> None:
    """No broker at the address: Unavailable, with the address."""
    address = f"127.0.0.1:{free_port()}"
    source: Member
    if client == "confluent":
        source = ConfluentSource("any", address, "group")
    else:
        source = KafkaSource("any", address, "group", options={"bootstrap_timeout_ms": 1_000})
    with pytest.raises(Unavailable, match=f"{address} does not answer"):
        source.open()
    source.close()
