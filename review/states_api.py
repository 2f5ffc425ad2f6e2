"""The latent space of a monitor, for programs: the map's factors and entities, and states decoded to records."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.record import Value
from latentwatch.review.entity_trails import entity_trails
from latentwatch.review.flagged_schemas import Answer
from latentwatch.review.room import InRoom
from latentwatch.review.states import MOST_STATES, DecodedState, StateExplorer, StatePoint

router = APIRouter(tags=["models"])

_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Version = Annotated[int | None, Query(ge=1, le=2**31 - 1)]


class FactorOut(Answer):
    """One dimension of the code."""

    number: int
    name: str = Field(description="the numbers that change most along it")
    low: float
    high: float = Field(description="98 % of normal records lie between")


class DecodedStateOut(Answer):
    """A state as a record."""

    code: list[float]
    place: tuple[float, float]
    values: dict[str, Value] = Field(description="at the level that all entities have in common")
    share: float = Field(description="of normal records, that lie near it")
    normal: bool = Field(description="whether any normal record lies there")
    along: float = Field(description="of a way, 0 at the first state and 1 at the second; of a factor, its value")
    in_words: str


class EntityTrailOut(Answer):
    """An entity's way over the map, oldest place first."""

    entity: str
    places: list[tuple[float, float]]
    times: list[datetime]
    flagged: bool = Field(description="whether its latest record is")


class StatesMapOut(BaseModel):
    """What the map of states shows beside normal density and flagged records, which `GET /api/monitors/{monitor}/map` has."""

    model_version: int
    axes: tuple[str, str] = Field(description="the numbers that change most along the map's two axes")
    factors: list[FactorOut]
    middle: DecodedStateOut
    entities: list[EntityTrailOut]


class StatePointIn(BaseModel):
    """Where a state is: exactly one of the three."""

    model_config = ConfigDict(extra="forbid")

    place: tuple[_Finite, _Finite] | None = None
    code: Annotated[list[_Finite], Field(min_length=1, max_length=64)] | None = None
    alert: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = Field(None, description="its strangest record")

    def point(self) -> StatePoint:
        """As the explorer takes it."""
        return StatePoint(self.place, None if self.code is None else tuple(self.code), self.alert)


class DecodeIn(BaseModel):
    """What is asked of the states: each as it is; along a factor of the first; on the way from the first to the second."""

    model_config = ConfigDict(extra="forbid")

    states: Annotated[list[StatePointIn], Field(min_length=1, max_length=MOST_STATES)]
    ask: Literal["each", "traverse", "way"] = "each"
    factor: Annotated[int, Field(ge=0, le=63)] = Field(0, description="with `traverse`")
    beyond: bool = Field(False, description="with `way`: two more at either end, that lie outside of the two")


class DifferenceIn(BaseModel):
    """Two groups, whose difference is applied to a third state."""

    model_config = ConfigDict(extra="forbid")

    first: Annotated[list[StatePointIn], Field(min_length=1, max_length=MOST_STATES)]
    second: Annotated[list[StatePointIn], Field(min_length=1, max_length=MOST_STATES)]
    start: StatePointIn


class DifferenceLineOut(Answer):
    """What the difference does to one feature."""

    feature: str
    unit: str
    change: float = Field(description="from the first group to the second")
    before: Value
    after: Value = Field(description="of the third state, without and with it")


class StateDifferenceOut(Answer):
    """The difference of two groups of states, applied to a third."""

    before: DecodedStateOut
    after: DecodedStateOut
    lines: list[DifferenceLineOut]


@router.get("/monitors/{monitor}/states/map")
def get_states_map(room: InRoom, monitor: str, version: _Version = None) -> StatesMapOut:
    """What lies along the axes and factors of a model version's map, and where its entities are, at most 24 of 30 places each.

    404 where no model serves, 409 where it cannot be opened any more.
    """
    explorer = StateExplorer(room, monitor, version)
    return StatesMapOut(
        model_version=explorer.version.version,
        axes=explorer.axes(),
        factors=[FactorOut.model_validate(each) for each in explorer.factors()],
        middle=DecodedStateOut.model_validate(explorer.middle),
        entities=[EntityTrailOut.model_validate(each) for each in entity_trails(explorer)],
    )


@router.post("/monitors/{monitor}/states/decode")
def post_states_decode(room: InRoom, monitor: str, asked: DecodeIn, version: _Version = None) -> list[DecodedStateOut]:
    """States as records in their units, and how often each was seen; nothing is stored. 422 for a state that cannot be."""
    explorer = StateExplorer(room, monitor, version)
    points = [each.point() for each in asked.states]
    return [DecodedStateOut.model_validate(each) for each in _asked(explorer, asked, points)]


@router.post("/monitors/{monitor}/states/difference")
def post_states_difference(
    room: InRoom, monitor: str, asked: DifferenceIn, version: _Version = None
) -> StateDifferenceOut:
    """What turns one group of states into another, in units, and the same done to a third; nothing is stored."""
    explorer = StateExplorer(room, monitor, version)
    first, second = ([each.point() for each in group] for group in (asked.first, asked.second))
    return StateDifferenceOut.model_validate(explorer.difference(first, second, asked.start.point()))


def _asked(explorer: StateExplorer, asked: DecodeIn, points: list[StatePoint]) -> tuple[DecodedState, ...]:
    if asked.ask == "traverse":
        return explorer.traverse(points[0], asked.factor)
    if asked.ask == "way" and len(points) == 2:
        return explorer.way(points[0], points[1], asked.beyond)
    if asked.ask == "way":
        raise InvalidInput(f"a way is between two states, not {len(points)}")
    return explorer.decode(points)
