"""What an alert's first record showed in the fields by which its monitor relates entities.

Revision ID: 0020
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Alerts of before showed nothing there."""
    op.add_column("incident_members", sa.Column("shown", sa.JSON(), server_default="{}", nullable=False))


def downgrade() -> None:
    """Incidents stay as they were formed."""
    op.drop_column("incident_members", "shown")
