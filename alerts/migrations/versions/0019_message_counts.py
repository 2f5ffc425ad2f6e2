"""What became of a stream's messages, counted beside its positions.

Revision ID: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_COUNTS = ("scored", "aligned", "passed", "dead")


def upgrade() -> None:
    """Counted from here on."""
    for name in _COUNTS:
        op.add_column("offsets", sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False))


def downgrade() -> None:
    """Nobody counts."""
    for name in reversed(_COUNTS):
        op.drop_column("offsets", name)
