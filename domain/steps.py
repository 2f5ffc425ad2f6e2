"""A level that stepped and stays: what is said of it, and what a monitor does about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

NOTHING, PASSES, ASKS = range(3)
"""What a record is in a lasting change: nothing of note, at a level that was asked about, the one that asks."""


class AfterStep(StrEnum):
    """What becomes of a change that lasts until it is usual."""

    ASK = "ask"
    """People are asked whether it is the new normal; until then its records pass, and are not learned."""
    ACCEPT = "accept"
    """It is said, its records pass, and the next model learns them."""
    KEEP = "keep"
    """It alarms for as long as it lasts."""


class StepAnswer(StrEnum):
    """What a person says of it."""

    ACCEPT = "accept"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class MovedFeature:
    """A feature whose mean is another one than before."""

    feature: str
    before: float
    """Its mean before the change."""
    now: float
    """Its mean of the last day."""
    unit: str = ""

    @property
    def in_words(self) -> str:
        """A clause for people.

        >>> MovedFeature("temperature", 61.04, 67.3, "°C").in_words
        'temperature is 67.3 °C on average, 61.04 °C before'
        """
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.feature} is {self.now:.4g}{unit} on average, {self.before:.4g}{unit} before"


@dataclass(frozen=True, slots=True)
class LastingChange:
    """A change that was strange and has become usual."""

    since: datetime
    """Event time of its first strange record."""
    asked: datetime
    """Event time at which people were asked, the last time."""
    moved: tuple[MovedFeature, ...] = ()
    """The furthest first; none where features vary, or go together, otherwise than before."""
    accepted: bool = False
    """Whether nobody need be asked, as the monitor accepts such changes."""

    @property
    def in_words(self) -> str:
        """What happened, for people."""
        told = "; ".join(each.in_words for each in self.moved)
        told = told or "no feature's mean has moved far, but they vary, or go together, otherwise than before"
        when = f"since {self.since:%Y-%m-%d %H:%M} UTC {told}."
        return f"New normal, as the monitor accepts what lasts: {when}" if self.accepted else f"New normal? S{when[1:]}"

    def to_json(self) -> dict[str, Any]:
        """What is stored."""
        moved = [{"feature": m.feature, "before": m.before, "now": m.now, "unit": m.unit} for m in self.moved]
        stored = {"since": self.since.isoformat(), "asked": self.asked.isoformat(), "moved": moved}
        return stored | ({"accepted": True} if self.accepted else {})

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(
            datetime.fromisoformat(stored["since"]),
            datetime.fromisoformat(stored["asked"]),
            tuple(MovedFeature(**each) for each in stored["moved"]),
            bool(stored.get("accepted")),
        )
