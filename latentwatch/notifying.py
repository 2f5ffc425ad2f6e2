"""`latentwatch notify`: empty the outbox into the channels of the settings."""

import signal
from threading import Event

from latentwatch.alerts.channels import open_channels
from latentwatch.alerts.outbox import Delivery, Notifier
from latentwatch.console import say
from latentwatch.domain.clock import SystemClock
from latentwatch.settings import load_settings
from latentwatch.wiring import ready_database


def run_notifier(*, once: bool) -> None:
    """Send what is due, once or until SIGTERM or Ctrl-C."""
    settings = load_settings()
    if not settings.channels:
        say(
            "no notification channel is set up, so nothing can be sent; give LATENTWATCH_CHANNELS_FILE, a file with a line "
            "'name: apprise-url' for each channel, such as 'oncall: mailto://user:password@example.org'"
        )
    addresses = {name: address.get_secret_value() for name, address in settings.channels.items()}
    engine = ready_database(settings, patience_seconds=None)
    notifier = Notifier(engine, open_channels(addresses, link=settings.link), SystemClock())
    if once:
        _tell(notifier.deliver(limit=1_000))
        return
    stop = stop_on_signals()
    say(f"notifier: sending to {', '.join(addresses) or 'nobody'} until stopped")
    notifier.run(stop.is_set, _tell, lambda reason: say(f"notifier waits: {reason}"))


def _tell(delivery: Delivery) -> None:
    say(f"sent {delivery.sent}, to be tried again {delivery.postponed}, given up {delivery.given_up}")
    for reason in delivery.reasons:
        say(f"  {reason}")


def stop_on_signals() -> Event:
    """An event that SIGTERM and Ctrl-C set, so that work under way is finished first."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
