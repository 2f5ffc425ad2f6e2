"""Looks at a Kafka topic from outside any group, so that nothing live is disturbed."""

from kafka import KafkaConsumer
from kafka.errors import KafkaError

from domain.errors import InvalidInput
from streams.access import KafkaAccess
from streams.kafka_faults import FrankClient, out_of_reach


def count_partitions(access: KafkaAccess, topic: str) -> int:
    """How many partitions a topic has. Raises Unavailable where the broker is away, InvalidInput without the topic or
    where the broker refuses us.
    """
    servers = access.servers
    try:
        consumer = KafkaConsumer(
            bootstrap_servers=servers.split(","),
            kafka_client=FrankClient,
            group_id=None,
            allow_auto_create_topics=False,
            bootstrap_timeout_ms=5_000,
            metrics_enabled=False,
            **access.of_kafka_python(),
        )
    except (KafkaError, OSError) as error:
        raise out_of_reach(servers, error) from error
    try:
        known = consumer.partitions_for_topic(topic)
    except KafkaError as error:
        raise out_of_reach(servers, error) from error
    finally:
        consumer.close()
    if not known:
        raise InvalidInput(f"topic {topic!r} does not exist on Kafka at {servers}")
    return len(known)
