"""Which model scores: the champion, taken up between batches; one that this process cannot serve is left to the others.

A refusal is local, and tried again every few seconds: a wrong setting, an older program or an edited monitor file say
nothing of the bundle. Only content that does not match its hash, read twice, is the bundle's own fault and told to all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

import structlog

from latentwatch.detector.interface import Detector
from latentwatch.domain.clock import Clock
from latentwatch.domain.errors import BundleChanged, BundleRefused, InvalidMonitor, Unavailable
from latentwatch.domain.exceptions import Exceptions
from latentwatch.domain.model import ModelVersion
from latentwatch.domain.monitor import Monitor
from latentwatch.streams.fields import require_fields
from latentwatch.streams.outcomes import Serving
from latentwatch.streams.ports import Registry
from latentwatch.streams.waiting import Stopped
from latentwatch.streams.watching.health import HealthRecord

log = structlog.get_logger()

LOOK_EVERY_SECONDS = 1.0
TRY_AGAIN_SECONDS = 5.0
_WAIT_SECONDS = 0.25
_REMIND_SECONDS = 15.0


def wait_for_model(
    monitor: Monitor,
    registry: Registry,
    load: Callable[[str], Detector],
    clock: Clock,
    stop: Event,
    health: HealthRecord,
    tell: Callable[[str], None],
) -> Serving:
    """The first model to serve, before there is a source; `tell` hears again and again why the champion is not served here.

    Raises Stopped, and InvalidMonitor where the monitor lacks what the champion needs.
    """
    watch = ChampionWatch(monitor, registry, load, clock, lambda: None, health)
    return watch.wait(stop, lambda: tell(watch.notice))


@dataclass(frozen=True, slots=True)
class _Trouble:
    """Why a version is not served here."""

    version: int
    reason: str
    again: float
    """When, by the monotonic clock, it is tried again."""
    changed: bool
    """Whether its content did not match its hash."""


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
        """`on_refused` is called once for each version that cannot be served here."""
        self._monitor = monitor
        self._registry = registry
        self._load = load
        self._clock = clock
        self._on_refused = on_refused
        self._health = health
        self._looked = float("-inf")
        self._trouble: _Trouble | None = None
        self._reported: set[int] = set()

    @property
    def notice(self) -> str:
        """Why the champion is not served here; empty where it is, or where there is none."""
        trouble = self._trouble
        return "" if trouble is None else f"version {trouble.version} cannot be served here: {trouble.reason}"

    def wait(self, stop: Event, on_wait: Callable[[], None] = lambda: None) -> Serving:
        """The first model to serve, however long it takes to be trained or to be readable from here.

        `on_wait` is called between two looks. Raises Stopped, and InvalidMonitor where the monitor lacks what it needs.
        """
        told = float("-inf")
        while not stop.is_set():
            found = self.look(None)
            self._health.sign()
            if found is not None:
                return found
            if self._clock.monotonic() - told > _REMIND_SECONDS:
                told = self._clock.monotonic()
                reason = self.notice or "no model serves this monitor yet; train one, it is taken up at once"
                log.warning(reason, monitor=self._monitor.name)
            on_wait()
            self._clock.sleep(_WAIT_SECONDS)
        raise Stopped

    def look(self, current: Serving | None) -> Serving | None:
        """A model to serve instead of `current`, or the same under other exceptions; None when there is neither, or when it
        is too soon to look again.

        Bundles load whole or not at all; a database or an object store that is away is looked at again later. Raises
        InvalidMonitor where nothing serves yet and the monitor lacks what the champion needs.
        """
        now = self._clock.monotonic()
        if now - self._looked < LOOK_EVERY_SECONDS:
            return None
        self._looked = now
        try:
            champion = self._registry.champion(self._monitor.name)
            exceptions = self._registry.exceptions(self._monitor.name)
            self._health.database_answered()
            found = self._promoted(champion, current, exceptions, now)
            if found is None and current is not None and current.exceptions != exceptions:
                return current.excepting(exceptions)
            return found
        except Unavailable as error:
            log.warning("cannot look for a new model, the current one goes on", reason=str(error))
            return None

    def _promoted(
        self, champion: ModelVersion | None, current: Serving | None, exceptions: Exceptions, now: float
    ) -> Serving | None:
        if champion is None or (current is not None and champion.version == current.version):
            self._note(None)
            return None
        trouble = self._trouble
        if trouble is not None and trouble.version == champion.version and now < trouble.again:
            return None
        return self._open(champion, current, exceptions)

    def _open(self, champion: ModelVersion, current: Serving | None, exceptions: Exceptions) -> Serving | None:
        try:
            detector = self._load(champion.bundle)
            require_fields(self._monitor, champion, detector.schema, self._registry, self._load)
        except BundleRefused as error:
            self._put_off(champion, error)
            return None
        except InvalidMonitor as error:
            if current is None:
                raise
            self._put_off(champion, error)  # what serves now goes on; started again, this process would say so and end
            return None
        self._note(None)
        return Serving.of(detector, champion.version, self._monitor, exceptions)

    def _put_off(self, champion: ModelVersion, error: BundleRefused | InvalidMonitor) -> None:
        changed = isinstance(error, BundleChanged)
        before = self._trouble
        seen_anew = changed and before is not None and before.version == champion.version and before.changed
        self._note(_Trouble(champion.version, str(error), self._clock.monotonic() + TRY_AGAIN_SECONDS, changed))
        if seen_anew and champion.version not in self._reported:
            self._reported.add(champion.version)
            serving = self._registry.refuse(self._monitor.name, champion.version, str(error))
            instead = None if serving is None else serving.version
            log.error("model refused", version=champion.version, reason=str(error), serving=instead)

    def _note(self, trouble: _Trouble | None) -> None:
        before, self._trouble = self._trouble, trouble
        self._health.refusing(self.notice)
        if trouble is None or (
            before is not None and (before.version, before.reason) == (trouble.version, trouble.reason)
        ):
            return
        log.error("model not served here", version=trouble.version, reason=trouble.reason)
        if before is None or before.version != trouble.version:
            self._on_refused()
