"""Retraining and retention on a schedule, one file a DAG."""

if __name__ != "latentwatch.dags":
    raise ImportError("import latentwatch.dags: the folder's own name is not a package's")
