"""How loudly an alert should speak. A file of its own: a monitor's file is read without numpy."""

from enum import StrEnum


class Severity(StrEnum):
    """How loudly an alert should speak; always shown with its word, never by colour alone."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"
