"""Channels to people, through Apprise: a name of ours and one of its hundred kinds of address."""

import logging
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode

from latentwatch.alerts.outbox import Channel, Notification
from latentwatch.domain.alert import Severity
from latentwatch.domain.errors import InvalidInput, Unavailable

_KINDS = {Severity.LOW: "info", Severity.MEDIUM: "warning", Severity.HIGH: "failure", Severity.CRITICAL: "failure"}
"""Apprise's kinds of message; chat services colour by them, pagers choose their urgency."""


_WEBHOOKS = frozenset({"json", "jsons", "form", "forms", "xml", "xmls"})
_MAIL = frozenset({"mailto", "mailtos"})


class AppriseChannel:
    """One address that Apprise can notify. Not thread-safe."""

    def __init__(self, name: str, address: str, link: str | None = None) -> None:
        """`link` is the review app's address, added to every message. Raises InvalidInput for an unknown address."""
        self._name = name
        self._link = link
        self._address = address
        _notifier(name, address)

    def send(self, notification: Notification) -> None:
        """Deliver, as loudly as the severity says; the keys go along, for receivers that look at them.

        Raises Unavailable.
        """
        lines, link = [notification.body], ""
        if self._link:
            page = "models" if notification.alert is None else f"alerts/{notification.alert}"
            link = f"{self._link.rstrip('/')}/{page}"
            lines.append(link)
        lines.append(f"({notification.dedupe_key})")
        notifier = _notifier(self._name, addressed(self._address, notification, link))
        kind = _KINDS[notification.severity]
        if not notifier.notify(body="\n".join(lines), title=notification.title, notify_type=kind):
            raise Unavailable(f"channel {self._name!r} did not take the message; check its address and that it is up")


def addressed(address: str, notification: Notification, link: str) -> str:
    """The address with what a receiver that is a program sorts by: fields of a webhook's body, headers of a mail.

    Mails of one key refer to the same message, so that they are one thread.

    >>> from datetime import UTC, datetime
    >>> now = datetime(2026, 3, 1, tzinfo=UTC)
    >>> told = Notification(1, "pump", 7, "hook", "k-over-hook", Severity.LOW, "t", "b", 1, now, "k", "over")
    >>> addressed("json://example.org/in", told, "")
    'json://example.org/in?%3Akey=k&%3Aid=k-over-hook&%3Aoccasion=over&%3Aseverity=low&%3Amonitor=pump'
    """
    scheme = address.partition("://")[0].lower()
    if scheme in _WEBHOOKS:
        fields = {
            ":key": notification.key,
            ":id": notification.dedupe_key,
            ":occasion": notification.occasion,
            ":severity": notification.severity.value,
            ":monitor": notification.monitor,
            ":link": link,
        }
    elif scheme in _MAIL and notification.key:
        thread = sha256(notification.key.encode()).hexdigest()[:32]
        fields = {"+X-Latentwatch-Key": notification.key, "+References": f"<{thread}@latentwatch>"}
    else:
        return address
    given = urlencode({name: value for name, value in fields.items() if value}, quote_via=quote)
    return f"{address}{'&' if '?' in address else '?'}{given}"


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
