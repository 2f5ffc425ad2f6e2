"""A Kafka topic read by a consumer group with kafka-python; positions come from the database, never from Kafka.

The rebalance listener runs on the client's IO thread and must not wait for anything: it only notes what happened and
keeps new partitions silent. Everything else happens between polls, in the thread that polls.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import Any, Literal

import numpy as np
import structlog
from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import KafkaError, LogTruncationError, OffsetOutOfRangeError

from latentwatch.domain.clock import Clock
from latentwatch.domain.errors import Unavailable
from latentwatch.streams.kafka.client_patches import patch_consumer
from latentwatch.streams.kafka.group_member import GroupMember, Start
from latentwatch.streams.kafka.kafka_faults import HOPELESS, RefusalReportingClient, out_of_reach
from latentwatch.streams.kafka.topic_ids import TopicIds
from latentwatch.streams.ports import Messages

log = structlog.get_logger()

Assignor = Literal["cooperative", "eager"]
_ASSIGNORS = {"cooperative": CooperativeStickyAssignor, "eager": RangePartitionAssignor}
_CONNECT_SECONDS = 5.0
_CALL_MS = 5_000


class KafkaSource(GroupMember):
    """One topic, as a member of a group. `options` go to the client as they are (security, timeouts, ...)."""

    def __init__(
        self,
        topic: str,
        servers: str,
        group: str,
        *,
        start: Start = "earliest",
        assignor: Assignor = "cooperative",
        clock: Clock | None = None,
        on_stall: Callable[[int], None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(topic, servers, group, start=start, clock=clock, on_stall=on_stall)
        self._assignor = assignor
        self._options = options or {}
        self._consumer: KafkaConsumer | None = None
        self._topic_ids = TopicIds(servers, self._options)
        self._events: deque[tuple[str, frozenset[int]]] = deque()
        self._faults = 0
        self._columnar = False

    def open(self) -> None:
        """Connect and join. Raises Unavailable while broker or topic are away, InvalidInput where waiting cannot help."""
        if self._consumer is not None:
            return
        consumer = self._connect()
        try:
            known = consumer.partitions_for_topic(self._topic)
            self.topic_id = self._topic_ids.ask(self._topic) if known else None
        except KafkaError as error:
            consumer.close()
            raise out_of_reach(self._servers, error) from error
        if not known:
            consumer.close()
            raise Unavailable(
                f"topic {self._topic!r} does not exist on Kafka at {self._servers}; create it, or correct"
                " source.kafka.topic in the monitor file"
            )
        self._columnar = patch_consumer(consumer)
        consumer.subscribe([self._topic], listener=_Listener(consumer, self._events))
        self._consumer = consumer

    def _connect(self) -> KafkaConsumer:
        settings: dict[str, Any] = {
            "bootstrap_servers": self._servers.split(","),
            "kafka_client": RefusalReportingClient,
            "group_id": self._group,
            "enable_auto_commit": False,
            "auto_offset_reset": "none",
            "allow_auto_create_topics": False,
            "isolation_level": "read_committed",
            "partition_assignment_strategy": [_ASSIGNORS[self._assignor]()],
            # A few batches a fetch: more makes nothing faster, and all of it is held in memory.
            "max_partition_fetch_bytes": 1 << 20,
            "fetch_max_bytes": 8 << 20,
            # A scorer that dies is replaced within ten seconds; database and bundle loads do not stop heartbeats.
            "session_timeout_ms": 10_000,
            "heartbeat_interval_ms": 1_000,
            "metadata_max_age_ms": 30_000,
            "reconnect_backoff_max_ms": 2_000,
            # The client (3.0.12) sleeps so long, 100 ms by itself, where a poll falls between two fetches.
            "retry_backoff_ms": 10,
            "bootstrap_timeout_ms": int(_CONNECT_SECONDS * 1_000),
            "metrics_enabled": False,
        }
        try:
            return KafkaConsumer(**{**settings, **self._options})
        except (KafkaError, OSError) as error:
            raise out_of_reach(self._servers, error) from error

    def poll(self, max_records: int, timeout_seconds: float) -> Messages:
        """At most `max_records` messages. A broker that is away brings none; the client reconnects by itself."""
        consumer = self._opened()
        try:
            found = consumer.poll(timeout_ms=int(timeout_seconds * 1_000), max_records=max_records)
            self._faults = 0
        except OffsetOutOfRangeError as error:
            self._ask_gaps(error.args[0])
            found = {}
        except LogTruncationError as error:
            self._note_truncations(error.divergent_offsets)
            found = {}
        except HOPELESS as error:
            raise out_of_reach(self._servers, error) from error
        except KafkaError as error:
            # The client recovers from what it can; what it reports is about one partition or one broker, and is met
            # again if it lasts. Others keep flowing meanwhile.
            self._faults += 1
            log.warning(
                "Kafka reports a fault, going on", reason=f"{type(error).__name__}: {error}", faults=self._faults
            )
            self._clock.sleep(min(0.1 * self._faults, timeout_seconds))
            found = {}
        self._heed()
        self._check_stalls(consumer)
        return self._genuine(self._columns(found))

    def _columns(self, found: dict[Any, list[Any]]) -> Messages:
        partitions, offsets, timestamps = [], [], []
        values: list[bytes | None] = []
        for place, records in found.items():
            if place.partition not in self._next:
                continue  # given away while these were on their way
            partitions.append(np.full(len(records), place.partition, np.int32))
            if self._columnar:
                of_each, times, payloads = zip(*records, strict=True)
            else:
                of_each, times, payloads = zip(*((r.offset, r.timestamp, r.value) for r in records), strict=True)
            offsets.append(np.array(of_each, np.int64))
            timestamps.append(np.array(times, np.int64))
            values += payloads
            self._next[place.partition] = of_each[-1] + 1
        if not values:
            return Messages(self.name, np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int64), [])
        return Messages(
            self.name, np.concatenate(partitions), np.concatenate(offsets), np.concatenate(timestamps), values
        )

    def seek(self, partition: int, offset: int) -> None:
        """Deliver a partition from this offset on. Raises KeyError where it is not assigned."""
        consumer, place = self._opened(), self._place(partition)
        try:
            consumer.seek(place, offset)
        except (KeyError, ValueError, AssertionError):
            raise KeyError(partition) from None
        self._next[partition] = offset
        if not self._paused:
            self._let_speak([partition])

    def starts(self) -> dict[int, int]:
        """The earliest or the latest offset of every partition, as the monitor says. Raises Unavailable."""
        consumer = self._opened()
        try:
            known = sorted(consumer.partitions_for_topic(self._topic) or ())
        except KafkaError as error:
            raise out_of_reach(self._servers, error) from error
        return self._ask(consumer.beginning_offsets if self._start == "earliest" else consumer.end_offsets, known)

    def start_offset(self, partition: int) -> int:
        """The earliest offset. Raises Unavailable."""
        return self._ask(self._opened().beginning_offsets, [partition])[partition]

    def _ask(self, offsets: Callable[..., dict[TopicPartition, int]], partitions: Iterable[int]) -> dict[int, int]:
        places = [self._place(partition) for partition in partitions]
        try:
            found = offsets(places, timeout_ms=_CALL_MS)
            return {place.partition: int(found[place]) for place in places}
        except (KafkaError, KeyError) as error:
            raise out_of_reach(self._servers, error) from error

    def lag(self) -> dict[int, int]:
        """Records behind the end as the last fetch saw it."""
        consumer, lag = self._opened(), {}
        for partition, offset in self._next.items():
            try:
                end = consumer.highwater(self._place(partition))
            except KafkaError:  # no longer assigned
                continue
            if end is not None:
                lag[partition] = max(0, end - offset)
        return lag

    def acknowledge(self, positions: dict[int, int]) -> None:
        """Commit positions to Kafka for its lag tools; nobody reads them back, failures are of no account."""
        offsets = {
            self._place(p): OffsetAndMetadata(offset, "", -1) for p, offset in positions.items() if p in self._next
        }
        if offsets:
            self._opened().commit_async(offsets, callback=_ignore)

    def close(self) -> None:
        """Leave the group, within a few seconds even where the broker is away."""
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            self._topic_ids.close()
            try:
                consumer.close(autocommit=False, timeout_ms=_CALL_MS)
            except KafkaError as error:
                log.warning("the group was left without a word", reason=f"{type(error).__name__}: {error}")

    def _opened(self) -> KafkaConsumer:
        self.open()
        assert self._consumer is not None
        return self._consumer

    def _place(self, partition: int) -> TopicPartition:
        return TopicPartition(self._topic, partition)

    def _silence(self, partitions: Iterable[int]) -> None:
        self._each(self._opened().pause, partitions)

    def _let_speak(self, partitions: Iterable[int]) -> None:
        self._each(self._opened().resume, partitions)

    def _each(self, act: Callable[[TopicPartition], None], partitions: Iterable[int]) -> None:
        for partition in partitions:
            with suppress(KeyError, KafkaError):  # given away meanwhile; the listener has noted it
                act(self._place(partition))

    def _heed(self) -> None:
        """Take what the listener has noted, in the thread that polls."""
        while self._events:
            kind, partitions = self._events.popleft()
            for partition in sorted(partitions):
                if kind == "gained":
                    self._note_gained(partition)
                else:
                    self._note_lost(partition)

    def _ask_gaps(self, places: dict[TopicPartition, int]) -> None:
        """Where partitions begin now whose next offsets, given here, the broker no longer has."""
        consumer = self._opened()
        try:
            begins = consumer.beginning_offsets(list(places), timeout_ms=_CALL_MS)
        except KafkaError as error:
            log.warning("cannot ask where a partition begins", reason=f"{type(error).__name__}: {error}")
            return  # the next poll meets the gap again
        for place, offset in places.items():
            self._note_gap(place.partition, int(offset), int(begins[place]))

    def _note_truncations(self, kept: dict[TopicPartition, OffsetAndMetadata | None]) -> None:
        """Partitions whose log ends before what was read of it, and where; None where the broker cannot tell."""
        for place, end in kept.items():
            if place.partition in self._next:
                self._note_gap(place.partition, self._next[place.partition], end.offset if end else 0)

    def _ask_topic_id(self) -> str | None:
        try:
            return self._topic_ids.ask(self._topic)
        except KafkaError as error:
            log.debug("cannot ask for the topic's id", reason=f"{type(error).__name__}: {error}")
            return None

    def _check_stalls(self, consumer: KafkaConsumer) -> None:
        """A partition that stands still while records wait in it is sought anew."""
        if self._paused or not self._stall.due():
            return
        still = [self._place(partition) for partition in self._stall.standing(self._next)]
        if not still:
            return
        try:
            ends = consumer.end_offsets(still, timeout_ms=_CALL_MS)
            client = {
                place.partition: consumer.position(place, timeout_ms=_CALL_MS) or self._next[place.partition]
                for place in still
            }
        except (KafkaError, AssertionError):  # away, or given away meanwhile
            return
        self._rouse({place.partition: end for place, end in ends.items()}, client)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Notes what the group does. Called on the client's IO thread: it must neither wait nor raise."""

    def __init__(self, consumer: KafkaConsumer, events: deque[tuple[str, frozenset[int]]]) -> None:
        self._consumer = consumer
        self._events = events

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        for place in assigned:
            # Silent until the main thread has read its position; the placeholder keeps the client from asking Kafka
            # for a committed offset, which is not where we stand.
            self._consumer.pause(place)
            self._consumer.seek(place, 0)
        self._events.append(("gained", frozenset(place.partition for place in assigned)))

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self._events.append(("lost", frozenset(place.partition for place in revoked)))

    def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:
        self.on_partitions_revoked(lost)


def _ignore(offsets: object, response: object) -> None:
    """A best-effort commit ended, well or not."""
