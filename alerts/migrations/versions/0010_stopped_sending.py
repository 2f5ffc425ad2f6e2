"""Words of the glossary: an entity that stopped sending is no longer called a silence, and witnesses are components.

Revision ID: 0010
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Rename the kind of such alerts, and a column; both databases rename it in place, whatever the size of the table."""
    op.execute("UPDATE alerts SET kind = 'stopped_sending' WHERE kind = 'silence'")
    op.execute("ALTER TABLE flagged_records RENAME COLUMN witnesses TO components")


def downgrade() -> None:
    """The former words."""
    op.execute("ALTER TABLE flagged_records RENAME COLUMN components TO witnesses")
    op.execute("UPDATE alerts SET kind = 'silence' WHERE kind = 'stopped_sending'")
