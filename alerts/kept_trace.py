"""The trace that is kept of alerts: what led up to each, its course, and the recovery after it.

Stretches of an outcome, and the alerts that its flagged records belong to -> pieces of kept traces, in the one transaction. At
most 240 points before an alert and 480 from its onset until it is over, whatever the pace and the length. A course is kept
piece by piece as it comes; now and then its pieces become one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, func, insert, select

from latentwatch.alerts.grouping import Episode, shifted
from latentwatch.alerts.tables import AlertRow, KeptTraceRow, TraceRow
from latentwatch.alerts.trace_thinning import MOST_IN_COURSE, leading_up, merged, width_for
from latentwatch.domain.alert import AlertKind
from latentwatch.domain.clock import from_microseconds
from latentwatch.domain.outcome import Stretch, TracePoint
from latentwatch.domain.record import Position
from latentwatch.domain.trace_block import NO_POINTS, TraceBlock, block_of_points, block_of_stretch, blocks_together

TRACE_BEFORE = 240
"""How many points before an alert are kept at most."""
MOST_PIECES = 16
"""Pieces of a course; of more one is made."""
_AT_ONCE = 500


@dataclass(slots=True)
class TraceState:
    """How far an alert's kept trace is, and how wide its points are."""

    width: int = 1
    """Microseconds."""
    points: int = 0
    """At most so many: the last of a piece and the first of the next may be one."""
    until: int = 0
    """Event time of the last one, microseconds since 1970."""
    pieces: int = 0


def live_point_of(row: Any, entity: str) -> TracePoint:
    """A point of a row of the live trace."""
    return TracePoint(
        entity=entity,
        time=row.time,
        offset=row.offset,
        partition=row.partition,
        surprise=row.surprise,
        reconstruction=row.reconstruction,
        density=row.density,
        flagged=row.flagged,
        values=row.values,
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
) -> dict[Position, TraceBlock]:
    """What led up to each new one of these alerts, by the record that opened it.

    From the stretches; where those are short, as after a start, also from the live trace. Nothing that belongs to the
    alert before it.
    """
    touched = list(episodes)
    opened = [episode for episode in touched if episode.id is None and episode.opening is not None]
    stored = _former_ends(connection, monitor, opened)
    found: dict[Position, TraceBlock] = {}
    for episode in opened:
        assert episode.opening is not None
        ends = [each.ended for each in touched if each.entity == episode.entity and each.ended < episode.started]
        ends += [stored[episode.entity]] if episode.entity in stored else []
        since = shifted(max(ends), gap) if ends else None
        stretch = parts.before.get(episode.opening.position)
        points = NO_POINTS if stretch is None else leading_up(block_of_stretch(stretch, since))
        if stretch is None or len(stretch.batch) < TRACE_BEFORE:
            until = from_microseconds(points.times[0]) if len(points) else episode.started
            live = _live(connection, monitor, episode.entity, since, until, TRACE_BEFORE - len(points))
            points = blocks_together([block_of_points(live), points])
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
    return [live_point_of(each, entity) for each in reversed(connection.execute(query).all())]


def led_up_rows(monitor: str, before: Mapping[int, tuple[str, TraceBlock]]) -> list[dict[str, Any]]:
    """Rows of what led up to alerts: by their numbers, the entity and the points."""
    return [
        _row(monitor, entity, alert, points, leads_up=True)
        for alert, (entity, points) in sorted(before.items())
        if len(points)
    ]


def keep_courses(
    connection: Connection,
    monitor: str,
    courses: Mapping[int, Sequence[Stretch]],
    states: Mapping[int, TraceState],
    beside: Sequence[Mapping[str, Any]] = (),
) -> dict[int, TraceState]:
    """Keep what alerts' courses went on by, as wider points where there would be too many; returns how far each is then.

    `states` are how far they were; `beside` are rows to be written with theirs.
    """
    found: dict[int, TraceState] = {}
    pieces: dict[int, TraceBlock] = {}
    for alert, stretches in sorted(courses.items()):
        state = states[alert]
        points = pieces[alert] = merged([block_of_stretch(each) for each in stretches], state.width)
        until = max(state.until, int(points.times[-1]))
        found[alert] = TraceState(state.width, state.points + len(points), until, state.pieces + 1)
    full = [alert for alert, state in found.items() if state.points > MOST_IN_COURSE or state.pieces > MOST_PIECES]
    former = _take_out(connection, [alert for alert in full if states[alert].pieces])
    for alert in full:
        blocks = [*former.get(alert, ()), pieces[alert]]
        width = width_for(np.concatenate([block.times for block in blocks]), found[alert].width)
        pieces[alert] = merged(blocks, width)
        found[alert] = TraceState(width, len(pieces[alert]), found[alert].until, 1)
    rows = [_row(monitor, courses[alert][0].entity, alert, points, leads_up=False) for alert, points in pieces.items()]
    if beside or rows:
        connection.execute(insert(KeptTraceRow), [*beside, *rows])
    return found


def _take_out(connection: Connection, alerts: Sequence[int]) -> dict[int, list[TraceBlock]]:
    """The pieces of these alerts' courses in the order in which they came; they are kept no longer."""
    row, found = KeptTraceRow, dict[int, list[TraceBlock]]()
    for start in range(0, len(alerts), _AT_ONCE):
        theirs = (row.alert_id.in_(alerts[start : start + _AT_ONCE]), ~row.leads_up)
        for alert, points in connection.execute(select(row.alert_id, row.points).where(*theirs).order_by(row.id)):
            found.setdefault(alert, []).append(points)
        connection.execute(delete(row).where(*theirs))
    return found


def _row(monitor: str, entity: str, alert: int, points: TraceBlock, *, leads_up: bool) -> dict[str, Any]:
    return {
        "monitor": monitor,
        "entity": entity,
        "alert_id": alert,
        "since": from_microseconds(points.times[0]),
        "until": from_microseconds(points.times[-1]),
        "leads_up": leads_up,
        "points": points,
    }
