"""The one transaction: what a micro-batch changes becomes visible whole, exactly once, or not at all.

Outcome → Receipt. The first statement moves every partition's offset by compare-and-swap: where another process has
moved one, nothing of the batch is written. After that everything else can be plain inserts and additions, because
nobody else can be writing the same records.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, bindparam, func, insert, select, update

from latentwatch.alerts.amending import correct, remember_raised, take_turns_with
from latentwatch.alerts.announcing import News, announce, announce_over
from latentwatch.alerts.contexts import open_chunks, read_heads, replace_heads, write_chunks
from latentwatch.alerts.counting import add_counts
from latentwatch.alerts.ending import end_alerts
from latentwatch.alerts.episodes import StoredBefore, entity_key, keep_recoveries, store_flagged
from latentwatch.alerts.exceptions import add_excepted
from latentwatch.alerts.missed_runs import store_missed
from latentwatch.alerts.outbox import announce_changes
from latentwatch.alerts.reminding import woken
from latentwatch.alerts.session import reading, transaction
from latentwatch.alerts.stopped_sending import close_stopped, open_stopped, reveal_outlasting
from latentwatch.alerts.tables import (
    AuditRow,
    DeadLetterRow,
    EntityRow,
    OffsetRow,
    TraceRow,
)
from latentwatch.alerts.unread_values import add_unread
from latentwatch.alerts.upserts import insert_new, insert_or_renew, insert_or_replace
from latentwatch.domain.clock import Clock, SystemClock, to_microseconds
from latentwatch.domain.errors import PartitionLost
from latentwatch.domain.outcome import AuditEntry, Outcome, Receipt, StoredSnapshot
from latentwatch.domain.record import first_name

TRACE_SLOTS = 1801
"""Length of an entity's trace: half an hour at one record a second.

