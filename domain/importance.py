"""What matters of a feature: which way it must move to count, how far, and how much; and limits that always alarm."""

import re
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_SHARE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s*")


class Direction(StrEnum):
    """Which way a feature must move to count."""

    UP = "up"
    DOWN = "down"


class Importance(BaseModel):
    """What people say matters of a numeric feature; of a category or a text its weight."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    direction: Direction | None = None
    """Where only rises above what is expected count, or only falls below it."""
    ignore_below: Annotated[float | str, Field(union_mode="left_to_right")] | None = None
    """The smallest distance from what is expected that counts: in the feature's unit, or as `"5 %"` of what is expected."""
    alarm_above: float | None = Field(default=None, allow_inf_nan=False)
    """A value above it is always flagged."""
    alarm_below: float | None = Field(default=None, allow_inf_nan=False)
    """A value below it is always flagged."""
    weight: float | None = Field(default=None, ge=0, le=1)
    """How much of what it adds to a surprise counts; 0 mutes it, whatever it shows. Its limits alarm all the same."""

    @field_validator("ignore_below", mode="before")
    @classmethod
    def _a_distance(cls, value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, str) and (share := _SHARE.fullmatch(value)) and float(share[1]) > 0:
            return f"{float(share[1]):g} %"
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf"):
            return float(value)
        raise ValueError("give a positive number in the feature's unit, or a share such as '5 %'")

    @model_validator(mode="after")
    def _limits_leave_room(self) -> Self:
        if self.alarm_above is not None and self.alarm_below is not None and self.alarm_below >= self.alarm_above:
            raise ValueError("'alarm_below' must be less than 'alarm_above', or all is an alarm")
        return self

    @property
    def smallest(self) -> tuple[float, float]:
        """The smallest distance from what is expected that counts: in its unit, and as a share of what is expected."""
        if isinstance(self.ignore_below, str):
            return 0.0, float(self.ignore_below.removesuffix("%")) / 100
        return self.ignore_below or 0.0, 0.0


IMPORTANCE = tuple(Importance.model_fields)
"""The names of those fields."""
