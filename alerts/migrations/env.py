"""Alembic's entry: runs on the connection, and inside the transaction, that `latentwatch.alerts.database.migrate` opened."""

from alembic import context
from sqlalchemy import Connection

from latentwatch.alerts.every_table import SCHEMA


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=SCHEMA,
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
