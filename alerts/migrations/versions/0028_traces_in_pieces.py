"""Kept traces are stored piece by piece, not point by point.

Revision ID: 0028
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op

from latentwatch.alerts.columns import BigKey, UtcTime
from latentwatch.alerts.trace_column import PackedTrace
from latentwatch.domain.outcome import TracePoint
from latentwatch.domain.trace_block import block_of_points

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_AT_ONCE = 100
_POINTS = sa.table(
    "kept_trace",
    sa.column("monitor", sa.String()), sa.column("entity", sa.Text()), sa.column("time", UtcTime()),
    sa.column("alert_id", sa.BigInteger()), sa.column("leads_up", sa.Boolean()), sa.column("surprise", sa.Double()),
    sa.column("reconstruction", sa.Double()), sa.column("density", sa.Double()), sa.column("flagged", sa.Boolean()),
    sa.column("values", sa.JSON()), sa.column("records", sa.Integer()), sa.column("low", sa.JSON()),
    sa.column("high", sa.JSON()),
)  # fmt: skip
_PIECES = sa.table(
    "kept_traces",
    sa.column("id", sa.BigInteger()), sa.column("alert_id", sa.BigInteger()), sa.column("monitor", sa.String()),
    sa.column("entity", sa.Text()), sa.column("since", UtcTime()), sa.column("until", UtcTime()),
    sa.column("leads_up", sa.Boolean()), sa.column("points", PackedTrace()),
)  # fmt: skip
_OWN = ("surprise", "reconstruction", "density", "flagged", "values", "records", "low", "high")


def upgrade() -> None:
    """Every alert's points become one piece of what led up to it, and one of its course."""
    op.create_table(
        "kept_traces",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("alert_id", BigKey, nullable=False),
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("leads_up", sa.Boolean(), nullable=False),
        sa.Column("points", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name=op.f("fk_kept_traces_alert_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kept_traces")),
    )
    op.create_index(op.f("ix_kept_traces_alert_id"), "kept_traces", ["alert_id"])
    op.create_index(op.f("ix_kept_traces_monitor_entity_until"), "kept_traces", ["monitor", "entity", "until"])
    op.add_column("alert_courses", sa.Column("trace_pieces", sa.Integer(), server_default="1", nullable=False))
    with op.batch_alter_table("alert_courses") as courses:
        courses.alter_column("trace_pieces", server_default=None)
    connection = op.get_bind()
    for start, stop in _spans(connection, "kept_trace"):
        theirs = sa.select(_POINTS).where(_POINTS.c.alert_id >= start, _POINTS.c.alert_id < stop)
        rows = connection.execute(theirs.order_by(_POINTS.c.alert_id, _POINTS.c.leads_up, _POINTS.c.time)).all()
        pieces = [_piece(list(points)) for _, points in groupby(rows, key=lambda row: (row.alert_id, row.leads_up))]
        if pieces:
            connection.execute(sa.insert(_PIECES), pieces)
    op.drop_table("kept_trace")


def _spans(connection: sa.Connection, table: str) -> Iterator[tuple[int, int]]:
    """Numbers of alerts, a hundred at a time."""
    first, last = connection.execute(sa.text(f"SELECT min(alert_id), max(alert_id) FROM {table}")).one()
    for start in range(first or 0, (last or -1) + 1, _AT_ONCE):
        yield start, start + _AT_ONCE


def _piece(rows: list[Any]) -> dict[str, Any]:
    points = [
        TracePoint(
            entity=row.entity, time=row.time, offset=-1, partition=-1, **{name: row._mapping[name] for name in _OWN}
        )
        for row in rows
    ]
    first = rows[0]
    return {
        "alert_id": first.alert_id,
        "monitor": first.monitor,
        "entity": first.entity,
        "since": points[0].time,
        "until": points[-1].time,
        "leads_up": first.leads_up,
        "points": block_of_points(points),
    }


def downgrade() -> None:
    """Every point gets a row again; of two at one moment of an entity the earlier alert's."""
    op.create_table(
        "kept_trace",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("alert_id", BigKey, nullable=False),
        sa.Column("leads_up", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("surprise", sa.Double(), nullable=False),
        sa.Column("reconstruction", sa.Double(), nullable=False),
        sa.Column("density", sa.Double(), nullable=False),
        sa.Column("flagged", sa.Boolean(), nullable=False),
        sa.Column("values", sa.JSON(), nullable=False),
        sa.Column("records", sa.Integer(), server_default="1", nullable=False),
        sa.Column("low", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("high", sa.JSON(), server_default="{}", nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name=op.f("fk_kept_trace_alert_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("monitor", "entity", "time", name=op.f("pk_kept_trace")),
    )
    op.create_index("ix_kept_trace_alert", "kept_trace", ["alert_id"])
    connection = op.get_bind()
    written: set[tuple[str, str, Any]] = set()
    for start, stop in _spans(connection, "kept_traces"):
        theirs = sa.select(_PIECES).where(_PIECES.c.alert_id >= start, _PIECES.c.alert_id < stop)
        rows = []
        for piece in connection.execute(theirs.order_by(_PIECES.c.alert_id, _PIECES.c.id)):
            for point in piece.points.points(piece.entity):
                key = (piece.monitor, piece.entity, point.time)
                if key not in written:
                    written.add(key)
                    rows.append(_point(piece, point))
        if rows:
            connection.execute(sa.insert(_POINTS), rows)
    op.drop_table("kept_traces")
    op.drop_column("alert_courses", "trace_pieces")


def _point(piece: Any, point: TracePoint) -> dict[str, Any]:
    return {
        "monitor": piece.monitor,
        "entity": piece.entity,
        "time": point.time,
        "alert_id": piece.alert_id,
        "leads_up": piece.leads_up,
        **{name: getattr(point, name) for name in _OWN},
    }
