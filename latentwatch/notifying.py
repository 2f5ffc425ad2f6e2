"""`latentwatch notify`: empty the outbox into the channels of the settings."""

import signal
from threading import Event

from latentwatch.alerts.channels import open_channels
from latentwatch.alerts.monitors import registered_monitor
from latentwatch.alerts.outbox import Delivery, Notification, Notifier
from latentwatch.alerts.reminding import remind
from latentwatch.console import say
from latentwatch.domain.alert import Severity
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.errors import InvalidInput, Unavailable
from latentwatch.settings import load_settings
from latentwatch.silencing import refresh_calendars
from latentwatch.wiring import ASKING_SECONDS, ready_database

NO_CHANNEL = (
    "no notification channel is set up, so nothing can be sent; give LATENTWATCH_CHANNELS_FILE, a file with a line "
    "'name: apprise-url' for each channel, such as 'oncall: mailto://user:password@example.org'"
)


def run_notifier(*, once: bool) -> None:
    """Send what is due, once or until SIGTERM or Ctrl-C."""
    settings = load_settings()
    if not settings.channels:
        say(NO_CHANNEL)
    addresses = {name: address.get_secret_value() for name, address in settings.channels.items()}
    engine = ready_database(settings, patience_seconds=None)
    clock = SystemClock()
    notifier = Notifier(engine, open_channels(addresses, link=settings.link), clock)

    def prepare() -> None:
        now = clock.now()
        remind(engine, now)
        for trouble in refresh_calendars(engine, now):
            say(trouble)

    if once:
        prepare()
        _tell(notifier.deliver(limit=1_000))
        return
    stop = stop_on_signals()
    say(f"notifier: sending to {', '.join(addresses) or 'nobody'} until stopped")
    notifier.run(stop.is_set, _tell, lambda reason: say(f"notifier waits: {reason}"), prepare=prepare)


def send_test(monitor: str | None) -> None:
    """Send a test message to each channel of the settings, or to those of one monitor, and say what came of it.

    Raises InvalidInput where there is no channel, or the monitor names one that the settings lack, NotFound for the monitor,
    Unavailable where one did not take the message.
    """
    settings = load_settings()
    names, whose = list(settings.channels), "the settings"
    if monitor is not None:
        engine = ready_database(settings, patience_seconds=ASKING_SECONDS)
        names, whose = list(registered_monitor(engine, monitor).alert.notify), f"monitor {monitor!r}"
    if not names:
        raise InvalidInput(
            f"{whose} notifies nobody; write 'notify: [NAME]' below 'alert' in its file" if monitor else NO_CHANNEL
        )
    lacking = sorted(set(names) - set(settings.channels))
    if lacking:
        raise InvalidInput(
            f"{whose} names channel {lacking[0]!r}, which is not set up; add it to LATENTWATCH_CHANNELS_FILE"
        )
    addresses = {name: settings.channels[name].get_secret_value() for name in names}
    now, failed = SystemClock().now(), []
    for name, channel in open_channels(addresses, link=settings.link).items():
        message = Notification(
            id=0,
            monitor=monitor or "",
            alert=None,
            channel=name,
            dedupe_key=f"test-{name}-{now:%Y%m%dT%H%M%S}",
            severity=Severity.LOW,
            title="[test] Latentwatch can reach you",
            body=f"A test message to channel {name!r}" + (f" of monitor {monitor!r}." if monitor else "."),
            attempts=1,
            created=now,
        )
        try:
            channel.send(message)
            say(f"{name}: took the message")
        except Unavailable as error:
            failed.append(str(error))
    if failed:
        raise Unavailable("; ".join(failed))


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
