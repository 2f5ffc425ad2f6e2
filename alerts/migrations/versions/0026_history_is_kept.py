"""What people did and said is kept as long as their monitor is.

Revision ID: 0026
"""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_HISTORY = ("alert_events", "labels")
_STANDS = "EXISTS (SELECT 1 FROM alerts JOIN monitors ON monitors.name = alerts.monitor WHERE alerts.id = OLD.alert_id)"
"""Its alert is there, and of a monitor that is registered: so neither retention nor the removal of a monitor deletes the row."""


def upgrade() -> None:
    """Rows of the history are refused to be deleted while their alert and its monitor stand."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION refuse_delete() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN IF {_STANDS} THEN "
            "RAISE EXCEPTION '% is a history, and kept as long as its alert', TG_TABLE_NAME; END IF; RETURN OLD; END $$"
        )
        for table in _HISTORY:
            op.execute(
                f"CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_delete()"
            )
    else:
        for table in _HISTORY:
            op.execute(
                f"CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} WHEN {_STANDS} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is a history, and kept as long as its alert'); END"
            )


def downgrade() -> None:
    """They can be deleted again."""
    on_table = op.get_bind().dialect.name == "postgresql"
    for table in _HISTORY:
        op.execute(f"DROP TRIGGER {table}_kept" + (f" ON {table}" if on_table else ""))
    if on_table:
        op.execute("DROP FUNCTION refuse_delete()")
