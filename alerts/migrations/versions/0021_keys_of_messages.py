"""Messages of one incident have one key at the receiver.

Revision ID: 0021
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What was written before is known by its own key."""
    op.add_column("notifications", sa.Column("key", sa.Text(), server_default="", nullable=False))
    op.execute("UPDATE notifications SET key = dedupe_key")


def downgrade() -> None:
    """Each message has its own key alone."""
    op.drop_column("notifications", "key")
