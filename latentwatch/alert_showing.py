"""What the terminal says of one alert: what happened over its whole course."""

from datetime import datetime

from latentwatch.alerts.monitors import monitors
from latentwatch.alerts.reading import AlertDetail, alert_detail
from latentwatch.console import print_json, print_table
from latentwatch.domain.alert import AlertKind
from latentwatch.domain.durations import spell_duration
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.schema import RecordSchema
from latentwatch.inbox import asked_database
from latentwatch.review.course_lines import CourseLine, course_lines, course_moments
from latentwatch.review.schemas import AlertDetailOut
from latentwatch.review.words import number, percent

_MOST_LINES = 12


def show_alert(alert: int, *, as_json: bool) -> None:
    """Print one alert; as JSON what `GET /api/alerts/ID` answers. Raises InvalidInput where there is none of that number."""
    engine = asked_database()
    detail = alert_detail(engine, alert)
    if detail is None:
        raise InvalidInput(f"there is no alert {alert}; 'latentwatch alerts list' shows those there are")
    if as_json:
        print_json(AlertDetailOut.of(detail).model_dump(mode="json"))
        return
    schemas = {monitor.name: monitor.record for monitor in monitors(engine)}
    for line in told(detail):
        print(line)
    if detail.course is not None and detail.alert.records:
        print_table(_HEADERS, _rows(detail, schemas.get(detail.alert.monitor)), "No feature contributed.")


def told(detail: AlertDetail) -> list[str]:
    """An alert in lines: what, where and since when, then its moments in order."""
    alert = detail.alert
    whose = f"{alert.monitor}, {alert.entity}" if alert.entity else alert.monitor
    what = "stopped sending" if alert.kind is AlertKind.STOPPED_SENDING else alert.summary or ", ".join(alert.features)
    lines = [f"alert {alert.id}: {whose}: {what}"]
    state = "over" if alert.over else "going on"
    lasted = (alert.ended - alert.started).total_seconds()
    lines.append(
        f"{alert.severity.value}, {alert.status.value}, {state}; since {_moment(alert.started)} UTC"
        + (f" for {spell_duration(lasted)}" if lasted else "")
        + (f", {alert.records:,} flagged records, labelled {alert.verdict.value}" if alert.verdict else
           f", {alert.records:,} flagged records")
    )  # fmt: skip
    if detail.course is not None:
        lines += [f"  {_moment(each.time)} {each.what}: {each.text}" for each in course_moments(alert, detail.course)]
    return lines


_HEADERS = ("feature", "before", "went", "strangest", "expected", "off since", "until", "of the surprise")


def _rows(detail: AlertDetail, schema: RecordSchema | None) -> list[tuple[object, ...]]:
    assert detail.course is not None
    guilty, rest = course_lines(detail.course, schema)
    return [_row(line) for line in [*guilty, *rest][:_MOST_LINES]]


def _row(line: CourseLine) -> tuple[object, ...]:
    return (
        f"{line.name} ({line.unit})" if line.unit else line.name,
        _span(line.usual.low, line.usual.high) if line.usual else "",
        _span(line.low, line.high) if line.low is not None and line.high is not None else number(line.last),
        number(line.worst),
        number(line.expected),
        "" if line.since is None else f"{line.since:%H:%M:%S}",
        "" if line.until is None else f"{line.until:%H:%M:%S}",
        percent(line.share),
    )


def _span(low: float, high: float) -> str:
    return number(low) if low == high else f"{number(low)} to {number(high)}"


def _moment(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}"
