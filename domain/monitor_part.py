"""What every part of a monitor file has in common."""

from pydantic import BaseModel, ConfigDict


class MonitorPart(BaseModel):
    """A part of a monitor file: fixed once read, and without keys that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")
