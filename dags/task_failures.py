"""What becomes of a task that fails: tried again where waiting may heal it, ended at once where it cannot, and told of."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from latentwatch.dags.monitor_files import Planned
from latentwatch.domain.errors import LatentwatchError, NothingNew, StillLearning, Unavailable


@contextmanager
def retried_where_it_helps() -> Iterator[None]:
    """End the task without Airflow's retries where only a person can help: no history, a wrong file, a missing package.

    `Unavailable` and whatever was not raised on purpose are left as they are, so that Airflow tries again.
    """
    try:
        yield
    except Unavailable:
        raise
    except (
        StillLearning,
        NothingNew,
    ) as error:  # nothing went wrong: a later run trains, this one's other tasks are skipped
        raise AirflowSkipException(str(error)) from error
    except (LatentwatchError, ImportError) as error:
        raise AirflowFailException(str(error)) from error


def report_failure(monitor: Planned) -> Callable[[Any], None]:
    """Airflow's callback for a task that has failed for good: the channels of the monitor are told, once a run."""

    def report(context: Any) -> None:
        from latentwatch.run_failures import report_failure

        report_failure(
            monitor.file,
            monitor.name,
            run=str(context.get("run_id", "")),
            step=str(context["ti"].task_id),
            error=context.get("exception"),
        )

    return report
