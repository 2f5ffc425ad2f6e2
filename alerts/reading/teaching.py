"""Alerts, or incidents, in the order in which labelling them would teach most."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from latentwatch.alerts.incident_members import IncidentMemberRow
from latentwatch.alerts.tables import AlertRow
from latentwatch.domain.alert import Verdict
from latentwatch.domain.teaching import teaching_order

_MOST_ASKED = 600
"""Unlabelled alerts that are ordered, the latest; of more, the others come after them."""
_MOST_KNOWN = 1_000
"""Labelled alerts of a monitor that say what is known already, the latest."""


def teaching_alerts(session: Session, listed: Select[Any]) -> list[int]:
    """Numbers of the unlabelled of the alerts whose numbers `listed` selects, what would teach most first."""
    return _in_order(session, {each.id: each for each in _unlabelled(session, listed)})


def teaching_incidents(session: Session, listed: Select[Any]) -> list[int]:
    """Numbers of the incidents that hold one of these alerts unlabelled; each is asked about by its strangest alert."""
    strangest: dict[int, Any] = {}
    for each in _unlabelled(session, listed):
        kept = strangest.get(each.incident)
        if kept is None or each.peak_surprise > kept.peak_surprise:
            strangest[each.incident] = each
    return _in_order(session, strangest)


def _unlabelled(session: Session, listed: Select[Any]) -> list[Any]:
    member, alert = IncidentMemberRow, AlertRow
    return list(
        session.execute(
            select(alert.id, member.incident, alert.monitor, member.pattern, alert.peak_surprise, alert.threshold)
            .join(member, member.alert_id == alert.id)
            .where(alert.verdict.is_(None), alert.id.in_(listed))
            .order_by(alert.ended.desc(), alert.id.desc())
            .limit(_MOST_ASKED)
        )
    )


def _in_order(session: Session, asked: Mapping[int, Any]) -> list[int]:
    member, alert = IncidentMemberRow, AlertRow
    numbers, rows = list(asked), list(asked.values())
    monitors = {each.monitor for each in rows}
    known = session.execute(
        select(alert.monitor, member.pattern, alert.verdict)
        .join(member, member.alert_id == alert.id)
        .where(alert.monitor.in_(monitors), alert.verdict.in_((Verdict.TRUE, Verdict.FALSE)))
        .order_by(alert.ended.desc())
        .limit(_MOST_KNOWN)
    ).all()
    order = teaching_order(
        [_own(each.monitor, each.pattern) for each in rows],
        [_own(each.monitor, each.pattern) for each in known],
        [each.verdict is Verdict.TRUE for each in known],
        [each.peak_surprise / max(each.threshold, 1e-9) for each in rows],
    )
    return [numbers[place] for place in order]


def _own(monitor: str, pattern: dict[str, Any]) -> dict[str, float]:
    """A pattern under its monitor's own names: features of the same name in two monitors say nothing of each other."""
    return {f"{monitor}\0{name}": float(share) for name, share in pattern.items()}
