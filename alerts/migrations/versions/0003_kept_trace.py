"""What led up to alerts is kept once for an entity, not once for every alert.

Revision ID: 0003
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_BEFORE = 240
"""Points before an alert that it kept for itself."""
_BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_POINT = ("surprise", "reconstruction", "density", "flagged", "values")
_NAMES = ", ".join(f'"{name}"' for name in _POINT)
_OF_K = ", ".join(f'k."{name}"' for name in _POINT)


def _point() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("surprise", sa.Double(), nullable=False),
        sa.Column("reconstruction", sa.Double(), nullable=False),
        sa.Column("density", sa.Double(), nullable=False),
        sa.Column("flagged", sa.Boolean(), nullable=False),
        sa.Column("values", sa.JSON(), nullable=False),
    )


def upgrade() -> None:
    """Keep each point once."""
    op.create_table(
        "kept_trace",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("alert_id", _BIG_KEY, nullable=False),
        *_point(),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name=op.f("fk_kept_trace_alert_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("monitor", "entity", "time", name=op.f("pk_kept_trace")),
    )
    op.create_index("ix_kept_trace_alert", "kept_trace", ["alert_id"])
    op.execute(
        f"INSERT INTO kept_trace (monitor, entity, time, alert_id, {_NAMES}) "
        f"SELECT monitor, entity, time, alert_id, {_NAMES} FROM alert_trace JOIN alerts ON alerts.id = alert_id "
        "WHERE true ORDER BY alert_id ON CONFLICT DO NOTHING"
    )
    op.drop_table("alert_trace")


def downgrade() -> None:
    """Give every alert its own points again."""
    op.create_table(
        "alert_trace",
        sa.Column("alert_id", _BIG_KEY, nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        *_point(),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name=op.f("fk_alert_trace_alert_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("alert_id", "time", name=op.f("pk_alert_trace")),
    )
    op.execute(
        f"INSERT INTO alert_trace (alert_id, time, {_NAMES}) SELECT id, time, {_NAMES} FROM "
        f"(SELECT alerts.id, k.time, {_OF_K}, row_number() OVER (PARTITION BY alerts.id ORDER BY k.time DESC) AS place "
        "FROM alerts JOIN kept_trace k ON k.monitor = alerts.monitor AND k.entity = alerts.entity "
        f"AND k.time <= alerts.started WHERE alerts.kind = 'anomaly') AS points WHERE place <= {_BEFORE}"
    )
    op.drop_table("kept_trace")
