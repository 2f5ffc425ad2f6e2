"""What a monitor says of incidents: which alerts belong together, and what is at stake; without numpy, which reading a monitor
file must not load."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase

from latentwatch.domain.stake import NOTHING_AT_STAKE, Stake


@dataclass(frozen=True, slots=True)
class IncidentRule:
    """What a monitor says of alerts that belong together, and of what is at stake in them."""

    within: timedelta = timedelta(minutes=5)
    """How far apart two of them may begin."""
    related: tuple[tuple[str, ...], ...] = ()
    """Groups of entities, each by name or by a pattern such as `rack-1-*`, whose alerts belong together however unlike."""

    fields: tuple[str, ...] = ()
    """Fields of a record, such as a rack or a line; alerts whose first records show the same in one belong together."""

    stake: Stake = NOTHING_AT_STAKE

    def shown(self, values: Mapping[str, object]) -> dict[str, str]:
        """What a record shows in those fields, where it shows anything."""
        return {name: str(values[name]) for name in self.fields if values.get(name) not in (None, "")}

    def groups_of(self, entity: str) -> frozenset[int]:
        """The groups that an entity is in, by number."""
        return frozenset(
            number
            for number, names in enumerate(self.related)
            if any(entity == name or fnmatchcase(entity, name) for name in names)
        )


NO_RELATIONS = IncidentRule()
"""Alerts belong together by time and likeness alone."""
