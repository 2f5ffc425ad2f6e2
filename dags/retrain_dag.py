"""Retrain every monitor on its own schedule: one DAG per monitor file.

snapshot history → leave out incidents → anything new? → fit → calibrate → evaluate → judge → promote

Each task is one call of `latentwatch.retraining`, imported when it runs, since Airflow parses this file every few seconds.
What goes from task to task is the path of the run's folder, so the workers share a file system (`LATENTWATCH_WORK`), a
bundle store and a database. A task that is repeated finds its work done. What waiting may heal is tried three times, what it
cannot fails at once; a run that failed and a model that was held reach the monitor's channels. A held model's run succeeds,
because nothing went wrong; so does the run that finds nothing new, whose tasks from there on are skipped.
"""

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG, task

from latentwatch.dags.monitor_files import Planned, read_monitor_files
from latentwatch.dags.task_failures import report_failure, retried_where_it_helps

LONGEST_TASK = timedelta(hours=6)
"""What takes longer hangs, as on a broker that no longer answers, and would keep every later run waiting."""


@task
@retried_where_it_helps()
def snapshot_history(monitor_file: str, run_id: str) -> str:
    """Freeze the records of this run, so that every later task sees the same."""
    from latentwatch import retraining

    return retraining.snapshot_history(monitor_file, run_id)


@task
@retried_where_it_helps()
def leave_out_incidents(folder: str) -> dict[str, Any]:
    """What people called abnormal, and what nobody looked at yet, is not learned as normal."""
    from latentwatch import retraining

    return retraining.leave_out_incidents(folder)


@task
@retried_where_it_helps()
def stop_if_nothing_is_new(folder: str, anyway: str) -> None:
    """What serves already is not trained again, unless the run's configuration has `anyway`; the tasks below are skipped."""
    from latentwatch import retraining

    retraining.stop_if_nothing_is_new(folder, anyway=anyway == "True")


@task
@retried_where_it_helps()
def fit_candidate(folder: str) -> str:
    """Train on the oldest part."""
    from latentwatch import retraining

    return retraining.fit_candidate(folder)


@task
@retried_where_it_helps()
def calibrate_candidate(folder: str) -> str:
    """Learn on what training left aside how strange normal records may look."""
    from latentwatch import retraining

    return retraining.calibrate_candidate(folder)


@task
@retried_where_it_helps()
def evaluate_candidate(folder: str) -> int:
    """Measure challenger and champion on the newest records, which no task above has seen."""
    from latentwatch import retraining

    return retraining.evaluate_candidate(folder)


@task
@retried_where_it_helps()
def judge_candidate(folder: str, accept_blind: str) -> dict[str, Any]:
    """Decide, with reasons in words; a first model that finds next to nothing is let in by `accept_blind` in the run's configuration."""
    from latentwatch import retraining

    return retraining.judge_candidate(folder, accept_blind=accept_blind == "True")


@task
@retried_where_it_helps()
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
        default_args={
            "retries": 2,
            "retry_delay": timedelta(minutes=5),
            "execution_timeout": LONGEST_TASK,
            "on_failure_callback": report_failure(monitor),
        },
    ) as dag:
        folder = snapshot_history(monitor.file, run_id="{{ run_id }}")
        (
            leave_out_incidents(folder)
            >> stop_if_nothing_is_new(folder, anyway="{{ (dag_run.conf or {}).get('anyway', False) }}")
            >> fit_candidate(folder)
            >> calibrate_candidate(folder)
            >> evaluate_candidate(folder)
            >> judge_candidate(folder, accept_blind="{{ (dag_run.conf or {}).get('accept_blind', False) }}")
            >> promote_candidate(folder)
        )
    return dag


globals().update({f"retrain_{monitor.name}": retrain_dag(monitor) for monitor in read_monitor_files()[0]})
