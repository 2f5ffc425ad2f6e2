"""The time before a first model, where a monitor says `train: {after: 3d}`: who asks hears how far it is, and waits.

Nothing is read from the topic, so that its records wait there: they are scored once a model serves, from where the monitor
starts.
"""

from collections.abc import Callable

from latentwatch.domain.clock import Clock
from latentwatch.domain.errors import LatentwatchError, StillLearning
from latentwatch.domain.learning import Learning
from latentwatch.domain.monitor import Monitor
from latentwatch.settings import Settings

_LOOK_EVERY_SECONDS = 15.0
Look = Callable[[], Learning | None]


def learning_of(monitor: Monitor, settings: Settings, clock: Clock) -> Learning | None:
    """How much of its topic a monitor without a model has seen; None where it says nothing of it.

    Only what arrived within `retrain.history` counts, since nothing else is learned from. Raises Unavailable while the broker
    is away.
    """
    after, topic = monitor.train.after, monitor.source.kafka
    if after is None or topic is None:
        return None
    from latentwatch.streams.kafka.topic_offsets import first_arrival

    now = clock.now()
    first = first_arrival(topic.topic, settings.kafka_access(), now - monitor.retrain.history)
    return Learning.of(first, now, after)


def require_enough(monitor: Monitor, look: Look) -> None:
    """Raises StillLearning where a first model is asked for before its time."""
    learning = look()
    if learning is not None and not learning.is_enough:
        raise StillLearning(
            f"monitor {monitor.name!r} is {learning.in_words()}; nothing was trained. Run it again later, 'latentwatch retrain "
            "--wait' to have it wait, or give --history to learn from what there is elsewhere"
        )


def wait_until_enough(look: Look, clock: Clock, tell: Callable[[str], None]) -> None:
    """Wait until the first model can be trained; a broker that is away is asked again."""
    told = ""
    while True:
        try:
            learning = look()
            if learning is None or learning.is_enough:
                return
            words = learning.in_words()
        except LatentwatchError as error:
            if error.exit_code != 3:
                raise
            words = str(error)
        if words != told:
            told = words
            tell(words)
        clock.sleep(_LOOK_EVERY_SECONDS)


class LearningNotice:
    """What a scorer that waits for its first model says; asks now and then."""

    def __init__(self, look: Look, clock: Clock) -> None:
        self._look = look
        self._clock = clock
        self._looked = float("-inf")
        self._words = ""

    def __call__(self) -> str:
        """How far the learning is; empty where nothing is said of it, and as it last was where the broker is away."""
        now = self._clock.monotonic()
        if now - self._looked >= _LOOK_EVERY_SECONDS:
            self._looked = now
            try:
                learning = self._look()
                self._words = "" if learning is None else learning.in_words()
            except LatentwatchError:
                pass  # the scorer says so itself, once it has a model and reads
        return self._words
