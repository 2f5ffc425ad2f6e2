"""Monitors that somebody registered: how the review app, the retraining and the outbox know them."""

from collections.abc import Collection

from sqlalchemy import Engine, select

from latentwatch.alerts.session import reading, transaction
from latentwatch.alerts.tables import MonitorRow
from latentwatch.alerts.upserts import insert_new
from latentwatch.domain.clock import Clock, SystemClock
from latentwatch.domain.errors import NotFound
from latentwatch.domain.monitor import Monitor, dump_monitor, parse_monitor


def register_monitor(engine: Engine, monitor: Monitor, clock: Clock | None = None) -> None:
    """Write a monitor down, over an earlier definition of the same name. Raises Unavailable."""
    now = (clock or SystemClock()).now()
    definition = {"definition": dump_monitor(monitor), "notify": list(monitor.alert.notify), "updated": now}
    with transaction(engine) as session:
        insert_new(session.connection(), MonitorRow, [{"name": monitor.name, "created": now, **definition}])
        row = session.get_one(MonitorRow, monitor.name, with_for_update=True)
        if row.definition != definition["definition"]:
            for column, value in definition.items():
                setattr(row, column, value)


def monitors(engine: Engine) -> list[Monitor]:
    """Every registered monitor, by name. Raises Unavailable."""
    with reading(engine) as session:
        rows = session.execute(select(MonitorRow.name, MonitorRow.definition).order_by(MonitorRow.name)).all()
    return [parse_monitor(definition, f"registered monitor {name}") for name, definition in rows]


def monitors_named(engine: Engine, names: Collection[str]) -> list[Monitor]:
    """Those of these monitors that are registered, by name. Raises Unavailable."""
    row = MonitorRow
    named = select(row.name, row.definition).where(row.name.in_(names)).order_by(row.name).limit(len(names))
    with reading(engine) as session:
        rows = session.execute(named).all()
    return [parse_monitor(definition, f"registered monitor {name}") for name, definition in rows]


def registered_monitor(engine: Engine, name: str) -> Monitor:
    """One registered monitor. Raises NotFound, and Unavailable."""
    with reading(engine) as session:
        definition = session.scalar(select(MonitorRow.definition).where(MonitorRow.name == name))
        known = session.scalars(select(MonitorRow.name).order_by(MonitorRow.name).limit(20)).all()
    if definition is None:
        raise NotFound(
            f"monitor {name!r} is not registered (registered: {', '.join(known) or 'none'}); "
            "train it or score it once, which registers it"
        )
    return parse_monitor(definition, f"registered monitor {name}")
