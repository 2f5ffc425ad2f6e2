"""Which monitors there are, and the tabs that lead from one to the next."""

from latentwatch.alerts.monitors import monitors
from latentwatch.domain.monitor import Monitor
from latentwatch.review.room import Room


def monitor_names(room: Room) -> list[str]:
    """Names of every registered monitor."""
    return [monitor.name for monitor in monitors(room.engine)]


def monitor_named(room: Room, name: str) -> Monitor | None:
    """One monitor, or None when nobody registered it."""
    return next((monitor for monitor in monitors(room.engine) if monitor.name == name), None)
