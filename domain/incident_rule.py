"""What a monitor says of alerts that belong together; without numpy, which reading a monitor file must not load."""

from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class IncidentRule:
    """What a monitor says of alerts that belong together."""

    within: timedelta = timedelta(minutes=5)
    """How far apart two of them may begin."""
    related: tuple[tuple[str, ...], ...] = ()
    """Groups of entities, each by name or by a pattern such as `rack-1-*`, whose alerts belong together however unlike."""

    def groups_of(self, entity: str) -> frozenset[int]:
        """The groups that an entity is in, by number."""
        return frozenset(
            number
            for number, names in enumerate(self.related)
            if any(entity == name or fnmatchcase(entity, name) for name in names)
        )


NO_RELATIONS = IncidentRule()
"""Alerts belong together by time and likeness alone."""
