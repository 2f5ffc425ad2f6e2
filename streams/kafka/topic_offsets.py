"""A Kafka topic looked at from outside any consumer group, so that nothing live is disturbed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from latentwatch.domain.clock import from_microseconds, to_microseconds
from latentwatch.domain.errors import Unavailable
from latentwatch.streams.kafka.access import KafkaAccess
from latentwatch.streams.kafka.kafka_faults import RefusalReportingClient, out_of_reach
from latentwatch.streams.kafka.topic_ids import TopicIds


@contextmanager
def onlooker(
    topic: str, access: KafkaAccess, doing: str, **options: Any
) -> Iterator[tuple[KafkaConsumer, list[TopicPartition]]]:
    """A consumer of no group, which stands nowhere yet, and the topic's partitions; `doing` says in errors what failed.

    Raises Unavailable while broker or topic are away, InvalidInput where the broker refuses us.
    """
    servers = access.servers
    try:
        consumer = KafkaConsumer(
            bootstrap_servers=servers.split(","),
            kafka_client=RefusalReportingClient,
            group_id=None,
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            bootstrap_timeout_ms=5_000,
            metrics_enabled=False,
            **options,
            **access.of_kafka_python(),
        )
    except (KafkaError, OSError) as error:
        raise out_of_reach(servers, error) from error
    try:
        known = sorted(consumer.partitions_for_topic(topic) or ())
        if not known:
            raise Unavailable(
                f"topic {topic!r} does not exist on Kafka at {servers}; create it, or correct source.kafka.topic in the"
                " monitor file"
            )
        yield consumer, [TopicPartition(topic, partition) for partition in known]
    except KafkaError as error:
        raise out_of_reach(servers, error, f"{doing} {topic!r}") from error
    finally:
        consumer.close()


def topic_offsets(topic: str, access: KafkaAccess) -> dict[int, tuple[int, int]]:
    """Partition to its first offset and the one after its last. Raises as `onlooker` does."""
    with onlooker(topic, access, "asking for the offsets of") as (consumer, places):
        begins, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)
        return {place.partition: (int(begins[place]), int(ends[place])) for place in places}


def offsets_at(topic: str, access: KafkaAccess, moment: datetime) -> dict[int, int]:
    """Partition to its first offset that arrived at a moment or later, or to its end. Raises as `onlooker` does."""
    with onlooker(topic, access, "asking for the offsets of") as (consumer, places):
        ends = consumer.end_offsets(places)
        arrived = consumer.offsets_for_times(dict.fromkeys(places, to_microseconds(moment) // 1_000))
        return {place.partition: int(arrived[place].offset if arrived.get(place) else ends[place]) for place in places}


def first_arrival(topic: str, access: KafkaAccess, since: datetime) -> datetime | None:
    """When the first record arrived, of those since a moment; None where there is none. Raises as `onlooker` does."""
    with onlooker(topic, access, "asking for the first record of") as (consumer, places):
        found = consumer.offsets_for_times(dict.fromkeys(places, to_microseconds(since) // 1_000))
        arrived = [at.timestamp for at in found.values() if at is not None]
        return from_microseconds(min(arrived) * 1_000) if arrived else None


def topic_id(topic: str, access: KafkaAccess) -> str | None:
    """What the broker calls the topic now; None where its topics have no ids. Raises as `onlooker` does."""
    ids = TopicIds(access.servers, access.of_kafka_python())
    try:
        return ids.ask(topic)
    except KafkaError as error:
        raise out_of_reach(access.servers, error, f"asking for the id of {topic!r}") from error
    finally:
        ids.close()
