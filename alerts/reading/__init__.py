"""What pages and the HTTP API ask of the database: every query bounded, read only, answered with plain values.

Each function takes an engine, opens its own short session and may be called from any thread. All raise Unavailable
when the database does not answer.
"""

from latentwatch.alerts.reading.alert import AlertDetail, AlertEvent, alert_detail
from latentwatch.alerts.reading.inbox import AlertFilter, AlertPage, inbox
from latentwatch.alerts.reading.incidents import (
    Incident,
    IncidentEvent,
    IncidentPage,
    incident_events,
    incident_inbox,
    incident_of,
    incident_of_alert,
    open_incidents,
)
from latentwatch.alerts.reading.models import Promotion, promotions, surprise_counts
from latentwatch.alerts.reading.overview import (
    MonitorFacts,
    PromiseFacts,
    ScorerFacts,
    monitor_facts,
    open_alerts,
    overview,
)
from latentwatch.alerts.reading.stream import (
    DeadLetterPage,
    EntityFacts,
    MapPoint,
    MessageCounts,
    MinuteTotal,
    dead_letters,
    entities,
    flagged_places,
    flagged_versions,
    message_counts,
    minute_totals,
    stream_changes,
    trace,
)

__all__ = [
    "AlertDetail",
    "AlertEvent",
    "AlertFilter",
    "AlertPage",
    "DeadLetterPage",
    "EntityFacts",
    "Incident",
    "IncidentEvent",
    "IncidentPage",
    "MapPoint",
    "MessageCounts",
    "MinuteTotal",
    "MonitorFacts",
    "PromiseFacts",
    "Promotion",
    "ScorerFacts",
    "alert_detail",
    "dead_letters",
    "entities",
    "flagged_places",
    "flagged_versions",
    "inbox",
    "incident_events",
    "incident_inbox",
    "incident_of",
    "incident_of_alert",
    "message_counts",
    "minute_totals",
    "monitor_facts",
    "open_alerts",
    "open_incidents",
    "overview",
    "promotions",
    "stream_changes",
    "surprise_counts",
    "trace",
]
