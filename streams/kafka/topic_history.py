"""A stretch of a Kafka topic by arrival time, read from outside any consumer group: to learn from, or to score again.

Topic + [since, now) → Messages → Decoded. Live scorers, their offsets and their group are not touched.
"""

from collections.abc import Callable, Iterator
from datetime import datetime

from kafka import KafkaConsumer, TopicPartition

from latentwatch.domain.clock import to_microseconds
from latentwatch.domain.errors import Unavailable
from latentwatch.domain.record import Batch, RawMessage, concatenate, whole
from latentwatch.streams.alignment.alignment import Alignment
from latentwatch.streams.decoding.sound_decoding import decode_sound
from latentwatch.streams.decoding.unpacking import Unpack
from latentwatch.streams.kafka.access import KafkaAccess
from latentwatch.streams.kafka.topic_offsets import onlooker
from latentwatch.streams.ports import Decoder, Messages, messages_of
from latentwatch.streams.sources.array_source import split

_POLL_MS = 1_000
_SILENT_POLLS = 30
"""Polls without a record after which a broker that should have more is taken to be away."""


def read_topic(
    topic: str,
    access: KafkaAccess,
    decoder: Decoder,
    since: datetime,
    *,
    unpack: Unpack | None = None,
    alignment: Alignment | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> tuple[Batch | None, int]:
    """Every record that arrived since then, up to the topic's end as it is now, and how many could not be read.

    What `unpack` takes apart is several records, each at the position that the stream would give it; what `alignment` makes of
    values is the rows that are released until then, those that are open at the end not among them.

    None where there is no record. Memory grows with the records, never with the raw messages. Raises Unavailable while
    broker or topic are away, InvalidInput where the broker refuses us.
    """
    batches: list[Batch] = []
    unreadable = 0
    for messages, share in read_messages(topic, access, since):
        records = messages if unpack is None else split(messages, unpack=unpack)
        decoded = decode_sound(decoder, records)
        if alignment is not None:
            decoded = alignment.take(decoded, records)
        batch, partly = whole(decoded) if alignment is None else (decoded.batch, 0)
        unreadable += len(decoded.dead_letters) + partly
        batches.append(batch)
        progress(share)
    found = [batch for batch in batches if len(batch)]
    return (concatenate(found) if found else None), unreadable


def read_messages(topic: str, access: KafkaAccess, since: datetime | None) -> Iterator[tuple[Messages, float]]:
    """Every message that arrived since then, or all there are, up to the topic's end as it is now; and the share read.

    A partition's messages come in the order of their offsets. Raises as `read_topic` does.
    """
    fetching = {
        "auto_offset_reset": "earliest",
        "isolation_level": "read_committed",
        "max_partition_fetch_bytes": 4 << 20,
    }
    with onlooker(topic, access, "reading", **fetching) as (consumer, places):
        yield from _messages(consumer, places, since)


def _messages(
    consumer: KafkaConsumer, places: list[TopicPartition], since: datetime | None
) -> Iterator[tuple[Messages, float]]:
    """Messages of every partition from the first that arrived at `since` or later, with the share that is read."""
    topic = places[0].topic
    consumer.assign(places)
    ends = consumer.end_offsets(places)
    if since is None:
        starts = consumer.beginning_offsets(places)
    else:
        arrived = consumer.offsets_for_times(dict.fromkeys(places, to_microseconds(since) // 1_000))
        starts = {place: arrived[place].offset if arrived.get(place) else ends[place] for place in places}
    for place, start in starts.items():
        consumer.seek(place, start)
    total = max(1, sum(ends[place] - starts[place] for place in places))
    silent = 0
    while left := sum(max(0, ends[place] - consumer.position(place)) for place in places):
        rows = [
            RawMessage(place.partition, record.offset, record.value, record.timestamp)
            for place, records in consumer.poll(timeout_ms=_POLL_MS, max_records=20_000).items()
            for record in records
            if record.offset < ends[place]
        ]
        silent = 0 if rows else silent + 1
        if silent > _SILENT_POLLS:
            raise Unavailable(f"Kafka is silent, with {left} records of {topic!r} still to come; try again")
        if rows:
            yield messages_of(topic, rows), 1.0 - left / total
