"""What a scorer says of itself to whoever starts, stops and replaces it: is it alive, and does it do its work?"""

from collections.abc import Collection
from dataclasses import dataclass

from latentwatch.domain.clock import Clock

SILENT_SECONDS = 300.0
"""A loop that gave no sign for so long is stuck: as long as Kafka leaves its partitions to a member that does not poll."""
UNANSWERED_SECONDS = 20.0
"""A database that did not answer for so long is away: longer than a writer waits for a lock."""


@dataclass(frozen=True, slots=True)
class Health:
    """A finding at one moment."""

    alive: bool
    """Whether the loop goes round; if not, only a new process helps."""
    reasons: tuple[str, ...]
    """Why it does not score now; empty where it does, or would if there were records."""
    model_version: int | None
    partitions: tuple[int, ...]
    """Those it reads."""

    @property
    def ready(self) -> bool:
        """Whether it does its work."""
        return not self.reasons


class HealthRecord:
    """Kept by the scorer's thread, read by any other."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begun = False
        self._sign = self._answered = clock.monotonic()
        self._model: int | None = None
        self._refusing = ""
        self._reading: tuple[int, ...] = ()
        self._waiting: tuple[int, ...] = ()

    def source_open(self) -> None:
        """The source is there, and the loop begins."""
        self._begun = True
        self.sign()

    def sign(self) -> None:
        """The loop is alive, whatever it waits for."""
        self._sign = self._clock.monotonic()

    def database_answered(self) -> None:
        """The database has just done as it was asked."""
        self._answered = self._clock.monotonic()

    def refusing(self, reason: str) -> None:
        """Why the champion is not served here; empty where it is."""
        self._refusing = reason

    def turned(self, model_version: int | None, reading: Collection[int], waiting: Collection[int]) -> None:
        """The loop has gone round: the model that serves, the partitions it reads, those it could not take up yet."""
        self._model, self._reading, self._waiting = model_version, tuple(sorted(reading)), tuple(sorted(waiting))
        self.sign()

    def look(self) -> Health:
        """How it is now."""
        now = self._clock.monotonic()
        silent, unanswered = now - self._sign, now - self._answered
        alive = not self._begun or silent <= SILENT_SECONDS
        reasons = []
        if self._model is None and self._refusing:
            reasons.append(self._refusing)
        elif not self._begun:
            reasons.append("the source is not open yet; see the log for what it waits for")
        elif self._model is None:
            reasons.append("no model serves this monitor yet; train one, it is taken up at once")
        if self._waiting:
            reasons.append(f"partitions {list(self._waiting)} are not taken up yet: their positions are not known")
        if self._begun and unanswered > UNANSWERED_SECONDS:
            reasons.append(f"the database has not answered for {unanswered:.0f} s; nothing is lost, the stream waits")
        if not alive:
            reasons.append(f"the loop has given no sign for {silent:.0f} s; replace this process")
        return Health(alive, tuple(reasons), self._model, self._reading)
