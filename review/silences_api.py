"""The JSON API's routes about silences."""

from datetime import UTC, datetime
from typing import Annotated, Self

from fastapi import APIRouter, Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from latentwatch.alerts.monitors import registered_monitor
from latentwatch.alerts.silences import (
    ListedSilence,
    SilencePreview,
    add_silence,
    listed_silences,
    preview_silence,
    remove_silence,
)
from latentwatch.domain.errors import InvalidInput, NotFound
from latentwatch.domain.silence import Silence, calendar_in_words, parse_weekly
from latentwatch.review.room import InRoom, Room
from latentwatch.review.schemas import SignedIn

router = APIRouter(prefix="/silences", tags=["silences"])
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]


class SilenceIn(BaseModel):
    """A silence to be added: one stretch, or a weekly rule."""

    model_config = ConfigDict(extra="forbid")

    monitor: str = Field(max_length=63)
    entity: str = Field(default="*", max_length=400, description="a name, in which * stands for anything")
    feature: str = Field(default="", max_length=400, description="only records that are about it before all others")
    start: AwareDatetime | None = None
    end: AwareDatetime | None = Field(default=None, description="exclusive; of a weekly rule, when it ends for good")
    weekly: str = Field(default="", max_length=100, description="such as 'Sun 02:00-04:00'")
    timezone: str = Field(default="", max_length=100, description="of the weekly rule; by default the monitor's")
    reason: str = Field(min_length=1, max_length=4000)
    author: str = Field(min_length=1, max_length=100)

    def silence(self, room: Room) -> Silence:
        """What it describes. Raises InvalidInput for an unknown monitor, for no rule, and for times out of this world."""
        try:
            monitor = registered_monitor(room.engine, self.monitor)
        except NotFound as error:  # the address is there; what the body says is wrong
            raise InvalidInput(str(error)) from None
        return Silence(
            monitor=self.monitor,
            reason=self.reason,
            author=self.author,
            entity=self.entity,
            feature=self.feature,
            start=_in_utc(self.start),
            end=_in_utc(self.end),
            weekly=parse_weekly(self.weekly) if self.weekly else None,
            timezone=self.timezone or monitor.record.timezone,
        )


class SilenceOut(BaseModel):
    """A silence."""

    id: int
    monitor: str
    entity: str
    feature: str
    start: datetime | None
    end: datetime | None
    weekly: str
    timezone: str
    reason: str
    author: str
    created: datetime | None
    removed: datetime | None
    calendar: str = Field(description="whose events it goes by, by host or file; added by the command line alone")
    stretches: list[tuple[datetime, datetime]] = Field(description="when the calendar's events are")

    @classmethod
    def of(cls, silence: Silence) -> Self:
        names = (name for name in cls.model_fields if name not in ("weekly", "calendar"))
        weekly = str(silence.weekly) if silence.weekly else ""
        calendar = calendar_in_words(silence.calendar) if silence.calendar else ""
        return cls(**{name: getattr(silence, name) for name in names}, weekly=weekly, calendar=calendar)


class ListedSilenceOut(BaseModel):
    """A silence with what it does now and what it hid."""

    silence: SilenceOut
    state: str = Field(description="now, later, over or removed")
    until: datetime | None = Field(description="when the stretch ends that it is in, or the next one begins")
    hidden_alerts: int
    hidden_records: int
    calendar_read: datetime | None
    calendar_trouble: str = Field(description="why the calendar could not be read since")

    @classmethod
    def of(cls, listed: ListedSilence) -> Self:
        return cls(
            silence=SilenceOut.of(listed.silence),
            state=listed.state,
            until=listed.until,
            hidden_alerts=listed.hidden_alerts,
            hidden_records=listed.hidden_records,
            calendar_read=listed.calendar_read,
            calendar_trouble=listed.calendar_trouble,
        )


class SilencePreviewOut(BaseModel):
    """What a silence would do, and what it would have done to the alerts of the past four weeks."""

    model_config = ConfigDict(from_attributes=True)

    windows: list[tuple[datetime, datetime]] = Field(description="the next stretches, at most three")
    entities: int = Field(description="entities it is about, of those heard of lately")
    entities_known: int
    named: list[str]
    hidden: int = Field(description="alerts that lie in it whole")
    hidden_in_part: int
    confirmed: int = Field(description="of both, those labelled true")

    @classmethod
    def of(cls, preview: SilencePreview) -> Self:
        return cls.model_validate(preview)


@router.get("")
def get_silences(room: InRoom, monitor: str | None = None, finished: bool = False) -> list[ListedSilenceOut]:
    """Silences, latest first; those that are over or were taken back only where asked."""
    return [ListedSilenceOut.of(each) for each in listed_silences(room.engine, room.now(), monitor, finished=finished)]


@router.post("", status_code=201)
def post_silence(room: InRoom, silence: SilenceIn) -> SilenceOut:
    """Add a silence; it acts within seconds, on records whose own time lies in it."""
    return SilenceOut.of(add_silence(room.engine, silence.silence(room), room.clock))


@router.post("/preview")
def post_preview(room: InRoom, silence: SilenceIn) -> SilencePreviewOut:
    """Try a silence on the past; nothing is written."""
    return SilencePreviewOut.of(preview_silence(room.engine, silence.silence(room), room.now()))


@router.post("/{silence}/remove")
def post_remove(room: InRoom, silence: Number, signed: SignedIn) -> SilenceOut:
    """Take a silence back; what it hid stays hidden and listed."""
    return SilenceOut.of(remove_silence(room.engine, silence, signed.author, room.clock))


def _in_utc(moment: datetime | None) -> datetime | None:
    try:
        return None if moment is None else moment.astimezone(UTC)
    except OverflowError:
        raise InvalidInput("this time is not within the years 1 to 9999 in UTC; give another") from None
