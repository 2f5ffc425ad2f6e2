"""What a bad record may and may not do: it becomes a dead letter, alone; too many of them stop the stream."""

from collections import deque
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.errors import LatentwatchError, StreamRefused
from latentwatch.domain.record import DeadLetter

Result = TypeVar("Result")


def bisect(
    rows: NDArray[np.intp], attempt: Callable[[NDArray[np.intp]], Result], failing: str = "the model could not score it"
) -> tuple[list[tuple[NDArray[np.intp], Result]], dict[int, str]]:
    """Apply `attempt` to rows in order, halving where it fails, until every failure is one row's own.

    Returns the sound pieces in order, and each bad row with its reason, which begins with `failing`. An `attempt` that fails must change nothing.
    Errors raised on purpose pass through: they are not about a record.
    """
    try:
        return [(rows, attempt(rows))], {}
    except LatentwatchError:
        raise
    except Exception as error:
        if not len(rows):
            raise  # no record is to blame
        if len(rows) == 1:
            return [], {int(rows[0]): f"{failing}: {type(error).__name__}: {error}"}
    middle = len(rows) // 2
    left, bad_left = bisect(rows[:middle], attempt, failing)
    right, bad_right = bisect(rows[middle:], attempt, failing)
    return left + right, bad_left | bad_right


class DeadLetterLimit:
    """Stops a stream that is not what its monitor describes, rather than dead-lettering it whole."""

    def __init__(self, max_share: float = 0.5, window: int = 1_000, minimum: int = 100) -> None:
        """`max_share` of the last `window` messages may be dead letters, once there were `minimum` of them."""
        self._max_share = max_share
        self._window = window
        self._minimum = minimum
        self._recent: deque[tuple[int, int]] = deque()
        self._messages = self._dead = 0

    def check(self, messages: int, letters: tuple[DeadLetter, ...]) -> None:
        """Count a batch. Raises StreamRefused above the limit; nothing of that batch may then be written."""
        dead = len(letters)
        self._recent.append((messages, dead))
        self._messages += messages
        self._dead += dead
        while len(self._recent) > 1 and self._messages - self._recent[0][0] >= self._window:
            old_messages, old_dead = self._recent.popleft()
            self._messages -= old_messages
            self._dead -= old_dead
        if self._messages >= self._minimum and self._dead > self._max_share * self._messages:
            raise StreamRefused(
                f"{self._dead} of the last {self._messages} messages could not be read as records, the latest because:"
                f" {letters[-1].reason if letters else 'see the dead letters'}. Correct the monitor's source, format or fields, or the sender; the stream was not moved on"
            )
