"""A message carries its alert's severity, by which channels choose colour and sound.

Revision ID: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Give messages the severity that their alerts have by now."""
    op.add_column("notifications", sa.Column("severity", sa.String(length=16), nullable=False, server_default="medium"))
    op.execute("UPDATE notifications SET severity = (SELECT severity FROM alerts WHERE alerts.id = alert_id)")


def downgrade() -> None:
    """Leave the severity to the title."""
    op.drop_column("notifications", "severity")
