"""Alerts that belong together are one incident.

Revision ID: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """An alert of before is an incident of its own."""
    op.create_table(
        "incident_members",
        sa.Column("alert_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("incident", sa.BigInteger(), nullable=False),
        sa.Column("monitor", sa.String(63), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("onset", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pattern", sa.JSON(), nullable=False),
        sa.Column("decided", sa.String(16), nullable=False),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name=op.f("fk_incident_members_alert_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("alert_id", name=op.f("pk_incident_members")),
    )
    op.create_index("ix_incident_members_incident", "incident_members", ["incident"])
    op.create_index("ix_incident_members_onset", "incident_members", ["monitor", "onset"])
    op.execute(
        "INSERT INTO incident_members (alert_id, incident, monitor, entity, onset, pattern, decided) "
        "SELECT id, id, monitor, entity, started, '{}', 'rule' FROM alerts"
    )
    op.add_column("notifications", sa.Column("occasion", sa.String(16), nullable=False, server_default=""))
    op.add_column("notifications", sa.Column("extent", sa.Integer(), nullable=False, server_default="1"))


def downgrade() -> None:
    """Every alert stands alone again."""
    op.drop_column("notifications", "extent")
    op.drop_column("notifications", "occasion")
    op.drop_table("incident_members")
