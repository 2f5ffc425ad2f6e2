"""Which alerts a request means, as an address or a body says it."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from latentwatch.alerts.reading import AlertFilter
from latentwatch.alerts.reading.inbox import Order
from latentwatch.domain.alert import AlertStatus, Severity, Verdict


def _in_utc(moment: datetime) -> datetime:
    """Times at the calendar's ends need not exist in UTC."""
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("this time is not within the years 1 to 9999 in UTC") from None


Moment = Annotated[datetime, AfterValidator(_in_utc)]


class AlertFilterIn(BaseModel):
    """Which alerts; what is left out means any."""

    model_config = ConfigDict(extra="forbid")

    monitor: str | None = None
    entity: str | None = None
    status: list[AlertStatus] = []
    severity: Annotated[Severity | None, Field(description="at least this loud")] = None
    verdict: Annotated[
        Verdict | Literal["none", "disputed"] | None,
        Field(description="none: nobody labelled it; disputed: the last words of two reviewers differ"),
    ] = None
    since: Annotated[Moment | None, Field(description="still going on at or after this time")] = None
    until: Annotated[Moment | None, Field(description="started before this time")] = None
    silence: Annotated[int | None, Field(ge=1, le=2**63 - 1, description="hidden by this silence")] = None
    assignee: Annotated[str | None, Field(max_length=100, description="in whose care; empty for nobody's")] = None

    def filter(self) -> AlertFilter:
        """What to ask the database."""
        return AlertFilter(
            self.monitor,
            self.entity,
            tuple(self.status),
            self.severity,
            self.verdict,
            self.since,
            self.until,
            self.silence,
            self.assignee,
        )


class AlertQuery(AlertFilterIn):
    """Which alerts, and which of their pages."""

    model_config = ConfigDict(extra="ignore")

    order: Annotated[
        Order,
        Field(
            description="loudest first, latest first, most at stake first, first what a label would teach most about, or "
            "those of one kind together, kinds that were never there before first"
        ),
    ] = "recent"
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    offset: Annotated[int, Field(ge=0, le=10_000)] = 0
