"""A Kafka topic read by a consumer group with confluent-kafka (librdkafka); positions come from the database.

The client's callbacks run inside `consume`, in the thread that polls. A partition is placed by assigning it anew at its
offset rather than by the client's seek, which refuses partitions that have not begun to be fetched.
"""

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import confluent_kafka
import numpy as np
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from latentwatch.domain.clock import Clock
from latentwatch.domain.errors import InvalidInput, Unavailable
from latentwatch.streams.kafka.access import CORRECT_ACCESS
from latentwatch.streams.kafka.group_member import GroupMember, Start
from latentwatch.streams.ports import Messages
from latentwatch.streams.segments import segments

log = structlog.get_logger()

_CALL_SECONDS = 5.0
_HOPELESS = {
    KafkaError._AUTHENTICATION,
    KafkaError._SSL,
    KafkaError._UNSUPPORTED_FEATURE,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.UNSUPPORTED_SASL_MECHANISM,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
}
"""Errors that last until somebody corrects a setting."""
_GAPS = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._LOG_TRUNCATION}
"""The broker no longer has what comes next: it was deleted, or the log lost its end."""
_NO_ID = "A" * 22
"""Of a broker before Kafka 2.8."""
_CERTIFICATE_ALERT = re.compile("alert (bad certificate|certificate (required|unknown|expired)|unknown ca)")
"""The broker wants a certificate of ours that it trusts, and has none; with TLS 1.3 that comes after the handshake."""


