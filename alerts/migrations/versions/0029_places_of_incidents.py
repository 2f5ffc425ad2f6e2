"""Where incidents lie on their monitor's map.

Revision ID: 0029
"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """None is placed before the next night."""
    op.create_table(
        "incident_places",
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("incident", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("x", sa.Double(), nullable=False),
        sa.Column("y", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("monitor", "incident", name=op.f("pk_incident_places")),
    )


def downgrade() -> None:
    """They are placed again by whoever has the table."""
    op.drop_table("incident_places")
