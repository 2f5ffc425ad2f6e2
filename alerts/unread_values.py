"""Values that their features cannot have: counted in the transaction that scores their messages without them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, func, select, update

from latentwatch.alerts.columns import storable
from latentwatch.alerts.session import reading
from latentwatch.alerts.unread_table import UnreadValueRow
from latentwatch.alerts.upserts import insert_new
from latentwatch.domain.outcome import Outcome
from latentwatch.domain.record import UnreadValue

KEPT = 10
"""Messages of a partition and field that are kept as they were sent."""
_MOST_PAYLOAD = 4_000
_MOST_FIELDS = 200


@dataclass(frozen=True, slots=True)
class UnreadField:
    """A field that could not be read in some messages of a monitor's streams."""

    field: str
    messages: int
    reason: str
    """Why, in the latest of them."""
    since: datetime
    latest: datetime
    first: tuple[str, ...]
    """The first of the messages as they were sent, of one partition."""


def add_unread(connection: Connection, outcome: Outcome, now: datetime) -> None:
    """Count a batch's values. Nobody else counts those of its partitions, whose offsets it moves."""
    found: dict[tuple[str, int, str], list[UnreadValue]] = {}
    for value in outcome.unread:
        at = value.position
        found.setdefault((at.source, at.partition, storable(value.feature)), []).append(value)
    row = UnreadValueRow
    for (source, partition, field), values in sorted(found.items()):
        key = {"monitor": outcome.monitor, "source": source, "partition": partition, "field": field}
        stored = connection.execute(select(row.messages, row.first).filter_by(**key)).one_or_none()
        kept = [] if stored is None else list(stored.first)
        kept += [
            {
                "offset": value.position.offset,
                "payload": storable(value.payload[:_MOST_PAYLOAD].decode(errors="replace")),
            }
            for value in values[: KEPT - len(kept)]
        ]
        changed = {"reason": values[-1].reason, "first": kept, "latest": now}
        if stored is None:
            insert_new(connection, row, [{**key, "messages": len(values), "since": now, **changed}])
        else:
            changed["messages"] = stored.messages + len(values)
            connection.execute(update(row).filter_by(**key).values(changed))


def unread_fields(engine: Engine, monitor: str, limit: int = 50) -> tuple[UnreadField, ...]:
    """A monitor's fields that could not be read in some messages, the latest first."""
    row = UnreadValueRow
    latest = func.max(row.latest)
    fields = (
        select(row.field, func.sum(row.messages).label("messages"), func.min(row.since).label("since"))
        .where(row.monitor == monitor)
        .group_by(row.field)
        .order_by(latest.desc(), row.field)
        .limit(max(1, min(limit, _MOST_FIELDS)))
    )
    with reading(engine) as session:
        found = []
        for each in session.execute(fields).all():
            of_field = select(row).where(row.monitor == monitor, row.field == each.field)
            last = session.scalars(of_field.order_by(row.latest.desc(), row.partition).limit(1)).one()
            sent = tuple(str(one["payload"]) for one in last.first)
            found.append(UnreadField(each.field, int(each.messages), last.reason, each.since, last.latest, sent))
        return tuple(found)
