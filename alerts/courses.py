"""The courses of alerts in the database: told record by record in the transaction that stores the records."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, insert, select, update

from latentwatch.alerts.course_table import CourseRow
from latentwatch.alerts.flagged_rows import flagged_of
from latentwatch.alerts.grouping import Episode, shifted
from latentwatch.alerts.kept_trace import Parts, TraceState, keep_courses, led_up_rows, rows_of
from latentwatch.alerts.tables import AlertEventRow, AlertRow, FlaggedRecordRow
from latentwatch.alerts.upserts import insert_or_replace
from latentwatch.domain.alert import AlertKind, FlaggedRecord
from latentwatch.domain.clock import from_microseconds
from latentwatch.domain.course import Course, Culprit, FeatureCourse
from latentwatch.domain.fingerprint import fingerprint
from latentwatch.domain.outcome import Stretch
from latentwatch.domain.record import Position
from latentwatch.domain.trace_block import NO_POINTS, TraceBlock

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
    before: Mapping[Position, TraceBlock],
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
            led_up = before.get(episode.opening.position) if episode.opening is not None else None
            told.courses[episode], told.traces[episode] = Course.after(led_up or NO_POINTS), TraceState()
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
    before: Mapping[Position, TraceBlock],
    parts: Parts,
    owners: Mapping[Position, Episode],
    gap: timedelta,
    now: datetime,
) -> None:
    """Store courses and kept traces of alerts that have their numbers; `owners` are those of flagged records."""
    led_up = {
        episode.id: (episode.entity, before[episode.opening.position])
        for episode in told.courses
        if episode.id is not None and episode.opening is not None and episode.opening.position in before
    }
    numbers = {position: episode.id for position, episode in owners.items() if episode.id is not None}
    courses = _by_alert(connection, monitor, parts.courses, numbers, gap)
    states = {episode.id: told.traces[episode] for episode in told.courses if episode.id is not None}
    others = _states(connection, [alert for alert in courses if alert not in states])
    known = {alert: stretches for alert, stretches in courses.items() if alert in states or alert in others}
    kept = keep_courses(connection, monitor, known, states | others, led_up_rows(monitor, led_up))
    rows = {
        episode.id: {
            "alert_id": episode.id,
            "course": course.to_json(),
            "fingerprint": fingerprint(course.shares),
            **_columns(kept.get(episode.id, told.traces[episode])),
        }
        for episode, course in told.courses.items()
        if episode.id is not None
    }
    insert_or_replace(connection, CourseRow, [rows[alert] for alert in sorted(rows)])
    _note_traces(connection, {alert: state for alert, state in kept.items() if alert in others})
    _note_culprits(connection, told, now)


def keep_further(connection: Connection, monitor: str, parts: Parts, gap: timedelta) -> None:
    """Keep the courses of alerts none of whose records is flagged in this commit."""
    courses = _by_alert(connection, monitor, parts.courses, {}, gap)
    states = _states(connection, courses)
    known = {alert: stretches for alert, stretches in courses.items() if alert in states}
    _note_traces(connection, keep_courses(connection, monitor, known, states))


def _states(connection: Connection, alerts: Iterable[int]) -> dict[int, TraceState]:
    """How far the kept traces of these alerts are; of alerts that nothing is told of there is none."""
    row, numbers = CourseRow, sorted(alerts)
    if not numbers:
        return {}
    columns = (row.alert_id, *(getattr(row, name) for name in _TRACE_COLUMNS))
    stored = connection.execute(select(*columns).where(row.alert_id.in_(numbers)).with_for_update())
    return {alert: TraceState(*state) for alert, *state in stored}


def _note_traces(connection: Connection, states: Mapping[int, TraceState]) -> None:
    if states:
        connection.execute(_FURTHER, [{"alert": alert, **_columns(state)} for alert, state in sorted(states.items())])


_TRACE_COLUMNS = ("trace_width", "trace_points", "trace_until", "trace_pieces")
"""In the order of `TraceState`."""
_FURTHER = (
    update(CourseRow)
    .where(CourseRow.alert_id == bindparam("alert"))
    .values({name: bindparam(name) for name in _TRACE_COLUMNS})
)


def _columns(state: TraceState) -> dict[str, int]:
    return dict(zip(_TRACE_COLUMNS, astuple(state), strict=True))


def _stored(connection: Connection, alerts: Iterable[int]) -> dict[int, tuple[Course, TraceState]]:
    row, numbers = CourseRow, sorted(set(alerts))
    if not numbers:
        return {}
    found = connection.execute(select(row).where(row.alert_id.in_(numbers)))
    return {
        each.alert_id: (
            Course.from_json(each.course),
            TraceState(*(getattr(each, name) for name in _TRACE_COLUMNS)),
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
