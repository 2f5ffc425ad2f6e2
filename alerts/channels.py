"""Channels to people, through Apprise: a name of ours and one of its hundred kinds of address."""

import logging
from collections.abc import Mapping
from typing import Any

from latentwatch.alerts.outbox import Channel, Notification
from latentwatch.domain.alert import Severity
from latentwatch.domain.errors import InvalidInput, Unavailable

_KINDS = {Severity.LOW: "info", Severity.MEDIUM: "warning", Severity.HIGH: "failure", Severity.CRITICAL: "failure"}
"""Apprise's kinds of message; chat services colour by them, pagers choose their urgency."""


class AppriseChannel:
    """One address that Apprise can notify. Not thread-safe."""

    def __init__(self, name: str, address: str, link: str | None = None) -> None:
        """`link` is the review app's address, added to every message. Raises InvalidInput for an unknown address."""
        self._name = name
        self._link = link
        self._notifier = _notifier(name, address)

    def send(self, notification: Notification) -> None:
        """Deliver, as loudly as the severity says; the dedupe key goes along, for receivers that look at it.

        Raises Unavailable.
        """
        lines = [notification.body]
        if self._link:
            page = "models" if notification.alert is None else f"alerts/{notification.alert}"
            lines.append(f"{self._link.rstrip('/')}/{page}")
        lines.append(f"({notification.dedupe_key})")
        kind = _KINDS[notification.severity]
        if not self._notifier.notify(body="\n".join(lines), title=notification.title, notify_type=kind):
            raise Unavailable(f"channel {self._name!r} did not take the message; check its address and that it is up")


def open_channels(addresses: Mapping[str, str], link: str | None = None) -> dict[str, Channel]:
    """The channels of the settings: name to Apprise address, such as `mailto://`, `slack://`, `json://`."""
    return {name: AppriseChannel(name, address, link) for name, address in addresses.items()}


def _notifier(name: str, address: str) -> Any:
    try:
        import apprise  # half a second and 30 MB that only the notifier needs
    except ModuleNotFoundError:
        raise InvalidInput(
            "Apprise, which delivers notifications, is not installed; "
            "install 'latentwatch[notify]', or in a checkout run 'make setup'"
        ) from None

    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its log lines name the address, secrets included
    notifier = apprise.Apprise()
    if not notifier.add(address):
        scheme = address.partition("://")[0]
        raise InvalidInput(
            f"channel {name!r}: its address, which begins with {scheme + '://'!r}, is none that Apprise knows; "
            "see its documentation for the forms of addresses"
        )
    return notifier
