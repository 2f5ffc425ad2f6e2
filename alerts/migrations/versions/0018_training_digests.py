"""Model versions know what they were trained on.

Revision ID: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of earlier versions it is not known, so that the next retraining trains."""
    op.add_column("model_versions", sa.Column("training_digest", sa.String(length=64), nullable=True))


def downgrade() -> None:
    """Retraining trains, whether anything is new or not."""
    op.drop_column("model_versions", "training_digest")
