"""The tables of partitions' contexts, beside those of `latentwatch.alerts.tables`."""

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from latentwatch.alerts.columns import Row


class SnapshotRow(Row):
    """The newest context of a partition's entities, without its chunks."""

    __tablename__ = "context_snapshots"

    monitor: Mapped[str] = mapped_column(String(63), primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    partition: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    offset: Mapped[int] = mapped_column(BigInteger)
    """Every record before it is in the context."""
    bundle: Mapped[str]
    blob: Mapped[bytes]
    """What the context has besides its chunks; the whole of it where the stamp is empty."""
    stamp: Mapped[str] = mapped_column(String(16), server_default="")
    """Tells this snapshot from the one that it replaced; empty where a version without chunks wrote it."""
    updated: Mapped[datetime]


class ContextChunkRow(Row):
    """A piece of a chunk of a partition's newest context: some thousand entities, or what is too long of them for one."""

    __tablename__ = "context_chunks"

    monitor: Mapped[str] = mapped_column(String(63), primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    partition: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    chunk: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    piece: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[bytes]
