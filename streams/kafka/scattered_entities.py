"""Whether a topic's keys put all values of an entity into one partition, as rows in the making need it.

The last messages of each partition, read from outside any group -> entities that are in several.
"""

from kafka import KafkaConsumer, TopicPartition

from latentwatch.domain.monitor import Monitor
from latentwatch.domain.record import RawMessage
from latentwatch.streams.decoding.registry_access import RegistryAccess
from latentwatch.streams.decoding.sound_decoding import decode_sound
from latentwatch.streams.decoding.unpacking import unpacker
from latentwatch.streams.kafka.access import KafkaAccess
from latentwatch.streams.kafka.topic_offsets import onlooker
from latentwatch.streams.ports import messages_of
from latentwatch.streams.sources.array_source import split
from latentwatch.streams.sources.opening import topic_decoder

_LOOKED_AT = 2_000
"""Messages of each partition."""
_POLL_MS = 500
_SILENT_POLLS = 10
_SHOWN = 3


def scattered_in_words(monitor: Monitor, access: KafkaAccess, registry: RegistryAccess | None) -> str | None:
    """What is wrong with the keys of a topic in long form; None where nothing is, as far as its last messages show.

    Raises Unavailable while broker, topic or registry are away, InvalidInput where the broker refuses us.
    """
    topic = monitor.source.kafka
    if topic is None or monitor.record.long is None:
        return None
    with onlooker(topic.topic, access, "reading", isolation_level="read_committed") as (consumer, places):
        messages = messages_of(topic.topic, _last(consumer, places))
    unpack = unpacker(monitor.record, topic.arrays)
    batch = decode_sound(
        topic_decoder(monitor, registry), messages if unpack is None else split(messages, unpack=unpack)
    ).batch
    homes: dict[str, set[int]] = {}
    for entity, partition in zip(batch.entities.tolist(), batch.partitions.tolist(), strict=True):
        homes.setdefault(entity, set()).add(partition)
    scattered = sorted(entity for entity, partitions in homes.items() if len(partitions) > 1)
    if not scattered:
        return None
    if not monitor.record.entity_fields:
        return f"values are in several partitions of {topic.topic!r}, each of which makes rows of its own: give it one partition"
    shown = ", ".join(map(repr, scattered[:_SHOWN])) + (", ..." if len(scattered) > _SHOWN else "")
    fields = " and ".join(map(repr, monitor.record.entity_fields))
    return (
        f"{len(scattered)} of {len(homes)} entities ({shown}) are in several partitions of {topic.topic!r}, each of which makes rows"
        f" of its own, of half the values: key the messages by {fields}"
    )


def _last(consumer: KafkaConsumer, places: list[TopicPartition]) -> list[RawMessage]:
    """The last messages of each partition."""
    consumer.assign(places)
    begins, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)
    for place in places:
        consumer.seek(place, max(begins[place], ends[place] - _LOOKED_AT))
    found: list[RawMessage] = []
    silent = 0
    while any(consumer.position(place) < ends[place] for place in places) and silent < _SILENT_POLLS:
        polled = consumer.poll(timeout_ms=_POLL_MS)
        silent = 0 if polled else silent + 1
        found += [
            RawMessage(place.partition, record.offset, record.value, record.timestamp)
            for place, records in polled.items()
            for record in records
        ]
    return sorted(found)
