"""The inbox's filters as they stand in the address."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import parse_qs, urlencode

from latentwatch.alerts.reading import AlertFilter
from latentwatch.alerts.reading.inbox import Order
from latentwatch.domain.alert import AlertStatus, Severity, Verdict
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.durations import parse_duration

PAGE_SIZE = 50
STATUSES = {
    "open": (AlertStatus.OPEN,),
    "unresolved": (AlertStatus.OPEN, AlertStatus.ACKNOWLEDGED),
    "acknowledged": (AlertStatus.ACKNOWLEDGED,),
    "snoozed": (AlertStatus.SNOOZED,),
    "silenced": (AlertStatus.SILENCED,),
    "closed": (AlertStatus.CLOSED,),
    "any": (),
}
"""What an address may say of the status."""
SPECIAL_VERDICTS: dict[str, Literal["none", "disputed"]] = {"none": "none", "disputed": "disputed"}
"""What may be asked of the verdict beside a verdict."""
ORDERS: dict[str, Order] = {"recent": "recent", "stake": "stake", "teaching": "teaching", "likeness": "likeness"}
"""What an address may say of the order; else the loudest come first."""
TIMES = {"1h": "last hour", "24h": "last 24 hours", "7d": "last 7 days", "30d": "last 30 days"}
"""What the inbox offers; an address may hold any duration, or a time."""


@dataclass(frozen=True, slots=True)
class View:
    """One view of the inbox."""

    monitor: str = ""
    entity: str = ""
    status: str = "unresolved"
    severity: str = ""
    verdict: str = ""
    since: str = ""
    until: str = ""
    silence: int = 0
    """What this silence hid; 0 for whatever silences there were."""
    assignee: str = ""
    """In whose care; empty for whoever's."""
    order: Order = "severity"
    page: int = 0

    def filter(self, now: datetime) -> AlertFilter:
        """What to ask the database."""
        verdict: Verdict | Literal["none", "disputed"] | None = None
        if self.verdict:
            verdict = SPECIAL_VERDICTS.get(self.verdict) or Verdict(self.verdict)
        return AlertFilter(
            monitor=self.monitor or None,
            entity=self.entity or None,
            statuses=STATUSES[self.status],
            at_least=Severity(self.severity) if self.severity else None,
            verdict=verdict,
            since=_moment(self.since, now),
            until=_moment(self.until, now),
            silence=self.silence or None,
            assignee=self.assignee or None,
        )

    def address(self, **changes: str | int) -> str:
        """The inbox's address for this view with some fields changed; fields at their defaults stay out of it."""
        values = {name: changes.get(name, getattr(self, name)) for name in self.__slots__}
        chosen = {name: value for name, value in values.items() if value != _DEFAULTS[name]}
        return "/alerts" + (f"?{urlencode(chosen)}" if chosen else "")


_DEFAULTS = {name: getattr(View(), name) for name in View.__slots__}


def view_of(query: Mapping[str, str]) -> View:
    """The view an address asks for; whatever it says wrongly falls back to the default."""

    def among(name: str, allowed: Mapping[str, object] | set[str]) -> str:
        value = query.get(name, "")
        return value if value in allowed else str(_DEFAULTS[name])

    page, silence = query.get("page", "0"), query.get("silence", "0")
    return View(
        monitor=query.get("monitor", "")[:63],
        entity=query.get("entity", "")[:500],
        status=among("status", STATUSES),
        severity=among("severity", {word.value for word in Severity}),
        verdict=among("verdict", {*(word.value for word in Verdict), *SPECIAL_VERDICTS}),
        since=query.get("since", "") if _readable(query.get("since", "")) else "",
        until=query.get("until", "") if _readable(query.get("until", "")) else "",
        silence=int(silence) if silence.isascii() and silence.isdigit() and len(silence) < 19 else 0,
        assignee=query.get("assignee", "")[:100],
        order=ORDERS.get(query.get("order", ""), "severity"),
        page=min(int(page), 200) if page.isascii() and page.isdigit() else 0,
    )


def view_of_text(query: str) -> View:
    """The view of a raw query string, such as the browser sends when a filter changes."""
    return view_of({name: values[-1] for name, values in parse_qs(query[:4000]).items()})


def _readable(text: str) -> bool:
    try:
        _moment(text, SystemClock().now())
    except (ValueError, OverflowError):
        return False
    return True


def _moment(text: str, now: datetime) -> datetime | None:
    """A time in ISO form, or a duration before now, in UTC; ValueError or OverflowError for neither."""
    if not text:
        return None
    if text[0].isdigit() and text[-1].isalpha() and "T" not in text:
        length = parse_duration(text)
        return now - (length if length > timedelta(0) else timedelta(0))
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
