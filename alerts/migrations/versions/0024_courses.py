"""What alerts' features did over their course, and the trace during and after them.

Revision ID: 0024
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Alerts of before keep what led up to them, and tell of their strangest record."""
    op.create_table(
        "alert_courses",
        sa.Column("alert_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("course", sa.JSON(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("trace_width", sa.BigInteger(), nullable=False),
        sa.Column("trace_points", sa.Integer(), nullable=False),
        sa.Column("trace_until", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name=op.f("fk_alert_courses_alert_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("alert_id", name=op.f("pk_alert_courses")),
    )
    op.add_column("alerts", sa.Column("summary", sa.Text(), server_default="", nullable=False))
    op.add_column("kept_trace", sa.Column("leads_up", sa.Boolean(), server_default=sa.text("true"), nullable=False))
    op.add_column("kept_trace", sa.Column("records", sa.Integer(), server_default="1", nullable=False))
    op.add_column("kept_trace", sa.Column("low", sa.JSON(), server_default="{}", nullable=False))
    op.add_column("kept_trace", sa.Column("high", sa.JSON(), server_default="{}", nullable=False))


def downgrade() -> None:
    """What was kept during and after alerts goes."""
    for column in ("high", "low", "records"):
        op.drop_column("kept_trace", column)
    op.execute("DELETE FROM kept_trace WHERE NOT leads_up")
    op.drop_column("kept_trace", "leads_up")
    op.drop_column("alerts", "summary")
    op.drop_table("alert_courses")
