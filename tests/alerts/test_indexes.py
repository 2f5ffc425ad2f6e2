"""The queries that run all day find their rows by index, however long the history is."""

import pytest
from sqlalchemy import Engine, text

from latentwatch.alerts.session import reading

QUERIES = {
    "inbox": "SELECT * FROM alerts WHERE monitor = 'm' AND status = 'open' ORDER BY started DESC LIMIT 50",
    "alerts of an entity": "SELECT * FROM alerts WHERE monitor = 'm' AND entity = 'e' AND ended >= '2026-01-01'",
    "records of an alert": "SELECT * FROM flagged_records WHERE alert_id = 7 ORDER BY time LIMIT 500",
    "map": "SELECT * FROM flagged_records WHERE monitor = 'm' AND time >= '2026-01-01' ORDER BY time LIMIT 500",
    "trace": "SELECT * FROM trace WHERE monitor = 'm' AND entity = 'e' AND time >= '2026-01-01' ORDER BY time DESC LIMIT 500",
    "kept trace": "SELECT * FROM kept_traces WHERE monitor = 'm' AND entity = 'e' AND until >= '2026-01-01' ORDER BY until LIMIT 32",
    "kept trace of an alert": "SELECT * FROM kept_traces WHERE alert_id = 7",
    "counts": "SELECT * FROM minute_counts WHERE monitor = 'm' AND minute >= '2026-01-01' ORDER BY minute",
    "dead letters": "SELECT * FROM dead_letters WHERE monitor = 'm' ORDER BY created DESC LIMIT 50",
    "audit": "SELECT * FROM audit WHERE monitor = 'm' ORDER BY created DESC LIMIT 50",
    "labels": "SELECT * FROM labels WHERE alert_id = 7",
    "history of an alert": "SELECT * FROM alert_events WHERE alert_id = 7 ORDER BY id",
    "champion": "SELECT * FROM model_versions WHERE monitor = 'm' AND status = 'champion'",
    "outbox": "SELECT id FROM notifications WHERE status = 'due' AND due <= '2026-01-01' ORDER BY due LIMIT 20",
    "scorers": "SELECT * FROM scorers WHERE monitor = 'm' ORDER BY seen DESC LIMIT 100",
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=list(QUERIES))
def test_no_query_scans_or_sorts_a_table(engine: Engine, query: str) -> None:
    """Each plan is one search by an index that also gives the order."""
    with reading(engine) as session:
        plan = [row.detail for row in session.execute(text(f"EXPLAIN QUERY PLAN {query}"))]
    assert len(plan) == 1
    assert plan[0].startswith("SEARCH")
