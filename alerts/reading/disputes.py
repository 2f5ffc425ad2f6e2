"""Alerts on whose label people disagree: the last words of two reviewers, one true and one false."""

from typing import Any

from sqlalchemy import Select, distinct, func, select

from latentwatch.alerts.tables import LabelRow
from latentwatch.domain.alert import Verdict


def disputed_alerts() -> Select[Any]:
    """Selects their numbers. Who is unsure disagrees with nobody, and who has changed their mind not with themselves."""
    last = select(func.max(LabelRow.id)).group_by(LabelRow.alert_id, LabelRow.author)
    return (
        select(LabelRow.alert_id)
        .where(LabelRow.id.in_(last), LabelRow.verdict.in_((Verdict.TRUE, Verdict.FALSE)))
        .group_by(LabelRow.alert_id)
        .having(func.count(distinct(LabelRow.verdict)) > 1)
    )
