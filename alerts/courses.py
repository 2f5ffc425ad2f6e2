"""The courses of alerts in the database: told record by record in the transaction that stores the records."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, insert, select, update

from latentwatch.alerts.course_table import CourseRow
from latentwatch.alerts.flagged_rows import flagged_of
from latentwatch.alerts.grouping import Episode, shifted
from latentwatch.alerts.kept_trace import Parts, TraceState, keep_course, keep_led_up, rows_of
from latentwatch.alerts.tables import AlertEventRow, AlertRow, FlaggedRecordRow
from latentwatch.alerts.upserts import insert_or_replace
from latentwatch.domain.alert import AlertKind, FlaggedRecord
from latentwatch.domain.clock import from_microseconds
from latentwatch.domain.course import Course, Culprit, FeatureCourse
from latentwatch.domain.fingerprint import fingerprint
from latentwatch.domain.outcome import Stretch, TracePoint
from latentwatch.domain.record import Position

CULPRIT = "culprit"
"""The event of an alert in which a further feature came to lead."""
MOST_RETOLD = 1_000
"""Records of an alert that are read again where late records changed it; the course of a longer one stays as it was told."""


@dataclass(slots=True)
class Told:
    """The courses of some alerts, and how far their kept traces are."""

    courses: dict[Episode, Course] = field(default_factory=dict)
    traces: dict[Episode, TraceState] = field(default_factory=dict)
    culprits: dict[Episode, tuple[Culprit, ...]] = field(default_factory=dict)
    """Features that came to lead now, of alerts that had opened with others."""


def tell(
    connection: Connection,
    records: Sequence[FlaggedRecord],
    episodes: Sequence[Episode],
    before: Mapping[Position, Sequence[TracePoint]],
) -> Told:
    """Go on with the courses of these records' alerts, in order, and name in each what leads it. `before` is what led up to
    new ones, by the record that opened them."""
    told = Told()
    known = _stored(connection, [episode.id for episode in episodes if episode.id is not None])
    for episode in dict.fromkeys(episodes):
        stored = known.get(episode.id) if episode.id is not None else None
        if stored is not None:
            told.courses[episode], told.traces[episode] = stored
        else:
            led_up = before.get(episode.opening.position, ()) if episode.opening is not None else ()
            told.courses[episode], told.traces[episode] = Course.after(led_up), TraceState()
    for record, episode in zip(records, episodes, strict=True):
        if further := told.courses[episode].add(record):
            told.culprits[episode] = (*told.culprits.get(episode, ()), *further)
        if record.grounds.step is not None:
            episode.moved = [each.feature for each in record.grounds.step.moved]
    for episode, course in told.courses.items():
        name_leading(episode, course)
    return told


def retell(connection: Connection, episode: Episode) -> None:
    """Tell a stored alert's course anew from the records that it has now."""
    assert episode.id is not None
    stored = _stored(connection, [episode.id]).get(episode.id)
    if stored is None or episode.records > MOST_RETOLD:
        return
    before, row = stored[0], FlaggedRecordRow
    course = Course({name: FeatureCourse(usual=one.usual) for name, one in before.features.items()})
    records = connection.execute(
        select(row).where(row.alert_id == episode.id).order_by(row.time, row.offset).limit(MOST_RETOLD)
    )
    for record in records:
        course.add(flagged_of(record))
    name_leading(episode, course)
    told = {"course": course.to_json(), "fingerprint": fingerprint(course.shares)}
    connection.execute(update(CourseRow).where(CourseRow.alert_id == episode.id).values(told))


def name_leading(episode: Episode, course: Course) -> None:
    """Name in an alert what leads its course: what crossed limits and what moved for good first."""
    leading = course.leading([*(crossing.feature for crossing in episode.crossed), *episode.moved])
    episode.features, episode.summary = leading or episode.features, course.summary


def keep(
    connection: Connection,
    monitor: str,
    told: Told,
    before: Mapping[Position, Sequence[TracePoint]],
    parts: Parts,
    owners: Mapping[Position, Episode],
    gap: timedelta,
    now: datetime,
) -> None:
    """Store courses and kept traces of alerts that have their numbers; `owners` are those of flagged records."""
    led_up = {
        episode.id: before[episode.opening.position]
        for episode in told.courses
        if episode.id is not None and episode.opening is not None and episode.opening.position in before
    }
    keep_led_up(connection, monitor, led_up)
    numbers = {position: episode.id for position, episode in owners.items() if episode.id is not None}
    courses = _by_alert(connection, monitor, parts.courses, numbers, gap)
    for episode in told.courses:
        assert episode.id is not None
        if stretches := courses.pop(episode.id, None):
            told.traces[episode] = keep_course(connection, monitor, episode.id, stretches, told.traces[episode])
    rows = {
        episode.id: {
            "alert_id": episode.id,
            "course": course.to_json(),
            "fingerprint": fingerprint(course.shares),
            **_columns(told.traces[episode]),
        }
        for episode, course in told.courses.items()
        if episode.id is not None
    }
    insert_or_replace(connection, CourseRow, [rows[alert] for alert in sorted(rows)])
    _keep_others(connection, monitor, courses)
    _note_culprits(connection, told, now)


