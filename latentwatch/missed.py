"""What the terminal can do with stretches that were abnormal and never alarmed."""

from datetime import UTC, datetime

from latentwatch.alerts.missed_stretches import (
    MissedStretch,
    check_stretch_of,
    label_missed,
    missed_stretches,
    unlabel_missed,
)
from latentwatch.alerts.monitors import registered_monitor
from latentwatch.domain.errors import InvalidInput
from latentwatch.excepting import name_of_monitor
from latentwatch.inbox import asked_database


def say_missed(
    monitor: str, since: str | None, until: str | None, entity: str, cause: str, note: str, author: str
) -> MissedStretch:
    """Label a stretch. Raises InvalidInput for times that are none, and for an entity that the monitor does not have."""
    engine = asked_database()
    known = registered_monitor(engine, name_of_monitor(monitor))
    check_stretch_of(known, entity)
    start, end = _moment(since, "--from"), _moment(until, "--to")
    return label_missed(engine, known.name, entity, start, end, author=author or "command line", cause=cause, note=note)


def list_missed(monitor: str) -> list[MissedStretch]:
    """A monitor's, the latest first. Raises NotFound."""
    engine = asked_database()
    return missed_stretches(engine, registered_monitor(engine, name_of_monitor(monitor)).name)


def forget_missed(stretch: int) -> None:
    """Take the word back. Raises NotFound."""
    unlabel_missed(asked_database(), stretch)


def _moment(text: str | None, option: str) -> datetime:
    if text is None:
        raise InvalidInput(f"{option} is missing; a stretch has a beginning and an end, --from T --to T")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{option} {text}: is not a time; write it as 2026-01-31 or 2026-01-31T12:00:00Z") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
