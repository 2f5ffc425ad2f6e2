"""Alerts are snoozed and assigned, and what people did is never changed.

Revision ID: 0022
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_HISTORY = ("alert_events", "labels")


def upgrade() -> None:
    """Nobody is assigned, nothing is snoozed; rows of the history are refused to be changed from here on."""
    op.add_column("alerts", sa.Column("assignee", sa.Text(), server_default="", nullable=False))
    op.add_column("alerts", sa.Column("snoozed_until", sa.DateTime(timezone=True), nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '% is a history, and never changed', TG_TABLE_NAME; END $$"
        )
        for table in _HISTORY:
            op.execute(
                f"CREATE TRIGGER {table}_unchanged BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()"
            )
    else:
        for table in _HISTORY:
            op.execute(
                f"CREATE TRIGGER {table}_unchanged BEFORE UPDATE ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is a history, and never changed'); END"
            )


def downgrade() -> None:
    """Snoozed alerts are open again."""
    on_table = op.get_bind().dialect.name == "postgresql"
    for table in _HISTORY:
        op.execute(f"DROP TRIGGER {table}_unchanged" + (f" ON {table}" if on_table else ""))
    if on_table:
        op.execute("DROP FUNCTION refuse_change()")
    op.execute("UPDATE alerts SET status = 'open' WHERE status = 'snoozed'")
    op.drop_column("alerts", "snoozed_until")
    op.drop_column("alerts", "assignee")