def keep_further(connection: Connection, monitor: str, parts: Parts, gap: timedelta) -> None:
    """Keep the courses of alerts none of whose records is flagged in this commit."""
    _keep_others(connection, monitor, _by_alert(connection, monitor, parts.courses, {}, gap))


def _keep_others(connection: Connection, monitor: str, courses: Mapping[int, Sequence[Stretch]]) -> None:
    if not courses:
        return
    row = CourseRow
    columns = (row.alert_id, row.trace_width, row.trace_points, row.trace_until)
    stored = connection.execute(select(*columns).where(row.alert_id.in_(sorted(courses))).with_for_update()).all()
    changed = [
        {"alert": alert, **_columns(keep_course(connection, monitor, alert, courses[alert], TraceState(*state)))}
        for alert, *state in sorted(stored)
    ]
    if changed:
        connection.execute(_FURTHER, changed)


_TRACE_COLUMNS = ("trace_width", "trace_points", "trace_until")
_FURTHER = (
    update(CourseRow)
    .where(CourseRow.alert_id == bindparam("alert"))
    .values({name: bindparam(name) for name in _TRACE_COLUMNS})
)


def _columns(state: TraceState) -> dict[str, int]:
    return dict(zip(_TRACE_COLUMNS, (state.width, state.points, state.until), strict=True))


def _stored(connection: Connection, alerts: Iterable[int]) -> dict[int, tuple[Course, TraceState]]:
    row, numbers = CourseRow, sorted(set(alerts))
    if not numbers:
        return {}
    found = connection.execute(select(row).where(row.alert_id.in_(numbers)))
    return {
        each.alert_id: (
            Course.from_json(each.course),
            TraceState(each.trace_width, each.trace_points, each.trace_until),
        )
        for each in found
    }


def _by_alert(
    connection: Connection,
    monitor: str,
    courses: Sequence[Stretch],
    owners: Mapping[Position, int],
    gap: timedelta,
) -> dict[int, list[Stretch]]:
    """What of these stretches belongs to which alert: from a flagged record on to its alert; what comes before the first
    one to the alert that the entity had last."""
    found: dict[int, list[Stretch]] = {}
    headless: list[Stretch] = []
    for stretch in courses:
        at, alert = 0, None
        for row in stretch.flagged.nonzero()[0].tolist():
            owner = owners.get(stretch.batch.position(row), alert)
            if owner == alert:
                continue
            if row > at:
                part = rows_of(stretch, slice(at, row))
                headless.append(part) if alert is None else found.setdefault(alert, []).append(part)
            at, alert = row, owner
        rest = rows_of(stretch, slice(at, None)) if at else stretch
        headless.append(rest) if alert is None else found.setdefault(alert, []).append(rest)
    latest = _latest_alerts(connection, monitor, headless, gap)
    for stretch in headless:
        if stretch.entity in latest:
            found.setdefault(latest[stretch.entity], []).insert(0, stretch)
    return found


def _latest_alerts(
    connection: Connection, monitor: str, stretches: Sequence[Stretch], gap: timedelta
) -> dict[str, int]:
    """The last alert of each entity that these records may still belong to."""
    if not stretches:
        return {}
    row = AlertRow
    first = min(int(stretch.batch.times.min()) for stretch in stretches)
    alerts = connection.execute(
        select(row.entity, row.id, row.started)
        .where(
            row.monitor == monitor,
            row.entity.in_(sorted({stretch.entity for stretch in stretches})),
            row.ended >= shifted(from_microseconds(first), -gap),
            row.kind == AlertKind.ANOMALY,
            row.records > 0,
        )
        .order_by(row.ended, row.id)
    ).all()
    last = {stretch.entity: from_microseconds(int(stretch.batch.times.max())) for stretch in stretches}
    return {entity: alert for entity, alert, started in alerts if started <= last[entity]}


def _note_culprits(connection: Connection, told: Told, now: datetime) -> None:
    rows = [
        {
            "alert_id": episode.id,
            "kind": CULPRIT,
            "author": "",
            "note": each.in_words,
            "created": now,
        }
        for episode, culprits in told.culprits.items()
        for each in culprits
    ]
    if rows:
        connection.execute(insert(AlertEventRow), rows)
