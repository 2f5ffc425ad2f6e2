"""What the room promises, as test classes that run on every database: SQLite beside, PostgreSQL in tests/services/.

Each class asks for the fixtures `engine` (migrated, empty) and `clock`.
"""
