"""A new installation that learns from its stream: how much of it there is."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from latentwatch.domain.durations import format_duration

LEARNING = "learning"
"""How a sentence begins that tells of it."""


@dataclass(frozen=True, slots=True)
class Learning:
    """How long a stream has been seen, of what its first model asks for."""

    seen: timedelta
    """Since the first record that is kept arrived; 0 where none has."""
    after: timedelta

    @classmethod
    def of(cls, first: datetime | None, now: datetime, after: timedelta) -> "Learning":
        """Where the first record arrived at `first`, or none has."""
        return cls(timedelta(0) if first is None else max(timedelta(0), now - first), after)

    @property
    def is_enough(self) -> bool:
        """Whether the first model can be trained."""
        return self.seen >= self.after

    def in_words(self) -> str:
        """How far it is.

        >>> Learning(timedelta(days=1.2), timedelta(days=3)).in_words()
        'learning, 40 % of 3d'
        >>> Learning(timedelta(days=4), timedelta(days=3)).in_words()
        "learning, 100 % of 3d: the first model can be trained, by the schedule or by 'latentwatch retrain'"
        """
        share = 100 if self.is_enough else int(100 * (self.seen / self.after))
        words = f"{LEARNING}, {share} % of {format_duration(self.after)}"
        if self.is_enough:
            return f"{words}: the first model can be trained, by the schedule or by 'latentwatch retrain'"
        return words if self.seen else f"{words}: no record has arrived yet"
