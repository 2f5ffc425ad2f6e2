"""`python -m latentwatch`: the same command line."""

import signal
import sys
from types import FrameType


def main() -> None:
    """Answer SIGTERM from here on, also as a container's first process, which the system's default leaves deaf to it.

    Commands that finish what they have begun listen in their own way later.
    """
    signal.signal(signal.SIGTERM, _end)
    from latentwatch.cli import main as command_line  # takes a fifth of a second, in which nobody is to be deaf

    command_line()


def _end(number: int, _frame: FrameType | None) -> None:
    """Leave by the way of an error: what is half done is rolled back and cleared away."""
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
