"""Reads the topic and the database, nothing else, and says whether every record is accounted for exactly once."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from kafka import KafkaConsumer, TopicPartition
from sqlalchemy import Engine, text

from latentwatch.alerts.store import AlertStore
from latentwatch.detector.interface import Contexts
from latentwatch.domain.record import Batch, RawMessage
from latentwatch.streams.context.context_blob import EntityContexts, unpack_chunk
from latentwatch.streams.context.context_store import ContextStore
from latentwatch.streams.decoding.json_decoding import JsonDecoder
from latentwatch.streams.ports import messages_of
from latentwatch.streams.testing import FakeDetector
from tests.faults.workload import detector, monitor

Place = tuple[int, int]
ACCOUNTED = "ALL RECORDS ACCOUNTED FOR"


@dataclass
class Account:
    """What the topic holds and what the database says of it."""

    produced: int
    scored: dict[Place, float]
    dead: set[Place]
    counted: int
    missing: set[Place] = field(default_factory=set)
    strangers: set[Place] = field(default_factory=set)
    both: set[Place] = field(default_factory=set)

    @property
    def settled(self) -> bool:
        """Whether every message has its one outcome, and the counts agree with the rows."""
        return not (self.missing or self.strangers or self.both) and self.counted == len(self.scored)

    def __str__(self) -> str:
        if self.settled:
            return f"{ACCOUNTED}: {self.produced} = {len(self.scored)} scored + {len(self.dead)} dead letters"
        return (
            f"NOT ACCOUNTED FOR: {len(self.missing)} missing {sorted(self.missing)[:10]}, {len(self.both)} both scored"
            f" and dead {sorted(self.both)[:10]}, {len(self.strangers)} never produced {sorted(self.strangers)[:10]};"
            f" {self.counted} counted where {len(self.scored)} were scored"
        )


def read_topic(servers: str, topic: str) -> list[RawMessage]:
    """Every committed message there is, read outside any group."""
    consumer = KafkaConsumer(
        bootstrap_servers=servers,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    places = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
    consumer.assign(places)
    ends = consumer.end_offsets(places)
    found: list[RawMessage] = []
    while any(consumer.position(place) < ends[place] for place in places):
        for records in consumer.poll(timeout_ms=1_000, max_records=5_000).values():
            found += [RawMessage(each.partition, each.offset, each.value, each.timestamp) for each in records]
    consumer.close()
    return sorted(found)


def audit(engine: Engine, servers: str, topic: str) -> Account:
    """Compare topic and database."""
    messages = read_topic(servers, topic)
    with engine.connect() as connection:
        of = {"topic": topic}
        rows = connection.execute(
            text('SELECT "partition", "offset", surprise FROM flagged_records WHERE source = :topic'), of
        )
        scored = {(partition, offset): surprise for partition, offset, surprise in rows}
        rows = connection.execute(text('SELECT "partition", "offset" FROM dead_letters WHERE source = :topic'), of)
        dead = {(partition, offset) for partition, offset in rows}
        counted = connection.execute(text("SELECT coalesce(sum(scored), 0) FROM minute_counts")).scalar_one()
    produced = {(message.partition, message.offset) for message in messages}
    return Account(
        produced=len(produced),
        scored=scored,
        dead=dead,
        counted=int(counted),
        missing=produced - scored.keys() - dead,
        strangers=(scored.keys() | dead) - produced,
        both=scored.keys() & dead,
    )


def expected(servers: str, topic: str, bundle: str) -> Iterator[tuple[Place, float]]:
    """The surprise, in a run that nothing ever interrupted, of each record that can be scored."""
    messages = read_topic(servers, topic)
    model = detector(bundle)
    batch, contexts, _ = _undisturbed(model, topic, messages)
    sound = ~(batch.numbers == -1).any(axis=1)  # the number -1 breaks the model, though not the context
    surprise = model.score(batch.take(sound), contexts.take(sound)).surprise
    for row, place in enumerate(np.flatnonzero(sound).tolist()):
        yield (int(batch.partitions[place]), int(batch.offsets[place])), float(np.float64(surprise[row]))


def differing_contexts(engine: Engine, servers: str, topic: str, bundle: str) -> list[str]:
    """Partitions whose stored context is not, to the bit, what an uninterrupted run would hold at its offset."""
    messages = read_topic(servers, topic)
    alerts = AlertStore(engine, monitor(topic).name)
    stored = alerts.snapshots(topic, {message.partition for message in messages})
    wrong = []
    for partition, shot in sorted(stored.items()):
        before = [each for each in messages if each.partition == partition and each.offset < shot.offset]
        _, _, store = _undisturbed(detector(bundle), topic, before)
        with alerts.chunks(topic, shot) as chunks:
            found = _joined(list(chunks))
        wanted = _joined(list(store.snapshot(partition, shot.offset, bundle).chunks.values()))
        if found.entities != wanted.entities:
            wrong.append(f"partition {partition} at {shot.offset} knows {found.entities}, not {wanted.entities}")
        elif not all(
            np.array_equal(getattr(found, part), getattr(wanted, part))
            for part in ("places", "states", "records", "last_time", "last_offset")
        ):
            wrong.append(f"partition {partition} at {shot.offset} remembers other states")
    return wrong if stored else ["no context was stored"]


def _joined(chunks: list[bytes]) -> EntityContexts:
    """All entities of a partition, from its chunks, which may be cut in different ways."""
    parts = [unpack_chunk(chunk) for chunk in chunks]
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in (
            "places",
            "states",
            "records",
            "last_time",
            "last_offset",
            "usual_gap_ms",
            "untold",
            "newest_time",
            "delay_ms",
        )
    }
    return EntityContexts(entities=tuple(name for part in parts for name in part.entities), **columns)


def _undisturbed(model: FakeDetector, topic: str, messages: list[RawMessage]) -> tuple[Batch, Contexts, ContextStore]:
    store = ContextStore(model.context)
    batch = JsonDecoder(monitor(topic).record).decode(messages_of(topic, messages)).batch
    return batch, store.extend(batch), store
