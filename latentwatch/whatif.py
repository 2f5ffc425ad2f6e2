"""What the terminal can ask of what would have calmed an alert."""

from collections.abc import Sequence
from functools import lru_cache, partial

from latentwatch.detector.bundle import load_bundle
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.record import Value
from latentwatch.inbox import asked_database
from latentwatch.review.whatif import WhatIf, had_it_shown, what_would_calm
from latentwatch.settings import load_settings


def calmed(alert: int, readings: Sequence[str]) -> WhatIf:
    """What would have calmed an alert or, where readings are given as FEATURE=VALUE, what they would have made of it.

    Raises as `what_would_calm` and `had_it_shown` do, and InvalidInput for a reading that is none.
    """
    load = lru_cache(partial(load_bundle, load_settings().bundles))
    if not readings:
        return what_would_calm(asked_database(), load, alert)
    return had_it_shown(asked_database(), load, alert, dict(_reading(each) for each in readings))


def _reading(said: str) -> tuple[str, Value]:
    name, sign, value = said.partition("=")
    if not sign or not name:
        raise InvalidInput(f"{said!r} is no reading; write FEATURE=VALUE, such as vibration=1.1")
    try:
        return name, float(value)
    except ValueError:
        return name, value or None
