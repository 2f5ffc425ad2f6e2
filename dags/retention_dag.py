"""Every night, delete what is older than it needs to be, and place incidents on their maps; labels, labelled alerts and model
versions stay."""

from datetime import datetime, timedelta

from airflow.sdk import dag, task


@dag(
    dag_id="retention",
    schedule="30 3 * * *",
    start_date=datetime(2024, 1, 1),
    catchup=False,
    max_active_runs=1,
    tags=["latentwatch"],
    doc_md=__doc__,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=10), "execution_timeout": timedelta(hours=2)},
)
def retention() -> None:
    """Both tasks may be repeated: the deletion is one bounded transaction after another, and places are replaced together."""

    @task
    def delete_expired() -> dict[str, int]:
        """How many rows of which table went."""
        from latentwatch.retaining import delete_expired

        return delete_expired()

    @task
    def place_incidents() -> dict[str, int]:
        """How many incidents of which monitor are on its map now."""
        from latentwatch.incident_placing import place_incidents

        return place_incidents()

    delete_expired() >> place_incidents()


retention()
