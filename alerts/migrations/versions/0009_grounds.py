"""On what grounds a record was flagged: what a monitor's rules had to do with it.

Revision ID: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of what was flagged before, the surprise alone decided."""
    op.add_column("flagged_records", sa.Column("grounds", sa.JSON(), server_default="{}", nullable=False))
    op.add_column("alerts", sa.Column("crossed", sa.JSON(), server_default="[]", nullable=False))


def downgrade() -> None:
    """Alerts stay; that a limit raised them is forgotten."""
    op.drop_column("flagged_records", "grounds")
    op.drop_column("alerts", "crossed")
