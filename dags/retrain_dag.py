"""Retrain every monitor on its own schedule: one DAG per monitor file.

snapshot history → leave out incidents → fit → calibrate → evaluate → judge → promote

Each task is one call of `latentwatch.retraining`, imported when it runs, since Airflow parses this file every few seconds.
What goes from task to task is the path of the run's folder, so the workers share a file system (`LATENTWATCH_WORK`), a
bundle store and a database. A task that is repeated finds its work done; a model that is judged worse than the champion is
held, and the run still succeeds, because nothing went wrong.
"""

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG, task

from latentwatch.dags.monitor_files import Planned, read_monitor_files


@task
def snapshot_history(monitor_file: str, run_id: str) -> str:
    """Freeze the records of this run, so that every later task sees the same."""
    from latentwatch import retraining

    return retraining.snapshot_history(monitor_file, run_id)


@task
def leave_out_incidents(folder: str) -> dict[str, Any]:
    """What people called abnormal, and what nobody looked at yet, is not learned as normal."""
    from latentwatch import retraining

    return retraining.leave_out_incidents(folder)


@task
def fit_candidate(folder: str) -> str:
    """Train on the oldest part."""
    from latentwatch import retraining

    return retraining.fit_candidate(folder)


@task
def calibrate_candidate(folder: str) -> str:
    """Learn on what training left aside how strange normal records may look."""
    from latentwatch import retraining

    return retraining.calibrate_candidate(folder)


@task
def evaluate_candidate(folder: str) -> int:
    """Measure challenger and champion on the newest records, which no task above has seen."""
    from latentwatch import retraining

    return retraining.evaluate_candidate(folder)


@task
def judge_candidate(folder: str) -> dict[str, Any]:
    """Decide, with reasons in words."""
    from latentwatch import retraining

    return retraining.judge_candidate(folder)


@task
def promote_candidate(folder: str) -> dict[str, Any]:
    """Write the decision down; scorers take a promoted model up between two batches."""
    from latentwatch import retraining

    return retraining.promote_candidate(folder)


def retrain_dag(monitor: Planned) -> DAG:
    """The retraining of one monitor."""
    with DAG(
        dag_id=f"retrain_{monitor.name}",
        schedule=monitor.schedule,
        start_date=datetime(2024, 1, 1),
        catchup=False,
        max_active_runs=1,
        tags=["latentwatch", monitor.name],
        doc_md=__doc__,
        default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    ) as dag:
        folder = snapshot_history(monitor.file, run_id="{{ run_id }}")
        (
            leave_out_incidents(folder)
            >> fit_candidate(folder)
            >> calibrate_candidate(folder)
            >> evaluate_candidate(folder)
            >> judge_candidate(folder)
            >> promote_candidate(folder)
        )
    return dag


globals().update({f"retrain_{monitor.name}": retrain_dag(monitor) for monitor in read_monitor_files()[0]})
