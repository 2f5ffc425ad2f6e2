"""The same detector on Spark: a streaming job into the same tables, a backfill over Parquet. Needs the extra `spark`."""
