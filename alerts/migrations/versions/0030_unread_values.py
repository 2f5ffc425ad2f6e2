"""Values that their features cannot have, of messages that were scored without them.

Revision ID: 0030
"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Counted from here on; such messages were dead letters before."""
    op.create_table(
        "unread_values",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("first", sa.JSON(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("latest", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("monitor", "source", "partition", "field", name=op.f("pk_unread_values")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """What was scored stays scored."""
    op.drop_table("unread_values")
