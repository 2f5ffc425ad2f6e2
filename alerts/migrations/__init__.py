"""Alembic's migrations of the schema, for SQLite and PostgreSQL alike; `alerts.database.migrate` runs them."""
