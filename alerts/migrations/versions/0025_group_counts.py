"""How many records of each group were scored.

Revision ID: 0025
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Counted from here on."""
    op.create_table(
        "group_counts",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("day", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model_version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("shard", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("grouped_by", sa.String(length=8), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("scored", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "monitor", "day", "model_version", "shard", "grouped_by", "field", "value", name=op.f("pk_group_counts")
        ),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Nobody counts by group."""
    op.drop_table("group_counts")
