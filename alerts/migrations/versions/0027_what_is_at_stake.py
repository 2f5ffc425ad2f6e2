"""What is at stake in alerts, by their monitors' weight.

Revision ID: 0027
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing is said of the alerts that there are."""
    op.add_column("alerts", sa.Column("at_stake", sa.Double(), server_default="0", nullable=False))
    op.add_column("alerts", sa.Column("stake_named", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    """Alerts are ordered without it."""
    op.drop_column("alerts", "stake_named")
    op.drop_column("alerts", "at_stake")
