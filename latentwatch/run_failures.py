"""A retraining run that failed with nobody at the terminal: the monitor's channels are told, by way of the outbox."""

from latentwatch.alerts.outbox import announce_failure
from latentwatch.alerts.session import transaction
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.errors import InvalidMonitor
from latentwatch.domain.monitor import load_monitor
from latentwatch.settings import load_settings
from latentwatch.wiring import ready_database


def report_failure(monitor_file: str, monitor: str, *, run: str, step: str, error: object) -> None:
    """Write down for each channel of a monitor that a run failed, and why; a run is told of once.

    `error` is the exception, or None where the process did not live to raise one. The channels are the monitor file's, and
    the database's where the file cannot be read. Raises Unavailable where the database is away.
    """
    try:
        channels = load_monitor(monitor_file).alert.notify
    except InvalidMonitor:
        channels = None
    reason = "its process was killed" if error is None else str(error) or type(error).__name__
    with transaction(ready_database(load_settings())) as session:
        announce_failure(session.connection(), monitor, channels, run, step, reason, SystemClock().now())
