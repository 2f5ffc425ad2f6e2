"""Retention: old rows leave the database, one bounded transaction after another."""

from dataclasses import fields
from datetime import timedelta

from latentwatch.alerts.retention import Ages, prune
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.monitor import parse_duration
from latentwatch.settings import load_settings
from latentwatch.wiring import ready_database


def delete_expired(changes: dict[str, str] | None = None) -> dict[str, int]:
    """Delete what is older than its age; how many rows of each table went. `changes` overrule ages, such as trace: 2d."""
    known = {field.name for field in fields(Ages)}
    strangers = sorted(set(changes or {}) - known)
    if strangers:
        raise InvalidInput(f"no such kind of row: {', '.join(strangers)}; choose from {', '.join(sorted(known))}")
    ages = Ages(**{name: _age(name, text) for name, text in (changes or {}).items()})
    return prune(ready_database(load_settings()), ages, SystemClock().now())


def _age(name: str, text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InvalidInput(f"--keep {name}={text}: {error}") from None
