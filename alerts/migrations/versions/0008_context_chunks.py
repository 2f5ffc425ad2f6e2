"""The context of a partition's entities lies in chunks, which can be written and read one by one.

Revision ID: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room; a context in one blob stays until its scorer replaces it."""
    op.create_table(
        "context_chunks",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("chunk", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("piece", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("monitor", "source", "partition", "chunk", "piece", name=op.f("pk_context_chunks")),
    )
    op.add_column("context_snapshots", sa.Column("stamp", sa.String(length=16), server_default="", nullable=False))


def downgrade() -> None:
    """Entities warm up anew where their context lies in chunks, which no former version reads."""
    op.execute("DELETE FROM context_snapshots WHERE stamp <> ''")
    op.drop_column("context_snapshots", "stamp")
    op.drop_table("context_chunks")