A prime, so that records that come at any steady pace, say one a minute, fill the whole ring and not every sixtieth slot.
"""

_REVEAL_EVERY = timedelta(seconds=10)
"""How often a commit looks for entities that still send nothing after a silence, and for alerts whose snooze has ended."""


class AlertStore:
    """One monitor's results. Safe to share between threads.

    `durable=False` does not wait for the disk: after a power cut the stream is rewound by what was lost and scored again,
    so the promise holds; docs/decisions/relaxed-durability.md says more.
    """

    def __init__(
        self,
        engine: Engine,
        monitor: str,
        clock: Clock | None = None,
        *,
        durable: bool = True,
        trace_slots: int = TRACE_SLOTS,
    ) -> None:
        self.monitor = monitor
        self._engine = engine
        self._clock = clock or SystemClock()
        self._durable = durable
        self._trace_slots = trace_slots
        self._revealed = datetime.min.replace(tzinfo=UTC)

    def positions(self, source: str) -> dict[int, int]:
        """The first offset not yet accounted for of every partition that was ever claimed. Raises Unavailable."""
        row = OffsetRow
        with reading(self._engine) as session:
            found = session.execute(
                select(row.partition, row.next_offset).where(row.monitor == self.monitor, row.source == source)
            )
            return dict(found.all())

    def begin(
        self, source: str, starts: Mapping[int, int], topic_id: str | None = None, note: AuditEntry | None = None
    ) -> dict[int, int]:
        """Store where to begin reading a source, in all its partitions or, where it has positions already, in none.

        `starts` names every partition the source has now, `topic_id` what the broker calls the topic; `note` goes to the
        audit table if this call is what began it. Returns the positions in force. Raises Unavailable.
        """
        row, now = OffsetRow, self._clock.now()
        rows = [self._offset(source, partition, start, topic_id, now) for partition, start in sorted(starts.items())]
        mine = select(row.partition, row.next_offset).where(row.monitor == self.monitor, row.source == source)
        with transaction(self._engine) as session:
            connection = session.connection()
            # Of several that begin at once, the one that inserts the lowest partition inserts the others too.
            if rows and not session.execute(mine).all() and insert_new(connection, row, rows[:1]):
                insert_new(connection, row, rows[1:])
                if note is not None:
                    write_audit(connection, self.monitor, source, (note,), now)
            return dict(session.execute(mine).all())

    def claim(self, source: str, partition: int, offset: int, topic_id: str | None = None) -> int:
        """Where to begin reading a partition: what is stored, or `offset`, stored now, where nothing is.

        Raises Unavailable.
        """
        key = {"monitor": self.monitor, "source": source, "partition": partition}
        with transaction(self._engine) as session:
            values = self._offset(source, partition, offset, topic_id, self._clock.now())
            insert_new(session.connection(), OffsetRow, [values])
            stored = session.execute(select(OffsetRow.next_offset).filter_by(**key))
            return int(stored.scalar_one())

    def _offset(
        self, source: str, partition: int, offset: int, topic_id: str | None, now: datetime
    ) -> dict[str, object]:
        return {
            "monitor": self.monitor,
            "source": source,
            "partition": partition,
            "next_offset": offset,
            "topic_id": topic_id,
            "updated": now,
        }

    def topics_of(self, source: str) -> dict[str, str | None]:
        """The stream of this name and those that continue it in a topic made anew: each with its topic's id, where known.

        Raises Unavailable.
        """
        row = OffsetRow
        with reading(self._engine) as session:
            found = session.execute(
                select(row.source, func.max(row.topic_id))
                .where(row.monitor == self.monitor)
                .group_by(row.source)
                .order_by(row.source)
            )
            return {name: topic_id for name, topic_id in found if first_name(name) == source}

    def learn_topic(self, source: str, topic_id: str) -> None:
        """Note the topic of offsets from before topics were told apart. Raises Unavailable."""
        row = OffsetRow
        with transaction(self._engine) as session:
            session.execute(
                update(row)
                .where(row.monitor == self.monitor, row.source == source, row.topic_id.is_(None))
                .values(topic_id=topic_id)
            )

    def commit(self, outcome: Outcome) -> Receipt:
        """Write everything a micro-batch changes, in one transaction.

        Raises PartitionLost, with every partition that another process moved or whose context it wrote, and writes
        nothing then. Raises
        Unavailable when the database is away; the acknowledgement may have been lost, so ask `positions` before repeating.
        """
        if outcome.monitor != self.monitor:
            raise ValueError(f"an outcome of monitor {outcome.monitor!r} was given to the store of {self.monitor!r}")
        try:
            try:
                return self._write(outcome, look_first=False)
            except StoredBefore:
                return self._write(outcome, look_first=True)
        except _Overtaken as found:
            raise _lost(outcome, self.positions(outcome.source), found.partitions) from None

    def _write(self, outcome: Outcome, *, look_first: bool) -> Receipt:
        now = self._clock.now()
        gap, settle = (timedelta(seconds=each) for each in (outcome.group_gap_seconds, outcome.settle_seconds))
        receipt, look_again = Receipt(), now - self._revealed >= _REVEAL_EVERY
        with transaction(self._engine, durable=self._durable) as session:
            connection = session.connection()
            _move_offsets(connection, outcome, now)
            if strangers := replace_heads(connection, outcome, now):
                raise _Overtaken(strangers)
            _write_trace(connection, outcome, self._trace_slots)
            if outcome.amendments:
                take_turns_with(connection, self.monitor, outcome.amendments, outcome.flagged)
                corrected = correct(connection, self.monitor, outcome.amendments, outcome.incident_rule, now)
                announce(connection, self.monitor, corrected, now, settle)
            if outcome.flagged:
                receipt, news = store_flagged(
                    connection, self.monitor, outcome.flagged, gap, outcome.incident_rule, now,
                    look_first=look_first, stretches=outcome.stretches,
                )  # fmt: skip
                announce(connection, self.monitor, news, now, settle)
            keep_recoveries(connection, self.monitor, () if outcome.flagged else outcome.stretches, gap)
            remember_raised(connection, self.monitor, outcome.amendments, now)
            missed, came = store_missed(
                connection, self.monitor, outcome.source, outcome.missed, outcome.incident_rule, now
            )
            spoke = close_stopped(connection, self.monitor, outcome.heard, now)
            stopped = open_stopped(
                connection, self.monitor, outcome.source, outcome.stopped, outcome.incident_rule, now
            )
            told = {alert: last for alert, last in (stopped | missed).items() if last is not None}
            if look_again:
                told |= reveal_outlasting(connection, self.monitor, outcome.incident_rule, now)
                woken(connection, self.monitor, now)
            announce(connection, self.monitor, News(told), now, settle)
            _write_dead_letters(connection, outcome, now)
            add_unread(connection, outcome, now)
            _write_entities(connection, outcome, now)
            over = end_alerts(connection, outcome, gap, now)
            # A payment that stands alone is over and not normal again: nobody is told, and it waits for its label.
            recovered = () if outcome.one_by_one else over
            announce_over(connection, self.monitor, [*came, *spoke, *recovered], now, settle)
            write_chunks(connection, outcome)
            write_audit(connection, outcome.monitor, outcome.source, outcome.audit, now)
            announce_changes(connection, outcome.monitor, outcome.audit, now)
            add_counts(connection, outcome)
            add_excepted(connection, self.monitor, outcome.excepted)
        if look_again:
            self._revealed = now
        return replace(receipt, alerts_opened=(*receipt.alerts_opened, *missed, *stopped))

    def snapshots(self, source: str, partitions: Iterable[int]) -> dict[int, StoredSnapshot]:
        """The newest snapshot of each of these partitions that has one. Raises Unavailable."""
        return read_heads(self._engine, self.monitor, source, partitions)

    def chunks(self, source: str, snapshot: StoredSnapshot) -> AbstractContextManager[Iterator[bytes]]:
        """Its chunks in order, one of them in memory at a time.

        Raises Unavailable, also where another snapshot has taken its place since it was read.
        """
        return open_chunks(self._engine, self.monitor, source, snapshot)


_MOVE = (
    update(OffsetRow)
    .where(
        OffsetRow.monitor == bindparam("of_monitor"),
        OffsetRow.source == bindparam("of_source"),
        OffsetRow.partition == bindparam("of_partition"),
        OffsetRow.next_offset == bindparam("start"),
    )
    .values(
        next_offset=bindparam("end"),
        updated=bindparam("now"),
        scored=OffsetRow.scored + bindparam("more_scored"),
        aligned=OffsetRow.aligned + bindparam("more_aligned"),
        passed=OffsetRow.passed + bindparam("more_passed"),
        dead=OffsetRow.dead + bindparam("more_dead"),
    )
)


def _move_offsets(connection: Connection, outcome: Outcome, now: datetime) -> None:
    """Compare-and-swap every offset; the counts stand at the lowest partition."""
    if not outcome.moves:
        return
    counts = {
        "more_scored": sum(count.scored for count in outcome.counts),
        "more_aligned": outcome.aligned,
        "more_passed": outcome.passed,
        "more_dead": len(outcome.dead_letters),
    }
    moves = [
        {
            "of_monitor": outcome.monitor,
            "of_source": outcome.source,
            "of_partition": move.partition,
            "start": move.start,
            "end": move.end,
            "now": now,
            **(counts if place == 0 else dict.fromkeys(counts, 0)),
        }
        for place, move in enumerate(sorted(outcome.moves, key=lambda move: move.partition))
    ]
    if connection.execute(_MOVE, moves).rowcount != len(moves):
        raise _Overtaken([])


class _Overtaken(Exception):
    """Some offset, or the snapshot of one of `partitions`, was not what this process left."""

    def __init__(self, partitions: list[int]) -> None:
        self.partitions = partitions


def _lost(outcome: Outcome, stored: dict[int, int], strangers: list[int]) -> PartitionLost:
    lost = sorted({move.partition for move in outcome.moves if stored.get(move.partition) != move.start} | {*strangers})
    seen = ", ".join(
        f"{partition} has another context" if partition in strangers
        else f"{partition} is at {stored.get(partition, 'no offset')}"
        for partition in lost
    )  # fmt: skip
    return PartitionLost(
        f"{outcome.source} of monitor {outcome.monitor}: another process has moved what this one was working on "
        f"(partition {seen}); nothing was written, read the stored positions before going on",
        tuple(lost),
    )


def _write_trace(connection: Connection, outcome: Outcome, slots: int) -> None:
    """Put sampled records into their entities' rings, each over the oldest; never over a newer one."""
    newest: dict[tuple[str, int], dict[str, object]] = {}
    for point in sorted(outcome.trace, key=lambda point: point.time):
        entity = entity_key(point.entity)
        slot = to_microseconds(point.time) // 1_000_000 % slots
        newest[entity, slot] = {
            "monitor": outcome.monitor,
            "entity": entity,
            "slot": slot,
            "time": point.time,
            "partition": point.partition,
            "offset": point.offset,
            "surprise": point.surprise,
            "reconstruction": point.reconstruction,
            "density": point.density,
            "flagged": point.flagged,
            "values": point.values,
        }
    insert_or_renew(connection, TraceRow, [newest[key] for key in sorted(newest)])


