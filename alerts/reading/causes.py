"""Causes that people named, and the alerts that had them."""

from sqlalchemy import Engine, select

from latentwatch.alerts.session import reading
from latentwatch.alerts.tables import AlertRow, LabelRow
from latentwatch.domain.alert import Verdict

_MOST_CAUSES = 50
_MOST_ALERTS = 20


def known_causes(engine: Engine, monitor: str) -> list[str]:
    """Causes of alerts labelled true, in the order of words, at most so many. Raises Unavailable."""
    named = (
        select(LabelRow.cause)
        .join(AlertRow, AlertRow.id == LabelRow.alert_id)
        .where(AlertRow.monitor == monitor, LabelRow.verdict == Verdict.TRUE, LabelRow.cause != "")
        .distinct()
        .order_by(LabelRow.cause)
        .limit(_MOST_CAUSES)
    )
    with reading(engine) as session:
        return list(session.scalars(named))


def alerts_of_cause(engine: Engine, monitor: str, cause: str) -> list[int]:
    """Alerts that are labelled true with a cause, the latest first, at most so many. Raises Unavailable."""
    wanted = (
        select(AlertRow.id)
        .join(LabelRow, AlertRow.id == LabelRow.alert_id)
        .where(
            AlertRow.monitor == monitor,
            AlertRow.verdict == Verdict.TRUE,
            LabelRow.verdict == Verdict.TRUE,
            LabelRow.cause == cause,
        )
        .distinct()
        .order_by(AlertRow.id.desc())
        .limit(_MOST_ALERTS)
    )
    with reading(engine) as session:
        return list(session.scalars(wanted))
