"""Named places in the loop where tests make a process die, so that no step is a lucky one."""

from collections.abc import Callable
from typing import Literal

Step = Literal[
    "polled",
    "decoded",
    "extended",
    "scored",
    "described",
    "before commit",
    "committed",
    "acknowledged",
    "swapped",
    "snapshotted",
]
"""Every step of the loop after which the process may die."""

Reach = Callable[[Step], None]
"""Called at each step; whoever tests may raise or kill the process in it."""


def pass_by(step: Step) -> None:
    """The hook of every run that is not a test: nothing happens."""
