"""What the terminal can ask of groups: how each kept the promise, and a threshold of its own for one that did not."""

from dataclasses import asdict
from typing import Any

from latentwatch.alerts.monitors import registered_monitor
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.groups import GroupedBy, GroupName
from latentwatch.excepting import name_of_monitor
from latentwatch.inbox import asked_database
from latentwatch.review.group_thresholds import ThresholdProposal, propose_threshold
from latentwatch.review.segments import Segment, Segments, segments


def segments_of(monitor: str, days: int) -> Segments:
    """Every group of a monitor. Raises NotFound for a monitor that is none."""
    engine = asked_database()
    return segments(engine, registered_monitor(engine, name_of_monitor(monitor)), SystemClock().now(), days)


def proposed_threshold(monitor: str, group: str, days: int) -> ThresholdProposal:
    """A threshold for a group said as `entity=NAME`, `hour=HH` or `FIELD=VALUE`. Raises as `propose_threshold` does."""
    engine = asked_database()
    known = registered_monitor(engine, name_of_monitor(monitor))
    return propose_threshold(engine, known, group_named(group), days, SystemClock())


def group_named(said: str) -> GroupName:
    """A group as people write it. Raises InvalidInput.

    >>> group_named("hour=7").in_words, group_named("shift=night").in_words
    ('07:00 to 08:00', 'shift night')
    """
    what, sign, value = said.partition("=")
    if not sign or not what:
        raise InvalidInput(f"{said!r} names no group; write entity=NAME, hour=HH or FIELD=VALUE, such as shift=night")
    if what == GroupedBy.ENTITY:
        return GroupName(GroupedBy.ENTITY, "", value)
    if what == GroupedBy.HOUR:
        if not (value.isascii() and value.isdigit() and int(value) < 24):
            raise InvalidInput(f"hour={value} is none; write hour=00 to hour=23")
        return GroupName(GroupedBy.HOUR, "", f"{int(value):02}")
    return GroupName(GroupedBy.FIELD, what, value)


def facts_of(found: Segment | Segments | ThresholdProposal) -> dict[str, Any]:
    """For scripts, with what follows from the numbers."""
    told = {"in_words": found.in_words}
    if isinstance(found, Segment):
        return asdict(found) | told | {"share": found.share, "apart": found.apart, "off": found.off}
    return asdict(found) | told
