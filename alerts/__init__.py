"""The database: every table, the one transaction that commits a micro-batch, people's verdicts, the model registry, the outbox."""