class ConfluentSource(GroupMember):
    """One topic, as a member of a group. `properties` go to librdkafka as they are (security, timeouts, ...)."""

    def __init__(
        self,
        topic: str,
        servers: str,
        group: str,
        *,
        start: Start = "earliest",
        clock: Clock | None = None,
        on_stall: Callable[[int], None] | None = None,
        properties: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(topic, servers, group, start=start, clock=clock, on_stall=on_stall)
        self._properties = properties or {}
        self._consumer: Any = None
        self._admin: Any = None
        self._assigned: set[int] = set()
        self._refusal = ""

    def open(self) -> None:
        """Connect and join. Raises Unavailable while broker or topic are away, InvalidInput where waiting cannot help."""
        if self._consumer is not None:
            return
        consumer = self._connect()
        try:
            found = consumer.list_topics(self._topic, timeout=_CALL_SECONDS).topics[self._topic]
            if found.error is not None and found.error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise KafkaException(found.error)
        except KafkaException as error:
            consumer.poll(0)  # brings what the connections said: the reason behind a mere timeout
            consumer.close()
            raise self._out_of_reach(error.args[0]) from error
        if found.error is not None or not found.partitions:
            consumer.close()
            raise Unavailable(
                f"topic {self._topic!r} does not exist on Kafka at {self._servers}; create it, or correct"
                " source.kafka.topic in the monitor file"
            )
        try:
            self.topic_id = self._describe()
        except KafkaException as error:
            consumer.close()
            raise self._out_of_reach(error.args[0]) from error
        consumer.subscribe([self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke)
        self._consumer = consumer

    def _connect(self) -> Any:
        self._refusal = ""
        settings: dict[str, Any] = {
            "bootstrap.servers": self._servers,
            "group.id": self._group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "allow.auto.create.topics": False,
            "isolation.level": "read_committed",
            "partition.assignment.strategy": "cooperative-sticky",
            "max.partition.fetch.bytes": 4 << 20,
            "fetch.max.bytes": 16 << 20,
            "queued.max.messages.kbytes": 16 << 10,
            "fetch.queue.backoff.ms": 5,  # a full queue is looked at again soon; by default after a second
            # A scorer that dies is replaced within ten seconds; database and bundle loads do not stop heartbeats.
            "session.timeout.ms": 10_000,
            "heartbeat.interval.ms": 1_000,
            "topic.metadata.refresh.interval.ms": 30_000,
            "reconnect.backoff.max.ms": 2_000,
            "error_cb": self._on_error,
            "log_level": 0,  # what it would print comes to the callback above
        }
        try:
            return Consumer({**settings, **self._properties})
        except KafkaException as error:
            raise InvalidInput(f"confluent-kafka cannot be set up ({error}); correct the Kafka settings") from error

    def _on_error(self, error: Any) -> None:
        if error.code() in _HOPELESS or _CERTIFICATE_ALERT.search(error.str()):
            self._refusal = error.str()
        else:
            log.warning("Kafka reports a fault, going on", reason=f"{error.name()}: {error.str()}")

    def _out_of_reach(self, error: Any) -> InvalidInput | Unavailable:
        if self._refusal or error.code() in _HOPELESS:
            return InvalidInput(
                f"Kafka at {self._servers} refuses us ({self._refusal or error.str()}); {CORRECT_ACCESS}"
            )
        return Unavailable(
            f"Kafka at {self._servers} does not answer ({error.name()}: {error.str()}); start it, or set its address"
        )

    def poll(self, max_records: int, timeout_seconds: float) -> Messages:
        """At most `max_records` messages. A broker that is away brings none; the client reconnects by itself."""
        consumer = self._opened()
        # `consume` waits until it has as many as asked for: take what is there, and wait only for the first.
        found = consumer.consume(max_records, 0)
        if not found and timeout_seconds > 0:
            found = consumer.consume(1, timeout_seconds)
            if found and max_records > 1:
                found += consumer.consume(max_records - 1, 0)
        if self._refusal:
            raise self._out_of_reach(None)
        self._check_stalls()
        return self._genuine(self._columns(found))

    def _columns(self, found: list[Any]) -> Messages:
        # Columns by unbound methods: a third less than asking each message in turn.
        if any(map(Message.error, found)):
            for message in filter(Message.error, found):
                self._note_error(message)
            found = [message for message in found if message.error() is None]
        partitions = np.fromiter(map(Message.partition, found), np.int32, len(found))
        ours = np.isin(partitions, list(self._next))
        if not ours.all():  # given away while they were on their way
            found, partitions = [found[row] for row in np.flatnonzero(ours).tolist()], partitions[ours]
        if (np.diff(partitions) < 0).any():  # a partition's rows together, for whoever walks through them
            order = np.argsort(partitions, kind="stable")
            found, partitions = [found[row] for row in order.tolist()], partitions[order]
        offsets = np.fromiter(map(Message.offset, found), np.int64, len(found))
        for partition, _, last in segments(partitions):
            self._next[partition] = int(offsets[last - 1]) + 1
        timestamps = np.array([time for _, time in map(Message.timestamp, found)], np.int64)
        return Messages(self.name, partitions, offsets, timestamps, list(map(Message.value, found)))

    def _note_error(self, message: Any) -> None:
        error, partition = message.error(), message.partition()
        if error.code() in _GAPS:
            if partition in self._next:
                self._ask_gap(partition)
        elif error.code() in _HOPELESS:
            raise self._out_of_reach(error)
        else:
            log.warning("Kafka reports a fault, going on", reason=f"{error.name()}: {error.str()}")

    def _ask_gap(self, partition: int) -> None:
        """Where a partition begins now whose next offset the broker no longer has."""
        wanted = self._next[partition]
        try:
            begins, _ = self._opened().get_watermark_offsets(self._place(partition), timeout=_CALL_SECONDS)
        except KafkaException as error:
            log.warning("cannot ask where a partition begins", reason=str(error))
            self.seek(partition, wanted)  # meets the gap again
            return
        self._note_gap(partition, wanted, begins)

    def seek(self, partition: int, offset: int) -> None:
        """Deliver a partition from this offset on. Raises KeyError where it is not assigned."""
        if partition not in self._assigned:
            raise KeyError(partition)
        consumer, place = self._opened(), self._place(partition, offset)
        consumer.incremental_unassign([place])
        consumer.incremental_assign([place])
        if self._paused:
            self._silence([partition])
        else:
            self._let_speak([partition])
        self._next[partition] = offset

    def starts(self) -> dict[int, int]:
        """The earliest or the latest offset of every partition, as the monitor says. Raises Unavailable."""
        try:
            known = sorted(
                self._opened().list_topics(self._topic, timeout=_CALL_SECONDS).topics[self._topic].partitions
            )
        except KafkaException as error:
            raise self._out_of_reach(error.args[0]) from error
        return {partition: self._watermarks(partition)[self._start == "latest"] for partition in known}

    def start_offset(self, partition: int) -> int:
        """The earliest offset. Raises Unavailable."""
        return self._watermarks(partition)[0]

    def _watermarks(self, partition: int) -> tuple[int, int]:
        try:
            first, end = self._opened().get_watermark_offsets(self._place(partition), timeout=_CALL_SECONDS)
        except KafkaException as error:
            raise self._out_of_reach(error.args[0]) from error
        return int(first), int(end)

    def _ask_topic_id(self) -> str | None:
        try:
            return self._describe()
        except KafkaException as error:
            log.debug("cannot ask for the topic's id", reason=str(error))
            return None

    def _describe(self) -> str | None:
        """The topic's id, which only the administrator's client is told. Raises KafkaException."""
        if self._admin is None:
            quiet = {"bootstrap.servers": self._servers, "error_cb": lambda error: None, "log_level": 0}
            self._admin = AdminClient({**quiet, **self._properties})
        answers = self._admin.describe_topics(TopicCollection([self._topic]), request_timeout=_CALL_SECONDS)
        found = str(answers[self._topic].result().topic_id)
        return None if found == _NO_ID else found

    def lag(self) -> dict[int, int]:
        """Records behind the end as the last fetch saw it."""
        ends = self._ends(self._next)
        return {partition: max(0, end - self._next[partition]) for partition, end in ends.items()}

    def acknowledge(self, positions: dict[int, int]) -> None:
        """Commit positions to Kafka for its lag tools; nobody reads them back, failures are of no account."""
        offsets = [self._place(partition, offset) for partition, offset in positions.items() if partition in self._next]
        if offsets:
            try:
                self._opened().commit(offsets=offsets, asynchronous=True)
            except KafkaException as error:
                log.debug("positions not told to Kafka", reason=str(error))

    def close(self) -> None:
        """Leave the group."""
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            self._next.clear()
            consumer.close()

    def _opened(self) -> Any:
        self.open()
        assert self._consumer is not None
        return self._consumer

    def _place(self, partition: int, offset: int = confluent_kafka.OFFSET_INVALID) -> TopicPartition:
        return TopicPartition(self._topic, partition, offset)

    def _silence(self, partitions: Iterable[int]) -> None:
        self._each(self._opened().pause, partitions)

    def _let_speak(self, partitions: Iterable[int]) -> None:
        self._each(self._opened().resume, partitions)

    def _each(self, act: Callable[[list[TopicPartition]], None], partitions: Iterable[int]) -> None:
        for partition in partitions:
            with suppress(KafkaException):  # given away meanwhile; the callback has noted it
                act([self._place(partition)])

    def _on_assign(self, consumer: Any, places: list[TopicPartition]) -> None:
        # Silent until its position has been read; the offset only keeps the client from asking Kafka for a committed one.
        consumer.incremental_assign([self._place(place.partition, 0) for place in places])
        for place in places:
            self._each(consumer.pause, [place.partition])
            self._assigned.add(place.partition)
            self._note_gained(place.partition)

    def _on_revoke(self, consumer: Any, places: list[TopicPartition]) -> None:
        for place in places:
            self._assigned.discard(place.partition)
            self._note_lost(place.partition)

    def _ends(self, partitions: Iterable[int]) -> dict[int, int]:
        """Where partitions end as the last fetch saw it, where that is known."""
        consumer, ends = self._opened(), {}
        for partition in partitions:
            try:
                _, end = consumer.get_watermark_offsets(self._place(partition), cached=True)
            except KafkaException:  # no longer assigned
                continue
            if end >= 0:
                ends[partition] = end
        return ends

    def _check_stalls(self) -> None:
        """A partition that stands still while its end grows is sought anew."""
        if self._paused or not self._stall.due():
            return
        self._rouse(self._ends(self._stall.standing(self._next)))
