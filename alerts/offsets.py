"""Where a monitor's streams stand, for people; and moving them, so that a running scorer finds out.

A moved offset fails the compare-and-swap of every commit that did not know of it (docs/decisions/one-transaction.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, delete, select

from latentwatch.alerts.columns import Row
from latentwatch.alerts.session import reading, transaction
from latentwatch.alerts.store import write_audit
from latentwatch.alerts.tables import OffsetRow
from latentwatch.domain.clock import Clock, SystemClock
from latentwatch.domain.outcome import AuditEntry

_CONTEXTS = [table for table in Row.metadata.sorted_tables if table.name.startswith("context_")]
"""Tables of what is remembered of a partition's entities, at an offset."""


@dataclass(frozen=True, slots=True)
class StoredOffset:
    """Where one partition of a stream stands."""

    source: str
    partition: int
    next_offset: int
    """The first offset that is not accounted for yet."""
    topic_id: str | None
    updated: datetime


def stored_offsets(engine: Engine, monitor: str) -> list[StoredOffset]:
    """Where every partition of a monitor's streams stands, in order. Raises Unavailable."""
    row = OffsetRow
    with reading(engine) as session:
        found = session.execute(
            select(row.source, row.partition, row.next_offset, row.topic_id, row.updated)
            .where(row.monitor == monitor)
            .order_by(row.source, row.partition)
        )
        return [StoredOffset(*each) for each in found]


def move_offsets(
    engine: Engine,
    monitor: str,
    source: str,
    targets: Mapping[int, int],
    topic_id: str | None,
    why: str,
    clock: Clock | None = None,
) -> dict[int, int | None]:
    """Move partitions to `targets`, or begin them there, with a row of audit each; where they stood when that happened.

    What was remembered of their entities goes: it ends at another offset. Raises Unavailable.
    """
    now, row = (clock or SystemClock()).now(), OffsetRow
    former: dict[int, int | None] = {}
    with transaction(engine) as session:
        for partition, target in sorted(targets.items()):
            key = {"monitor": monitor, "source": source, "partition": partition}
            stored = session.get(row, tuple(key.values()), with_for_update=True)
            if stored is None:
                session.add(row(**key, next_offset=target, topic_id=topic_id, updated=now))
                former[partition] = None
            else:
                former[partition] = stored.next_offset
                stored.next_offset, stored.topic_id, stored.updated = target, topic_id, now
        connection = session.connection()
        for table in _CONTEXTS:
            connection.execute(
                delete(table).where(
                    table.c.monitor == monitor, table.c.source == source, table.c.partition.in_(list(targets))
                )
            )
        notes = [
            AuditEntry(
                "offsets_reset", partition, f"{source}[{partition}]: {in_words(before, targets[partition])}, {why}"
            )
            for partition, before in former.items()
        ]
        write_audit(connection, monitor, source, notes, now)
    return former


def in_words(before: int | None, after: int) -> str:
    """What a move means.

    >>> in_words(120, 20)
    'from 120 to 20, 100 offsets to be scored again'
    """
    if before is None:
        return f"begins at {after}"
    step = f"{abs(after - before):,} offsets"
    meaning = (
        "nothing changes" if after == before else f"{step} {'skipped' if after > before else 'to be scored again'}"
    )
    return f"from {before} to {after}, {meaning}"
