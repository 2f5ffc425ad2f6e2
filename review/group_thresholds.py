"""A threshold for a group that is off the promise: proposed from what was counted, and made like any other exception."""

from dataclasses import dataclass

from latentwatch.alerts.database import Engine
from latentwatch.alerts.exception_proposals import store_proposals
from latentwatch.alerts.exceptions import exceptions
from latentwatch.domain.clock import Clock
from latentwatch.domain.errors import InvalidInput, NotFound
from latentwatch.domain.exceptions import GroupThreshold
from latentwatch.domain.groups import GroupName
from latentwatch.domain.monitor import Monitor
from latentwatch.review.segments import segments


@dataclass(frozen=True, slots=True)
class ThresholdProposal:
    """A group's own threshold, and what it would have changed."""

    id: str
    """As of any proposal of an exception: accepted by it."""
    text: str
    shift: float
    alarms: int
    """Those of the group that nobody confirmed."""
    alarms_left: int | None
    """How many of them would be left; None where the threshold is lowered, since nobody kept what did not alarm."""

    @property
    def in_words(self) -> str:
        """A sentence for people."""
        if self.alarms_left is None:
            return f"{self.text}: it had {self.alarms} alarms, and would have had more."
        return f"{self.text}: of its {self.alarms} alarms {self.alarms_left} would have been left."


def propose_threshold(engine: Engine, monitor: Monitor, group: GroupName, days: int, clock: Clock) -> ThresholdProposal:
    """A threshold under which a group would have alarmed as often as promised.

    Raises NotFound for a group that nothing was counted of, InvalidInput for one that keeps the promise as far as can be
    told or that has a threshold of its own, Unavailable.
    """
    made = threshold_in_force(engine, monitor.name).get(group)
    if made is not None:
        raise InvalidInput(
            f"{group.in_words} has a threshold of its own, exception {made}; take that back before another one is proposed"
        )
    found = segments(engine, monitor, clock.now(), days)
    mine = next((each for each in found.segments if each.group == group), None)
    if mine is None:
        raise NotFound(f"monitor {monitor.name!r}: nothing was counted of {group.in_words} in {days} days")
    if not mine.shift:
        raise InvalidInput(f"{group.in_words} is not off the promise beyond chance; no threshold is proposed for it")
    form = GroupThreshold(
        by=group.by, field=group.field, value=group.value, shift=mine.shift, timezone=monitor.record.timezone
    )
    (name,) = store_proposals(engine, monitor.name, [form], [], clock.now())
    return ThresholdProposal(name, form.in_words, mine.shift, mine.alarms, mine.alarms_left)


def threshold_in_force(engine: Engine, monitor: str) -> dict[GroupName, int]:
    """The exception that gives each group a threshold of its own, of those that have one. Raises Unavailable."""
    made = [each for each in exceptions(engine, monitor) if isinstance(each.form, GroupThreshold)]
    return {each.form.group: each.id for each in reversed(made) if isinstance(each.form, GroupThreshold)}
