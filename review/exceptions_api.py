"""The JSON API's routes about exceptions."""

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from latentwatch.alerts.exceptions import StoredException, exceptions, remove_exception
from latentwatch.alerts.monitors import registered_monitor
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.exceptions import form_to_json
from latentwatch.review.excepting import Proposal, accept, propose
from latentwatch.review.room import InRoom
from latentwatch.review.schemas import SignedIn

router = APIRouter(prefix="/monitors/{monitor}/exceptions", tags=["exceptions"])
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]


class AlertsIn(BaseModel):
    """Alerts that should not come again."""

    model_config = ConfigDict(extra="forbid")

    alerts: list[Annotated[int, Field(ge=1, le=2**63 - 1)]] = Field(min_length=1, max_length=500)


class ExceptionIn(BaseModel):
    """A proposal that is accepted."""

    model_config = ConfigDict(extra="forbid")

    proposal: str = Field(max_length=20)
    author: str = Field(min_length=1, max_length=100)
    note: str = Field(default="", max_length=4000)
    until: AwareDatetime | None = Field(default=None, description="event time at which it ends; never where absent")


class ProposalOut(BaseModel):
    """What could be excepted, and what it would have changed in the past."""

    id: str = Field(description="holds until its alerts change")
    text: str
    form: dict[str, Any]
    alerts_covered: int = Field(description="alerts, not confirmed, that would not have been")
    alerts_like: int = Field(description="alerts, not confirmed, that it is about")
    share_of_alerts: float = Field(description="records of those that it would have let pass")
    given_covered: int = Field(description="of the alerts given, how many would not have been")
    confirmed_lost: int = Field(description="alerts labelled true that would not have been; such a proposal is refused")
    share_of_records: float = Field(description="records that it would have let pass, of all that were scored")

    @classmethod
    def of(cls, proposal: Proposal) -> Self:
        """For programs."""
        seen = proposal.preview
        return cls(
            id=proposal.id,
            text=proposal.text,
            form=form_to_json(proposal.form),
            alerts_covered=seen.alerts_covered,
            alerts_like=seen.alerts_like,
            share_of_alerts=seen.share_of_alerts,
            given_covered=proposal.given_covered,
            confirmed_lost=len(seen.confirmed),
            share_of_records=seen.share_of_records,
        )


class ExceptionOut(BaseModel):
    """An exception with who made it, why, and what it came to."""

    id: int
    monitor: str
    text: str
    form: dict[str, Any]
    until: datetime | None
    author: str
    note: str
    alerts: list[int] = Field(description="those it was made for")
    created: datetime
    records: int = Field(description="how many it let pass since; of a level, how many it had read otherwise")
    last: datetime | None = Field(description="event time of the latest of those")
    removed: datetime | None
    removed_by: str

    @classmethod
    def of(cls, made: StoredException) -> Self:
        """For programs."""
        names = (
            "id",
            "monitor",
            "text",
            "until",
            "author",
            "note",
            "created",
            "records",
            "last",
            "removed",
            "removed_by",
        )
        told = {name: getattr(made, name) for name in names}
        return cls(**told, form=form_to_json(made.form), alerts=list(made.alerts))


@router.get("")
def get_exceptions(room: InRoom, monitor: str, removed: bool = False) -> list[ExceptionOut]:
    """A monitor's exceptions, newest first; those that were taken back only where asked."""
    registered_monitor(room.engine, monitor)
    return [ExceptionOut.of(each) for each in exceptions(room.engine, monitor, removed=removed)]


@router.post("/proposals")
def post_proposals(room: InRoom, monitor: str, wanted: AlertsIn) -> list[ProposalOut]:
    """Exceptions under which some of these alerts would not have been, best first."""
    found = propose(
        room.engine, room.bundle_cache.detector, registered_monitor(room.engine, monitor), wanted.alerts, room.clock
    )
    return [ProposalOut.of(each) for each in found]


@router.post("", status_code=201)
def post_exception(room: InRoom, monitor: str, accepted: ExceptionIn) -> ExceptionOut:
    """Make a proposal an exception; 422 where its alerts have changed or where it would cover a confirmed anomaly."""
    registered_monitor(room.engine, monitor)
    made = accept(
        room.engine,
        room.bundle_cache.detector,
        monitor,
        accepted.proposal,
        author=accepted.author,
        note=accepted.note,
        until=_in_utc(accepted.until),
        clock=room.clock,
    )
    return ExceptionOut.of(made)


@router.post("/{exception}/remove")
def post_remove(room: InRoom, monitor: str, exception: Number, signed: SignedIn) -> ExceptionOut:
    """Take an exception back; what it covered alarms again within seconds."""
    return ExceptionOut.of(remove_exception(room.engine, monitor, exception, signed.author, room.clock))


def _in_utc(moment: datetime | None) -> datetime | None:
    try:
        return None if moment is None else moment.astimezone(UTC)
    except OverflowError:
        raise InvalidInput("this time is not within the years 1 to 9999 in UTC; give another") from None
