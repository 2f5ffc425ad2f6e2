"""Tells in Airflow's own list of import errors which monitor files no DAG could be built from.

It holds no DAG. Airflow reports errors by file, and a DAG file that fails has no DAGs: so the file that builds the good
ones (retrain_dag.py) stays whole, and this one fails in its place, with the line and the fix of every broken monitor.
"""

from latentwatch.dags.monitor_files import read_monitor_files


class RefusedMonitors(Exception):
    """One line for each monitor file that cannot be used."""


problems = read_monitor_files()[1]
if problems:
    raise RefusedMonitors("\n" + "\n".join(problems))
