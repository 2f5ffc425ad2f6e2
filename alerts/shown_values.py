"""What a message says of values: what the strangest record of an alert showed, what was expected, and in which unit."""

from typing import Any

from sqlalchemy import Connection, Row, select

from latentwatch.alerts.course_table import CourseRow
from latentwatch.alerts.tables import FlaggedRecordRow, MonitorRow
from latentwatch.domain.course import Course
from latentwatch.domain.errors import InvalidMonitor
from latentwatch.domain.monitor import parse_monitor

_MOST = 3
"""Features of which a message says values."""


def values_in_words(connection: Connection, monitor: str, alert: Row[Any]) -> str:
    """The alert's features with what each showed at its peak and what was expected; their names alone where that is not known.
    Of slow sensors the last known value counts.

    `alert` has its `id`, `features` and the position of its peak.
    """
    row = FlaggedRecordRow
    peak = connection.execute(
        select(row.values, row.expected).where(
            row.monitor == monitor,
            row.source == alert.peak_source,
            row.partition == alert.peak_partition,
            row.offset == alert.peak_offset,
        )
    ).first()
    names: list[str] = list(alert.features)
    if peak is None or not names:
        return ", ".join(names) or "no single feature"
    units, known = _units(connection, monitor), _last_known(connection, alert.id)
    shown = {**known, **{name: value for name, value in peak.values.items() if value is not None}}
    said = [_said(name, shown.get(name), peak.expected.get(name), units.get(name, "")) for name in names[:_MOST]]
    return ", ".join([*said, *names[_MOST:]])


def _last_known(connection: Connection, alert: int) -> dict[str, Any]:
    """What the alert's features showed last when its strangest record came."""
    stored = connection.scalar(select(CourseRow.course).where(CourseRow.alert_id == alert))
    return {} if stored is None else {name: one.worst for name, one in Course.from_json(stored).features.items()}


def _units(connection: Connection, monitor: str) -> dict[str, str]:
    definition = connection.scalar(select(MonitorRow.definition).where(MonitorRow.name == monitor))
    try:
        record = parse_monitor(definition or "").record
    except InvalidMonitor:  # of an earlier version, or gone
        return {}
    return {feature.name: feature.unit for feature in record.features}


def _said(name: str, value: Any, expected: Any, unit: str) -> str:
    shown = _number(value, unit)
    return f"{name} {shown}" if expected is None else f"{name} {shown} (expected {_number(expected, unit)})"


def _number(value: Any, unit: str) -> str:
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return str(value).lower()
    text = f"{value:.4g}" if isinstance(value, float | int) else str(value)[:100]
    return f"{text} {unit}" if unit else text
