"""Silences go by calendars.

Revision ID: 0023
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Room for a calendar's address and its events."""
    op.add_column("silences", sa.Column("calendar", sa.Text(), server_default="", nullable=False))
    op.add_column("silences", sa.Column("stretches", sa.JSON(), server_default="[]", nullable=False))
    op.add_column("silences", sa.Column("calendar_read", sa.DateTime(timezone=True), nullable=True))
    op.add_column("silences", sa.Column("calendar_trouble", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    """Silences that go by a calendar hide nothing more."""
    op.execute("DELETE FROM silences WHERE calendar <> ''")
    for column in ("calendar_trouble", "calendar_read", "stretches", "calendar"):
        op.drop_column("silences", column)
