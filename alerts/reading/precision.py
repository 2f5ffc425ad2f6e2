"""How many of the alerts that people judged were real: by week, by reviewer, by cause.

What an incident holds of one entity counts once, however many alerts it came as: a fault that went on after its alert was put
away is one fault. What people split off is another incident, and what they put together is one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, case, func, literal, select

from latentwatch.alerts.incident_members import IncidentMemberRow
from latentwatch.alerts.missed_stretch_table import MissedStretchRow
from latentwatch.alerts.reading.disputes import disputed_alerts
from latentwatch.alerts.session import reading
from latentwatch.alerts.tables import AlertRow, LabelRow
from latentwatch.domain.alert import Verdict

WEEKS = 12
MOST_NAMED = 50
"""Reviewers, or causes, that are listed, those with most alerts."""
_WEEK = timedelta(days=7)
_RANKS = {Verdict.UNSURE: 1, Verdict.FALSE: 2, Verdict.TRUE: 3}
"""Which verdict on several alerts of one fault counts: the highest."""


@dataclass(frozen=True, slots=True)
class VerdictCounts:
    """Alerts of one kind, by their latest verdict; those of one entity in one incident count as one."""

    name: str
    """The week's Monday, the reviewer, or the cause; empty where none was named."""
    confirmed: int
    false: int
    unsure: int
    unlabelled: int

    @property
    def alerts(self) -> int:
        """All of them."""
        return self.confirmed + self.false + self.unsure + self.unlabelled

    @property
    def precision(self) -> float | None:
        """Confirmed alerts of those that are known to be real or false; None where none is."""
        known = self.confirmed + self.false
        return self.confirmed / known if known else None


@dataclass(frozen=True, slots=True)
class Precision:
    """What came of alerts and of what never alarmed, over the last weeks."""

    since: datetime
    total: VerdictCounts
    missed: int
    """Stretches that were abnormal and never alarmed."""
    disputed: int
    """Alerts that one reviewer calls real and another false."""
    weeks: tuple[VerdictCounts, ...]
    """The latest first; by when the alert began."""
    reviewers: tuple[VerdictCounts, ...]
    """By who gave the latest verdict."""
    causes: tuple[VerdictCounts, ...]
    """By the cause that was named last."""

    @property
    def recall(self) -> float | None:
        """Confirmed alerts of those and the missed stretches: an upper bound, as nobody knows what was never noticed."""
        known = self.total.confirmed + self.missed
        return self.total.confirmed / known if known else None

    @property
    def in_words(self) -> str:
        """The whole in a sentence or two."""
        all_, share = self.total, self.total.precision
        said = (
            "Nobody has judged an alert yet"
            if share is None
            else f"{share:.0%} of {all_.confirmed + all_.false:,} judged alerts were real"
        )
        missed = f"; {self.missed:,} stretches are known that never alarmed" if self.missed else ""
        disputed = f" People disagree about {self.disputed:,}." if self.disputed else ""
        return f"{said}{missed}; {all_.unlabelled:,} are not labelled.{disputed}"


def precision(engine: Engine, now: datetime, monitor: str | None = None, weeks: int = WEEKS) -> Precision:
    """Of one monitor or of all, of alerts that began in the last `weeks` weeks, this one included. Raises Unavailable."""
    monday = (now - timedelta(days=now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    starts = [monday - back * _WEEK for back in range(max(1, weeks))]
    since, stretch = starts[-1], MissedStretchRow
    found = _stretches(since, monitor)
    # Records whose clock runs ahead count for the latest week.
    week = case(*((found.c.started >= start, literal(place)) for place, start in enumerate(starts)), else_=len(starts))
    with reading(engine) as session:
        by_week = {row.name: row for row in session.execute(_counted(select(week.label("name"), found.c.verdict)))}
        by_author, by_cause = (
            session.execute(
                _counted(
                    select(getattr(LabelRow, named).label("name"), found.c.verdict)
                    .join(LabelRow, LabelRow.id == last)
                    .where(found.c.verdict.is_not(None))
                )
                .order_by(func.count().desc(), "name")
                .limit(MOST_NAMED)
            ).all()
            for named, last in (("author", found.c.last_label), ("cause", found.c.last_cause))
        )
        missed = select(func.count()).select_from(stretch).where(stretch.started >= since)
        return Precision(
            since=since,
            total=_sum(by_week.values()),
            missed=session.scalar(missed if monitor is None else missed.where(stretch.monitor == monitor)) or 0,
            disputed=session.scalar(select(func.coalesce(func.sum(found.c.disputed), 0))) or 0,
            weeks=tuple(_counts_of(f"{start:%Y-%m-%d}", by_week.get(place)) for place, start in enumerate(starts)),
            reviewers=tuple(_counts_of(row.name, row) for row in by_author),
            causes=tuple(_counts_of(row.name, row) for row in by_cause),
        )


def _stretches(since: datetime, monitor: str | None) -> Any:
    """[started, verdict, disputed alerts, last_label, last_cause] of each entity's alerts of one incident that began since.

    Real where one of the alerts is, else false where one is; the last label and the last that names a cause are numbers.
    """
    alert, member = AlertRow, IncidentMemberRow
    labelled = (
        select(
            LabelRow.alert_id,
            func.max(LabelRow.id).label("last"),
            func.max(case((LabelRow.cause != "", LabelRow.id))).label("cause"),
        )
        .group_by(LabelRow.alert_id)
        .subquery()
    )
    rank = func.max(case(_RANKS, value=alert.verdict))
    each = (
        select(
            func.min(alert.started).label("started"),
            rank.label("rank"),
            func.sum(case((alert.id.in_(disputed_alerts()), 1), else_=0)).label("disputed"),
            func.max(labelled.c.last).label("last_label"),
            func.max(labelled.c.cause).label("last_cause"),
        )
        # An alert that is of no incident is one of its own; no incident has a number below 0.
        .outerjoin(member, member.alert_id == alert.id)
        .outerjoin(labelled, labelled.c.alert_id == alert.id)
        .where(alert.started >= since)
        .group_by(alert.monitor, alert.entity, func.coalesce(member.incident, -alert.id))
    )
    found = (each if monitor is None else each.where(alert.monitor == monitor)).subquery()
    verdict = case({place: verdict.value for verdict, place in _RANKS.items()}, value=found.c.rank).label("verdict")
    return select(found, verdict).subquery()


def _counted(stretches: Select[Any]) -> Select[Any]:
    """[name, how many of each verdict] of what is selected as name and verdict."""
    each = stretches.subquery()

    def count(when: ColumnElement[bool]) -> ColumnElement[int]:
        return func.sum(case((when, 1), else_=0))

    return select(
        each.c.name,
        count(each.c.verdict == Verdict.TRUE.value).label("confirmed"),
        count(each.c.verdict == Verdict.FALSE.value).label("false"),
        count(each.c.verdict == Verdict.UNSURE.value).label("unsure"),
        count(each.c.verdict.is_(None)).label("unlabelled"),
    ).group_by(each.c.name)


def _counts_of(name: str, row: Any) -> VerdictCounts:
    return (
        VerdictCounts(name, row.confirmed, row.false, row.unsure, row.unlabelled)
        if row
        else VerdictCounts(name, 0, 0, 0, 0)
    )


def _sum(rows: Iterable[Any]) -> VerdictCounts:
    counts = [(row.confirmed, row.false, row.unsure, row.unlabelled) for row in rows]
    return VerdictCounts("", *(sum(each[place] for each in counts) for place in range(4)))
