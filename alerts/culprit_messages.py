"""What people are told of features that come to lead an alert which had opened with others."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from latentwatch.alerts.outbox import new_message, subject_of, titled
from latentwatch.domain.alert import Severity
from latentwatch.domain.course import Culprit

CULPRIT = "culprit"
"""The occasion of these messages."""


def culprit_messages(
    monitor: str,
    alerts: Iterable[Row[Any]],
    culprits: Mapping[int, Sequence[Culprit]],
    heard: Mapping[str, str],
    severity: Severity,
    now: datetime,
) -> list[dict[str, Any]]:
    """Messages of an incident's further culprits, each feature once however many of its alerts it leads.

    `heard` are the channels that were told that the incident began, with the key of its messages; `alerts` are the
    incident's, and `culprits` those of each.
    """
    rows: dict[str, dict[str, Any]] = {}
    members = list(alerts)
    extent = len({alert.entity for alert in members})
    for alert in members:
        for culprit in culprits.get(alert.id, ()):
            said = {
                **titled(severity, f"{subject_of(monitor, alert.entity)}: new culprit {culprit.feature}"),
                "body": f"Alert {alert.id} goes on since {alert.started:%Y-%m-%d %H:%M:%S} UTC, now also with "
                f"{culprit.in_words} (since {culprit.since:%H:%M:%S}). Over its course it is about "
                f"{', '.join(alert.features)}: a second fault, or the first one spreads.",
                "occasion": CULPRIT,
                "extent": extent,
            }
            for channel, key in heard.items():
                once = f"{key}-{CULPRIT}-{culprit.feature}-{channel}"
                rows.setdefault(once, new_message(monitor, alert.id, once, channel, now) | said | {"key": key})
    return [rows[once] for once in sorted(rows)]
