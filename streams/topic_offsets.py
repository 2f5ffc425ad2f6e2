"""Where a topic's partitions begin and end now, asked from outside any consumer group."""

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from domain.errors import Unavailable
from streams.access import KafkaAccess
from streams.kafka_faults import FrankClient, out_of_reach


def topic_offsets(topic: str, access: KafkaAccess) -> dict[int, tuple[int, int]]:
    """Partition to its first offset and the one after its last.

    Raises Unavailable while broker or topic are away, InvalidInput where the broker refuses us.
    """
    try:
        consumer = KafkaConsumer(
            bootstrap_servers=access.servers.split(","),
            kafka_client=FrankClient,
            group_id=None,
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            bootstrap_timeout_ms=5_000,
            metrics_enabled=False,
            **access.of_kafka_python(),
        )
    except (KafkaError, OSError) as error:
        raise out_of_reach(access.servers, error) from error
    try:
        places = [TopicPartition(topic, partition) for partition in sorted(consumer.partitions_for_topic(topic) or ())]
        if not places:
            raise Unavailable(
                f"topic {topic!r} does not exist on Kafka at {access.servers}; create it, or correct the monitor"
            )
        begins, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)
        return {place.partition: (int(begins[place]), int(ends[place])) for place in places}
    except KafkaError as error:
        raise out_of_reach(access.servers, error, f"asking for the offsets of {topic!r}") from error
    finally:
        consumer.close()
