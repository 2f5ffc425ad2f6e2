"""What the terminal can do with exceptions: propose, accept, list, take back."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from latentwatch.alerts.exceptions import StoredException, exceptions, remove_exception
from latentwatch.alerts.monitors import monitors, registered_monitor
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.detector.bundle import load_bundle
from latentwatch.detector.exception_facts import needless
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.durations import parse_duration
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.exceptions import form_to_json
from latentwatch.domain.monitor import load_monitor
from latentwatch.review.excepting import Load, Proposal, accept, propose
from latentwatch.settings import Settings, load_settings
from latentwatch.wiring import ASKING_SECONDS, ready_database

_NOBODY = "command line"


def proposals(monitor: str, alerts: Sequence[int]) -> list[Proposal]:
    """Exceptions under which some of these alerts would not have been. Raises as `propose` does."""
    settings = load_settings()
    engine = ready_database(settings, patience_seconds=ASKING_SECONDS)
    return propose(engine, _loading(settings), registered_monitor(engine, name_of_monitor(monitor)), alerts)


def accept_proposal(monitor: str, proposal: str, note: str, until: str | None, author: str) -> StoredException:
    """Make a proposal an exception. Raises as `accept` does, and InvalidInput for an end that is none."""
    settings = load_settings()
    engine = ready_database(settings, patience_seconds=ASKING_SECONDS)
    name = registered_monitor(engine, name_of_monitor(monitor)).name
    end = None if until is None else moment_of(until, SystemClock().now())
    return accept(engine, _loading(settings), name, proposal, author=author or _NOBODY, note=note, until=end)


def listed(monitor: str | None, *, removed: bool) -> tuple[list[StoredException], set[int]]:
    """A monitor's exceptions or every monitor's, newest first; and those without which, by the model that serves, nothing
    that they are about would alarm. Raises NotFound for a monitor that is none."""
    engine = ready_database(load_settings(), patience_seconds=ASKING_SECONDS)
    chosen = monitors(engine) if monitor is None else [registered_monitor(engine, name_of_monitor(monitor))]
    found = [each for one in chosen for each in exceptions(engine, one.name, removed=removed)]
    serving = [ModelRegistry(engine).champion(name) for name in {each.monitor for each in found}]
    unneeded = {each for one in serving if one is not None for each in needless(one.evaluation)}
    return sorted(found, key=lambda each: -each.id), unneeded


def take_back(monitor: str, exception: int, author: str) -> StoredException:
    """Take one back. Raises NotFound."""
    engine = ready_database(load_settings(), patience_seconds=ASKING_SECONDS)
    return remove_exception(engine, name_of_monitor(monitor), exception, author or _NOBODY)


def facts_of(made: StoredException) -> dict[str, Any]:
    """An exception for scripts."""
    return {
        "id": made.id,
        "monitor": made.monitor,
        "text": made.text,
        **form_to_json(made.form),
        "until": made.until,
        "author": made.author,
        "note": made.note,
        "alerts": list(made.alerts),
        "created": made.created,
        "records": made.records,
        "last": made.last,
        "removed": made.removed,
        "removed_by": made.removed_by,
    }


def moment_of(until: str, now: datetime) -> datetime:
    """When an exception ends: a length from now, or a time, in UTC unless it says otherwise. Raises InvalidInput.

    >>> moment_of("2d", datetime(2026, 1, 30, tzinfo=UTC)).isoformat()
    '2026-02-01T00:00:00+00:00'
    """
    try:
        return now + parse_duration(until)
    except (ValueError, OverflowError):
        pass
    try:
        moment = datetime.fromisoformat(until)
    except ValueError:
        raise InvalidInput(
            f"--until {until}: is neither a length of time such as 30d nor a time such as 2026-01-31T12:00:00Z"
        ) from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _loading(settings: Settings) -> Load:
    return lru_cache(maxsize=4)(partial(load_bundle, settings.bundles))


def name_of_monitor(monitor: str) -> str:
    """A monitor's name, also where its file is given."""
    return load_monitor(monitor).name if Path(monitor).suffix in (".yaml", ".yml") else monitor
