"""Partitions' contexts: a head for each, and its entities in chunks, of which a commit writes those that changed.

A snapshot replaces the one that its stamp names as the one before. Where another process has written one since, chunks of
both would mix: nothing is written then. A chunk lies in pieces of some megabytes, because PostgreSQL reads no value of more
than a gigabyte, half of it as text, and SQLite none of more than 954 MiB.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, delete, select, update

from latentwatch.alerts.context_tables import ContextChunkRow, SnapshotRow
from latentwatch.alerts.postgres_formats import IN_BINARY
from latentwatch.alerts.session import reading
from latentwatch.alerts.upserts import insert_new, insert_or_replace
from latentwatch.domain.errors import Unavailable
from latentwatch.domain.outcome import ContextSnapshot, Outcome, StoredSnapshot

_PIECE_BYTES = 16 * 2**20


def replace_heads(connection: Connection, outcome: Outcome, now: datetime) -> list[int]:
    """Write the heads of an outcome's snapshots; the partitions of which another process has written one meanwhile."""
    return [
        snapshot.partition for snapshot in outcome.snapshots if not _replace_head(connection, outcome, snapshot, now)
    ]


def _replace_head(connection: Connection, outcome: Outcome, snapshot: ContextSnapshot, now: datetime) -> bool:
    values = {
        "offset": snapshot.offset,
        "bundle": snapshot.bundle,
        "blob": snapshot.head,
        "stamp": snapshot.stamp,
        "updated": now,
    }
    given = {f"new_{name}": value for name, value in values.items()}
    # A commit that is repeated, because nobody heard that it had landed, finds its own stamp.
    if connection.execute(_FOLLOW, _of(outcome, snapshot) | given | {"follows": snapshot.follows}).rowcount:
        return True
    key = {"monitor": outcome.monitor, "source": outcome.source, "partition": snapshot.partition}
    return snapshot.follows is None and insert_new(connection, SnapshotRow, [key | values]) > 0


def write_chunks(connection: Connection, outcome: Outcome) -> None:
    """Write the chunks that changed, one at a time, and delete those that are no more."""
    for snapshot in outcome.snapshots:
        of = _of(outcome, snapshot)
        for number, content in snapshot.chunks.items():
            pieces = range(0, len(content), _PIECE_BYTES)
            for piece, start in enumerate(pieces):
                values = {
                    "monitor": outcome.monitor,
                    "source": outcome.source,
                    "partition": snapshot.partition,
                    "chunk": number,
                    "piece": piece,
                    "content": content[start : start + _PIECE_BYTES],
                }
                insert_or_replace(connection, ContextChunkRow, [values])
            connection.execute(_SHORTEN, of | {"of_chunk": number, "pieces": len(pieces)})
        connection.execute(_CUT, of | {"count": snapshot.count})


def read_heads(engine: Engine, monitor: str, source: str, partitions: Iterable[int]) -> dict[int, StoredSnapshot]:
    """The newest snapshot of each of these partitions that has one. Raises Unavailable."""
    row = SnapshotRow
    with reading(engine) as session:
        found = session.execute(
            select(row.partition, row.offset, row.bundle, row.stamp, row.blob).where(
                row.monitor == monitor, row.source == source, row.partition.in_(list(partitions))
            ),
            execution_options=IN_BINARY,
        )
        return {each[0]: StoredSnapshot(*each) for each in found}


@contextmanager
def open_chunks(engine: Engine, monitor: str, source: str, snapshot: StoredSnapshot) -> Iterator[Iterator[bytes]]:
    """The chunks of a snapshot in order, one of them in memory at a time.

    Raises Unavailable, also where another snapshot has taken its place since it was read.
    """
    of = {"of_monitor": monitor, "of_source": source, "of_partition": snapshot.partition}
    with reading(engine) as session:
        connection = session.connection()
        if connection.execute(_STAMP, of).scalar() != snapshot.stamp:
            raise Unavailable(
                f"the context of {source}[{snapshot.partition}] was replaced while it was being read; it is read anew"
            )
        yield _contents(connection, of)


def _contents(connection: Connection, of: dict[str, Any]) -> Iterator[bytes]:
    for number in connection.execute(_NUMBERS, of).scalars().all():
        pieces = connection.execute(_PIECES, of | {"of_chunk": number}, execution_options=IN_BINARY)
        yield b"".join(pieces.scalars())


def _of(outcome: Outcome, snapshot: ContextSnapshot) -> dict[str, Any]:
    return {"of_monitor": outcome.monitor, "of_source": outcome.source, "of_partition": snapshot.partition}


def _belongs(row: type[SnapshotRow] | type[ContextChunkRow]) -> tuple[Any, ...]:
    return (
        row.monitor == bindparam("of_monitor"),
        row.source == bindparam("of_source"),
        row.partition == bindparam("of_partition"),
    )


_chunk = ContextChunkRow
_STAMP = select(SnapshotRow.stamp).where(*_belongs(SnapshotRow))
_FOLLOW = (
    update(SnapshotRow)
    .where(*_belongs(SnapshotRow), SnapshotRow.stamp.in_([bindparam("follows"), bindparam("new_stamp")]))
    .values({name: bindparam(f"new_{name}") for name in ("offset", "bundle", "blob", "stamp", "updated")})
)
_NUMBERS = select(_chunk.chunk).where(*_belongs(_chunk)).distinct().order_by(_chunk.chunk)
_PIECES = select(_chunk.content).where(*_belongs(_chunk), _chunk.chunk == bindparam("of_chunk")).order_by(_chunk.piece)
_SHORTEN = delete(_chunk).where(
    *_belongs(_chunk), _chunk.chunk == bindparam("of_chunk"), _chunk.piece >= bindparam("pieces")
)
_CUT = delete(_chunk).where(*_belongs(_chunk), _chunk.chunk >= bindparam("count"))
