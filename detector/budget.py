"""What a policy's budget of false alarms comes to with one detector: from which surprise on records are flagged, and how many
alarms a day normal records then raise."""

from dataclasses import dataclass

from latentwatch.domain.percent import percent

_MORE = 1.05
"""How many times what was asked is more than that."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Alarms a day are alert episodes of normal records, over the whole monitor."""

    threshold: float
    """The surprise from which records are flagged."""
    entities: int
    """Entities in training, over which the monitor's alarms are spread; 1 where records name none."""
    asked: float | None
    """Alarms a day that the policy allows; None where it counts by the share of records."""
    promised: float | None
    """Alarms a day that the threshold promises; None where training knew no times."""
    resolution: float
    """The surprise beyond which calibration cannot tell how rare a record is: that of one in all that it learned from."""

    @property
    def is_kept(self) -> bool:
        """Whether no more is promised than the policy allows."""
        return self.asked is None or self.promised is None or self.promised <= _MORE * self.asked

    @property
    def each(self) -> float | None:
        """Alarms a day of one entity that the threshold promises."""
        return None if self.promised is None else self.promised / self.entities

    def in_words(self) -> str | None:
        """What people should know of it before anything serves; None where the policy is kept."""
        if self.is_kept or self.asked is None or self.promised is None:
            return None
        entities = f" of {self.entities:,} entities" if self.entities > 1 else ""
        return (
            f"{amount(self.asked)} false alarms a day{entities} together cannot be promised: the history is too short to tell "
            f"what is rarer than {percent(10.0**-self.resolution)} of its records. It flags from there on: expect up to "
            f"{amount(self.promised)} alarms a day of normal records{self._spread()}. A longer history lowers that; "
            "'false_alarm_rate' sets a share of records however small, and finds only what is far stranger than all of the history."
        )

    def _spread(self) -> str:
        return (
            f", {amount(self.promised / self.entities)} of each entity" if self.entities > 1 and self.promised else ""
        )


def amount(number: float) -> str:
    """Two significant digits, thousands apart.

    >>> amount(1234.5), amount(2.0), amount(0.0123)
    ('1,200', '2', '0.012')
    """
    rounded = float(f"{number:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"
