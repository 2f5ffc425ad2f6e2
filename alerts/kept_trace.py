"""The trace that is kept of alerts: what led up to each, its course, and the recovery after it.

Stretches of an outcome, and the alerts that its flagged records belong to -> kept points, in the one transaction. At most
240 points before an alert and 480 from its onset until it is over, whatever the pace and the length.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, func, select

from latentwatch.alerts.columns import storable
from latentwatch.alerts.grouping import Episode, shifted
from latentwatch.alerts.tables import AlertRow, KeptTraceRow, TraceRow
from latentwatch.alerts.trace_thinning import MOST_IN_COURSE, merged, points_leading_up, points_of_course, width_for
from latentwatch.alerts.upserts import insert_new
from latentwatch.domain.alert import AlertKind
from latentwatch.domain.clock import from_microseconds, to_microseconds
from latentwatch.domain.outcome import Stretch, TracePoint
from latentwatch.domain.record import Position

TRACE_BEFORE = 240
"""How many points before an alert are kept at most."""
_AT_ONCE = 500


@dataclass(slots=True)
class TraceState:
    """How far an alert's kept trace is, and how wide its points are."""

    width: int = 1
    """Microseconds."""
    points: int = 0
    until: int = 0
    """Event time of the last one, microseconds since 1970."""


def trace_point_of(row: Any, entity: str) -> TracePoint:
    """A point of the live trace or of a kept one, which has no position any more."""
    return TracePoint(
        entity=entity,
        time=row.time,
        offset=getattr(row, "offset", -1),
        partition=getattr(row, "partition", -1),
        surprise=row.surprise,
        reconstruction=row.reconstruction,
        density=row.density,
        flagged=row.flagged,
        values=row.values,
        records=getattr(row, "records", 1),
        low=getattr(row, "low", {}),
        high=getattr(row, "high", {}),
    )


@dataclass(frozen=True, slots=True)
class Parts:
    """What of an outcome's stretches belongs to which alert."""

    before: Mapping[Position, Stretch]
    """What led up to a flagged record that may have opened an alert."""
    courses: tuple[Stretch, ...]


def parts_of(stretches: Iterable[Stretch]) -> Parts:
    """Stretches by what they are; each that leads up is followed by the course that it leads up to."""
    before: dict[Position, Stretch] = {}
    courses: list[Stretch] = []
    pending: Stretch | None = None
    for stretch in stretches:
        if stretch.leads_up:
            pending = stretch
            continue
        if pending is not None and pending.entity == stretch.entity:
            before[stretch.batch.position(0)] = pending
        courses.append(stretch)
        pending = None
    return Parts(before, tuple(courses))


def led_up_to(
    connection: Connection, monitor: str, episodes: Iterable[Episode], parts: Parts, gap: timedelta
) -> dict[Position, list[TracePoint]]:
    """What led up to each new one of these alerts, in time order, by the record that opened it.

    From the stretches; where those are short, as after a start, also from the live trace. Nothing that belongs to the
    alert before it.
    """
    touched = list(episodes)
    opened = [episode for episode in touched if episode.id is None and episode.opening is not None]
    stored = _former_ends(connection, monitor, opened)
    found: dict[Position, list[TracePoint]] = {}
    for episode in opened:
        assert episode.opening is not None
        ends = [each.ended for each in touched if each.entity == episode.entity and each.ended < episode.started]
        ends += [stored[episode.entity]] if episode.entity in stored else []
        since = shifted(max(ends), gap) if ends else None
        stretch = parts.before.get(episode.opening.position)
        points = [] if stretch is None else points_leading_up(_since(stretch, since))
        if len(points) < TRACE_BEFORE:
            until = points[0].time if points else episode.started
            points = [*_live(connection, monitor, episode.entity, since, until, TRACE_BEFORE - len(points)), *points]
        found[episode.opening.position] = points
    return found


def _former_ends(connection: Connection, monitor: str, opened: Sequence[Episode]) -> dict[str, datetime]:
    """When the last stored alert before the first new one of each entity ended."""
    row, found = AlertRow, {}
    started: dict[str, datetime] = {}
    for episode in opened:
        started[episode.entity] = min(episode.started, started.get(episode.entity, episode.started))
    names = sorted(started)
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        ends = connection.execute(
            select(row.entity, func.max(row.ended))
            .where(
                row.monitor == monitor,
                row.entity.in_(some),
                row.kind == AlertKind.ANOMALY,
                row.records > 0,
                row.ended < max(started[name] for name in some),
            )
            .group_by(row.entity)
        )
        found.update({entity: ended for entity, ended in ends if ended < started[entity]})
    return found


