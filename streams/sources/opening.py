"""Opens the source that a monitor names, together with the decoder of its messages."""

from dataclasses import replace
from threading import Event

from latentwatch.domain.clock import Clock
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.monitor import Monitor
from latentwatch.domain.sources import TopicSettings
from latentwatch.streams.decoding.columns import TimeBound
from latentwatch.streams.decoding.formats import decoder_for, default_header
from latentwatch.streams.decoding.registry_access import RegistryAccess
from latentwatch.streams.decoding.unpacking import unpacker
from latentwatch.streams.kafka.access import Client, KafkaAccess
from latentwatch.streams.ports import DecodeAs, Decoder, Source
from latentwatch.streams.sources.array_source import ArraySource
from latentwatch.streams.sources.file_source import FileSource
from latentwatch.streams.waiting import wait_for


def open_source(
    monitor: Monitor,
    clock: Clock,
    stop: Event,
    *,
    kafka: KafkaAccess | None = None,
    registry: RegistryAccess | None = None,
    client: Client | None = None,
    patience_seconds: float = float("inf"),
) -> tuple[Source, DecodeAs]:
    """The monitor's own source, and what makes the decoder of its messages.

    `client` overrides the monitor's choice. Waits visibly for a broker or a topic that is away; raises Unavailable when
    patience ends, Stopped when `stop` is set, InvalidInput where waiting cannot help.
    """
    of_file, of_topic = monitor.source.file, monitor.source.kafka
    if of_file is not None:
        file = FileSource(of_file.path, of_file.format, clock, monitor.record)
        file.open()
        return file, file.decoder
    assert of_topic is not None  # a monitor has exactly one source
    if kafka is None or not kafka.servers:
        raise InvalidInput(
            f"monitor {monitor.name} reads the Kafka topic {of_topic.topic!r}, but no Kafka address is set;"
            " set LATENTWATCH_KAFKA to host:port"
        )
    decode_as = topic_decoding(monitor, registry, TimeBound(clock))
    decode_as(monitor.record)  # what cannot be read at all is said before anything is waited for
    source = open_member(of_topic, kafka, monitor.group, client or of_topic.client, clock)
    if (unpack := unpacker(monitor.record, of_topic.arrays)) is not None:
        source = ArraySource(source, unpack)
    wait_for(source.open, clock, stop, patience_seconds=patience_seconds)
    return source, decode_as


def topic_decoder(monitor: Monitor, registry: RegistryAccess | None, bound: TimeBound | None = None) -> Decoder:
    """The decoder of the messages of a monitor's topic. Raises InvalidInput where they cannot be read at all."""
    return topic_decoding(monitor, registry, bound)(monitor.record)


def topic_decoding(monitor: Monitor, registry: RegistryAccess | None, bound: TimeBound | None = None) -> DecodeAs:
    """Makes decoders of the messages of a monitor's topic, for models that read some of its fields or all.

    Where a CSV line's columns are not named, they are the fields that the monitor has, whichever a model reads.
    """
    topic = monitor.source.kafka
    assert topic is not None  # the caller has looked
    return lambda schema: decoder_for(
        schema,
        topic.format,
        header=topic.header or default_header(monitor.record),
        delimiter=topic.delimiter,
        bound=bound,
        registry=registry_of(topic, registry),
    )


def registry_of(topic: TopicSettings, registry: RegistryAccess | None) -> RegistryAccess | None:
    """The registry of a topic's schemas: the address the monitor gives, else that of the settings."""
    if not topic.registry:
        return registry
    return replace(registry, url=topic.registry) if registry else RegistryAccess(topic.registry)


def open_member(topic: TopicSettings, kafka: KafkaAccess, group: str, client: Client, clock: Clock) -> Source:
    """A member of a group that reads a topic, not opened yet."""
    if client == "confluent":
        from latentwatch.streams.kafka.confluent_source import ConfluentSource  # an extra

        return ConfluentSource(
            topic.topic, kafka.servers, group, start=topic.start, clock=clock, properties=kafka.of_librdkafka()
        )
    from latentwatch.streams.kafka.kafka_source import KafkaSource  # 35 MB that a file does not need

    return KafkaSource(
        topic.topic, kafka.servers, group, start=topic.start, clock=clock, options=kafka.of_kafka_python()
    )
