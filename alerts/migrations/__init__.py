"""Alembic's migrations of the schema, for SQLite and PostgreSQL alike; `latentwatch.alerts.database.migrate` runs them."""
