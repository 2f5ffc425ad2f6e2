"""Verdicts that late records amended: the former ones kept, the flagged records marked.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the history of verdicts."""
    op.add_column(
        "flagged_records", sa.Column("arrival", sa.String(length=16), nullable=False, server_default="in_order")
    )
    op.add_column("flagged_records", sa.Column("revision", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "former_verdicts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("alert_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("monitor", sa.String(length=63), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("surprise", sa.Double(), nullable=False),
        sa.Column("flagged", sa.Boolean(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("model_version", sa.Integer(), nullable=False),
        sa.Column("bundle", sa.Text(), nullable=True),
        sa.Column("values", sa.JSON(), nullable=True),
        sa.Column("context", sa.LargeBinary(), nullable=True),
        sa.Column("seen", sa.BigInteger(), nullable=True),
        sa.Column("surprise_since", sa.Double(), nullable=False),
        sa.Column("flagged_since", sa.Boolean(), nullable=False),
        sa.Column("cause_partition", sa.Integer(), nullable=False),
        sa.Column("cause_offset", sa.BigInteger(), nullable=False),
        sa.Column("amended", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name=op.f("fk_former_verdicts_alert_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_former_verdicts")),
    )
    op.create_index("ix_former_verdicts_alert", "former_verdicts", ["alert_id"])
    op.create_index("ix_former_verdicts_position", "former_verdicts", ["monitor", "source", "partition", "offset"])


def downgrade() -> None:
    """Forget the history of verdicts."""
    op.drop_index("ix_former_verdicts_position", table_name="former_verdicts")
    op.drop_index("ix_former_verdicts_alert", table_name="former_verdicts")
    op.drop_table("former_verdicts")
    op.drop_column("flagged_records", "revision")
    op.drop_column("flagged_records", "arrival")
