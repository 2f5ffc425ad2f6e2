"""The database: every table, the one transaction that commits a micro-batch, people's verdicts, the model registry, the outbox."""

if __name__ != "latentwatch.alerts":
    raise ImportError("import latentwatch.alerts: the folder's own name is not a package's")
