"""Scorers say what they are doing every few seconds, so that people can see who is alive, how fast, and how far behind."""

from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta

from sqlalchemy import Engine, select, update

from latentwatch.alerts.session import reading, transaction
from latentwatch.alerts.tables import ScorerRow
from latentwatch.alerts.upserts import insert_or_replace


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What one scorer process says of itself."""

    id: str
    """Unique to the process, such as host-pid-random."""
    monitor: str
    host: str
    pid: int
    started: datetime
    seen: datetime
    last_commit: datetime | None
    partitions: list[int]
    model_version: int | None
    lag: int | None
    """Records in its partitions not scored yet; None where unknown."""
    records: int
    """Scored since it started."""
    records_per_second: float
    state: str
    """In words: scoring, or that the promise no longer holds."""
    stopped: bool = False
    """It ended cleanly."""

    def is_alive(self, now: datetime, unheard: timedelta = timedelta(seconds=30)) -> bool:
        """Whether it was heard from lately and has not said goodbye."""
        return not self.stopped and now - self.seen <= unheard


def beat(engine: Engine, heartbeat: Heartbeat) -> None:
    """Write a heartbeat over the scorer's former one. Raises Unavailable; a scorer goes on without it."""
    with transaction(engine, durable=False) as session:
        insert_or_replace(session.connection(), ScorerRow, [asdict(heartbeat)])


def farewell(engine: Engine, scorer: str, now: datetime) -> None:
    """Mark a scorer as cleanly ended. Raises Unavailable."""
    with transaction(engine) as session:
        session.execute(
            update(ScorerRow)
            .where(ScorerRow.id == scorer)
            .values(stopped=True, state="stopped", seen=now, partitions=[])
        )


def heartbeats(engine: Engine, monitor: str | None = None, since: datetime | None = None) -> list[Heartbeat]:
    """The latest heartbeat of every scorer, newest first, at most 1,000 of them. Raises Unavailable."""
    query = select(*(getattr(ScorerRow, field.name) for field in fields(Heartbeat)))
    if monitor is not None:
        query = query.where(ScorerRow.monitor == monitor)
    if since is not None:
        query = query.where(ScorerRow.seen >= since)
    with reading(engine) as session:
        return [Heartbeat(*row) for row in session.execute(query.order_by(ScorerRow.seen.desc()).limit(1000))]