def _write_dead_letters(connection: Connection, outcome: Outcome, now: datetime) -> None:
    letters = {letter.position: letter for letter in outcome.dead_letters}
    insert_new(
        connection,
        DeadLetterRow,
        [
            {
                "monitor": outcome.monitor,
                "source": position.source,
                "partition": position.partition,
                "offset": position.offset,
                "reason": letter.reason,
                "payload": letter.payload,
                "created": now,
            }
            for position, letter in letters.items()
        ],
    )


def _write_entities(connection: Connection, outcome: Outcome, now: datetime) -> None:
    states = {entity_key(state.entity): state for state in outcome.entities}
    rows = [
        {
            "monitor": outcome.monitor,
            "entity": entity,
            "partition": state.partition,
            "last_time": state.last_time,
            "records": state.records,
            "warming": state.warming,
            "updated": now,
        }
        for entity, state in sorted(states.items())
    ]
    insert_or_replace(connection, EntityRow, rows)


def write_audit(
    connection: Connection, monitor: str, source: str, entries: Sequence[AuditEntry], now: datetime
) -> None:
    """Write down what happened to a stream and must not pass silently."""
    if entries:
        rows = [
            {
                "monitor": monitor,
                "source": source,
                "partition": entry.partition,
                "kind": entry.kind,
                "message": entry.message,
                "created": now,
            }
            for entry in entries
        ]
        connection.execute(insert(AuditRow), rows)
