"""Where a process's parts are put together from its settings."""

from contextlib import suppress
from pathlib import Path

from latentwatch.alerts.database import Engine, migrate, open_database, wait_for_database
from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.console import say
from latentwatch.detector.bundle import load_bundle
from latentwatch.detector.interface import Detector
from latentwatch.domain.clock import Clock, SystemClock
from latentwatch.domain.errors import BundleRefused, InvalidInput, Unavailable
from latentwatch.domain.model import ModelVersion
from latentwatch.domain.monitor import Monitor, load_monitor
from latentwatch.settings import Settings
from latentwatch.streams.fields import require_fields

PATIENCE_SECONDS = 30.0
"""How long a command that ends by itself waits for a database that is away."""
ASKING_SECONDS = 4.0
"""How long one waits that a person typed to be told something at once."""


def ready_database(
    settings: Settings, clock: Clock | None = None, patience_seconds: float | None = PATIENCE_SECONDS
) -> Engine:
    """The database, answering and with its schema up to date. Says so on stderr while it waits; None waits for ever.

    Raises Unavailable when patience ends, naming the setting.
    """
    engine = open_database(settings.database)
    try:
        wait_for_database(
            engine,
            clock or SystemClock(),
            lambda reason, seconds: say(f"waiting for the database, next try in {seconds:g} s: {reason}"),
            patience_seconds=patience_seconds,
        )
    except Unavailable as error:
        raise Unavailable(f"{error}. Start it, or correct LATENTWATCH_DATABASE") from error
    migrate(engine)
    return engine


def registered(path: Path, engine: Engine) -> Monitor:
    """A monitor file's monitor, known to the database and thereby to every page."""
    monitor = load_monitor(path)
    register_monitor(engine, monitor)
    return monitor


def registered_to_serve(path: Path, settings: Settings, engine: Engine) -> Monitor:
    """The same for whoever is about to score with the champion.

    Raises InvalidMonitor where the champion reads fields that the file lacks, before every page takes it for the monitor;
    a champion that cannot be opened from here is waited for later.
    """
    monitor, registry = load_monitor(path), ModelRegistry(engine)
    champion = registry.champion(monitor.name)
    if champion is not None:
        with suppress(BundleRefused):
            load_version(settings, registry, champion, monitor)
    register_monitor(engine, monitor)
    return monitor


def serving_version(registry: ModelRegistry, monitor: Monitor, version: int | None) -> ModelVersion:
    """The version asked for, or the champion. Raises InvalidInput where none serves, NotFound for a wrong number."""
    found = registry.champion(monitor.name) if version is None else registry.version(monitor.name, version)
    if found is None:
        raise InvalidInput(
            f"monitor {monitor.name!r}: no model serves yet; "
            "train one with 'latentwatch train MONITOR.yaml --history DATA.csv'"
        )
    return found


def load_version(settings: Settings, registry: ModelRegistry, version: ModelVersion, monitor: Monitor) -> Detector:
    """The detector of a version. Raises BundleRefused, or InvalidMonitor where the monitor lacks fields that it reads.

    Says on stderr which fields of the monitor it does not read.
    """

    def load(bundle: str) -> Detector:
        return load_bundle(settings.bundles, bundle)

    detector = load(version.bundle)
    require_fields(monitor, version, detector.schema, registry, load)
    tell_added(detector, version.version, monitor)
    return detector


def tell_added(detector: Detector, version: int, monitor: Monitor) -> None:
    """Say on stderr which fields the monitor has and a model version does not read, if there are any."""
    added = detector.schema.compared_with(monitor.record).added_in_words
    if added:
        say(f"{added}; model version {version} goes on without")
