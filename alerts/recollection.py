"""What it was last time: the latest alert alike of the same entity that people judged, in a sentence."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, select

from latentwatch.alerts.incident_members import IncidentMemberRow
from latentwatch.alerts.tables import AlertRow, LabelRow
from latentwatch.domain.alert import Verdict
from latentwatch.domain.incident import LIKENESS

_MOST_COMPARED = 50
"""Judged alerts of an entity that are compared, the latest."""
_LONGEST = 300
_SAID = {Verdict.TRUE: "real", Verdict.FALSE: "a false alarm", Verdict.UNSURE: "unsure"}


def last_time(connection: Connection, monitor: str, alerts: Sequence[int], alert: int) -> str:
    """What people said of the latest alert like this one before those of its incident; empty where there was none."""
    row, member = AlertRow, IncidentMemberRow
    this = connection.execute(select(member.entity, member.pattern).where(member.alert_id == alert)).first()
    if this is None:
        return ""
    judged = connection.execute(
        select(row.id, row.started, member.pattern)
        .join(member, member.alert_id == row.id)
        .where(row.monitor == monitor, row.entity == this.entity, row.verdict.is_not(None), row.id.not_in(alerts))
        .order_by(row.ended.desc(), row.id.desc())
        .limit(_MOST_COMPARED)
    )
    alike = next((each for each in judged if _likeness(each.pattern, this.pattern) >= LIKENESS), None)
    if alike is None:
        return ""
    said = connection.execute(
        select(LabelRow.verdict, LabelRow.cause, LabelRow.note)
        .where(LabelRow.alert_id == alike.id)
        .order_by(LabelRow.id.desc())
        .limit(1)
    ).first()
    if said is None:
        return ""
    why = ": ".join(part for part in (said.cause, said.note) if part)[:_LONGEST]
    return f"Last time, {alike.started:%Y-%m-%d %H:%M} UTC (alert {alike.id}): {_SAID[said.verdict]}{', ' + why if why else ''}."


def _likeness(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Cosine of two patterns, which are square roots of shares and so of length 1."""
    return sum(share * other.get(name, 0.0) for name, share in one.items())
