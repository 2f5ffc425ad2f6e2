"""Alembic's entry: runs on the connection, and inside the transaction, that `latentwatch.alerts.database.migrate` opened."""

from alembic import context
from sqlalchemy import Connection

from latentwatch.alerts.context_tables import SnapshotRow  # a table of each file: importing one imports all of it
from latentwatch.alerts.former_verdicts import FormerVerdictRow
from latentwatch.alerts.tables import AlertRow


def run(connection: Connection) -> None:
    assert FormerVerdictRow.metadata is SnapshotRow.metadata is AlertRow.metadata
    context.configure(
        connection=connection,
        target_metadata=AlertRow.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        compare_server_default=False,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes["connection"]
if isinstance(given, Connection):
    run(given)
else:
    with given.begin() as opened:
        run(opened)