def _since(stretch: Stretch, moment: datetime | None) -> Stretch:
    if moment is None:
        return stretch
    return rows_of(stretch, stretch.batch.times > to_microseconds(moment))


def rows_of(stretch: Stretch, rows: NDArray[np.bool_] | slice) -> Stretch:
    """Some records of a stretch."""
    batch, scores = stretch.batch.take(rows), stretch.scores.take(np.arange(len(stretch.batch))[rows])
    return replace(stretch, batch=batch, scores=scores, flagged=stretch.flagged[rows])


def _live(
    connection: Connection, monitor: str, entity: str, since: datetime | None, until: datetime, most: int
) -> list[TracePoint]:
    row = TraceRow
    query = (
        select(row)
        .where(row.monitor == monitor, row.entity == entity, row.time < until)
        .order_by(row.time.desc())
        .limit(most)
    )
    if since is not None:
        query = query.where(row.time > since)
    return [trace_point_of(each, entity) for each in reversed(connection.execute(query).all())]


def keep_led_up(connection: Connection, monitor: str, before: Mapping[int, Sequence[TracePoint]]) -> None:
    """Keep what led up to alerts, by their numbers; of what an earlier alert kept there nothing changes."""
    rows = {
        (point.entity, point.time): _row(monitor, alert, point, leads_up=True)
        for alert, points in sorted(before.items(), reverse=True)
        for point in points
    }
    insert_new(connection, KeptTraceRow, [rows[key] for key in sorted(rows)])


def keep_course(
    connection: Connection, monitor: str, alert: int, stretches: Sequence[Stretch], state: TraceState
) -> TraceState:
    """Keep an alert's course, wider points where there would be too many; returns how far it is then."""
    moments = np.concatenate([stretch.batch.times for stretch in stretches])
    width, first = state.width, int(moments.min())
    anew = state.points + len(np.unique(moments // width)) > MOST_IN_COURSE
    reaches_back = state.points > 0 and first // width <= state.until // width
    known: list[TracePoint] = []
    if state.points and (anew or reaches_back):
        since = None if anew else from_microseconds(first // width * width)
        known = _kept(connection, monitor, stretches[0].entity, alert, since)
    if anew:
        width = width_for([*(to_microseconds(point.time) for point in known), *moments.tolist()], width)
    points = [point for stretch in stretches for point in points_of_course(stretch, width)]
    points = merged([*known, *points], width)
    if known:
        _forget(connection, monitor, alert, known)
    rows = {point.time: _row(monitor, alert, point, leads_up=False) for point in points}
    insert_new(connection, KeptTraceRow, [rows[time] for time in sorted(rows)])
    kept = state.points - len(known) + len(points)
    return TraceState(width, kept, max(state.until, int(moments.max())))


def _kept(connection: Connection, monitor: str, entity: str, alert: int, since: datetime | None) -> list[TracePoint]:
    row = KeptTraceRow
    query = select(row).where(row.alert_id == alert, row.monitor == monitor, ~row.leads_up)
    if since is not None:
        query = query.where(row.time >= since)
    return [trace_point_of(each, entity) for each in connection.execute(query.order_by(row.time)).all()]


def _forget(connection: Connection, monitor: str, alert: int, points: Sequence[TracePoint]) -> None:
    row, first, last = KeptTraceRow, points[0].time, points[-1].time
    connection.execute(
        delete(row).where(
            row.alert_id == alert, row.monitor == monitor, ~row.leads_up, row.time >= first, row.time <= last
        )
    )


def _row(monitor: str, alert: int, point: TracePoint, *, leads_up: bool) -> dict[str, Any]:
    return {
        "monitor": monitor,
        "entity": storable(point.entity),
        "time": point.time,
        "alert_id": alert,
        "leads_up": leads_up,
        "surprise": point.surprise,
        "reconstruction": point.reconstruction,
        "density": point.density,
        "flagged": point.flagged,
        "values": point.values,
        "records": point.records,
        "low": dict(point.low),
        "high": dict(point.high),
    }
