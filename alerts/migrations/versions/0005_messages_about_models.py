"""A message may be about a model or a retraining run, and then it has no alert.

Revision ID: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Let a message be without an alert."""
    with op.batch_alter_table("notifications") as table:
        table.alter_column("alert_id", existing_type=_BIG_KEY, nullable=True)


def downgrade() -> None:
    """Drop the messages that have none."""
    op.execute("DELETE FROM notifications WHERE alert_id IS NULL")
    with op.batch_alter_table("notifications") as table:
        table.alter_column("alert_id", existing_type=_BIG_KEY, nullable=False)
