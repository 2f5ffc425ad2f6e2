"""Silences that people set, and which one an alert was hidden by.

Revision ID: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Nothing was hidden before."""
    op.create_table(
        "silences",
        sa.Column("id", _BIG_KEY, nullable=False),
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("feature", sa.Text(), nullable=False),
        sa.Column("begins", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends", sa.DateTime(timezone=True), nullable=True),
        sa.Column("weekly", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_silences")),
    )
    op.create_index("ix_silences_monitor", "silences", ["monitor", "ends"])
    op.add_column("alerts", sa.Column("silence_id", _BIG_KEY, nullable=True))
    op.create_index("ix_alerts_silence", "alerts", ["silence_id"])


def downgrade() -> None:
    """What was hidden is put away: nobody asked to be told of it."""
    op.execute("UPDATE alerts SET status = 'closed' WHERE status = 'silenced'")
    op.drop_index("ix_alerts_silence", "alerts")
    op.drop_column("alerts", "silence_id")
    op.drop_table("silences")
