"""Alerts say whether they are over.

Revision ID: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Closed alerts are taken to be over; of the others the next records tell."""
    op.add_column("alerts", sa.Column("over", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.execute("UPDATE alerts SET over = (status = 'closed')")
    op.create_index(
        "ix_alerts_going_on",
        "alerts",
        ["monitor", "ended"],
        sqlite_where=sa.text("over = 0"),
        postgresql_where=sa.text("NOT over"),
    )


def downgrade() -> None:
    """Nothing says so any more."""
    op.drop_index("ix_alerts_going_on", "alerts")
    op.drop_column("alerts", "over")
