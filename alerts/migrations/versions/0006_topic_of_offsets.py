"""An offset names the topic it counts in, because a topic may be deleted and another one made under its name.

Revision ID: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Leave the topics of earlier offsets unknown: the next scorer learns them."""
    op.add_column("offsets", sa.Column("topic_id", sa.String(length=22), nullable=True))


def downgrade() -> None:
    """Let an offset hold for whatever topic has the name."""
    op.drop_column("offsets", "topic_id")
