"""Which model scores: the champion, taken up between batches; a bundle that cannot be served is refused and reported."""

from collections.abc import Callable
from threading import Event

import structlog

from latentwatch.detector.interface import Detector
from latentwatch.domain.clock import Clock
from latentwatch.domain.errors import BundleRefused, Unavailable
from latentwatch.domain.model import ModelVersion
from latentwatch.domain.monitor import Monitor
from latentwatch.streams.outcomes import Serving
from latentwatch.streams.ports import Registry
from latentwatch.streams.waiting import Stopped
from latentwatch.streams.watching.health import HealthRecord

log = structlog.get_logger()

LOOK_EVERY_SECONDS = 1.0
_WAIT_SECONDS = 0.25
_REMIND_SECONDS = 15.0


class ChampionWatch:
    """Looks for a newly promoted model. `load` opens a bundle by its content hash."""

    def __init__(
        self,
        monitor: Monitor,
        registry: Registry,
        load: Callable[[str], Detector],
        clock: Clock,
        on_refused: Callable[[], None],
        health: HealthRecord,
    ) -> None:
        self._monitor = monitor
        self._registry = registry
        self._load = load
        self._clock = clock
        self._on_refused = on_refused
        self._health = health
        self._looked = float("-inf")
        self._refused: set[int] = set()

    def wait(self, stop: Event) -> Serving:
        """The first model to serve, however long it takes to be trained. Raises Stopped."""
        told = float("-inf")
        while not stop.is_set():
            found = self.look(None)
            self._health.sign()
            if found is not None:
                return found
            if self._clock.monotonic() - told > _REMIND_SECONDS:
                told = self._clock.monotonic()
                log.warning(
                    "no model serves this monitor yet; train one, it is taken up at once", monitor=self._monitor.name
                )
            self._clock.sleep(_WAIT_SECONDS)
        raise Stopped

    def look(self, current: Serving | None) -> Serving | None:
        """A model to serve instead of `current`; None when there is none, or when it is too soon to look again.

        Bundles load whole or not at all; a database or an object store that is away is looked at again later.
        """
        now = self._clock.monotonic()
        if now - self._looked < LOOK_EVERY_SECONDS:
            return None
        self._looked = now
        try:
            champion = self._registry.champion(self._monitor.name)
            self._health.database_answered()
            if champion is None or champion.version in self._refused:
                return None
            if current is not None and champion.version == current.version:
                return None
            return self._open(champion)
        except Unavailable as error:
            log.warning("cannot look for a new model, the current one goes on", reason=str(error))
            return None

    def _open(self, champion: ModelVersion) -> Serving | None:
        try:
            detector = self._load(champion.bundle)
            if detector.schema.fingerprint() != self._monitor.record.fingerprint():
                raise BundleRefused(
                    f"bundle {champion.bundle} was trained for other record fields than monitor {self._monitor.name}"
                    " has now; train a new model"
                )
        except BundleRefused as error:
            self._refused.add(champion.version)
            log.error("model refused", version=champion.version, bundle=champion.bundle, reason=str(error))
            self._on_refused()
            self._registry.refuse(self._monitor.name, champion.version, str(error))
            return None
        return Serving(detector, champion.version, detector.threshold(self._monitor.alert))
