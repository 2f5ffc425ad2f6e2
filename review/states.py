"""Exploring the states of a monitor's latent space: what a place of the map is as a record, and how often it was seen.

place, code or alert -> decoded record in its units, how usual; along a factor, on the way between two, by a difference of groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentwatch.alerts.monitors import registered_monitor
from latentwatch.alerts.reading import alert_detail
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.detector.bundle import Bundled
from latentwatch.detector.latent.state_space import StateSpace
from latentwatch.domain.counters import in_rates
from latentwatch.domain.errors import InvalidInput, NotFound
from latentwatch.domain.record import Value
from latentwatch.review.room import Room
from latentwatch.review.words import roughly

MOST_STATES = 50
"""States that one question may be about."""
WAY_STEPS = 7
_BEYOND = (-0.5, -0.25, 1.25, 1.5)
"""Places before the first and behind the second of two states, in parts of the way between them."""
_NAMED = 2
_FARTHEST = 1e6
"""Of codes and places, so that no decoder is asked for what no number can hold."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class StatePoint:
    """Where a state is: a place of the map, a whole code, or that of an alert's strangest record. One of the three."""

    place: tuple[float, float] | None = None
    code: tuple[float, ...] | None = None
    alert: int | None = None


@dataclass(frozen=True, slots=True)
class DecodedState:
    """A state as a record."""

    code: tuple[float, ...]
    place: tuple[float, float]
    values: dict[str, Value]
    """By feature, at the level that all entities have in common."""
    share: float
    """Of normal records, that lie near it."""
    normal: bool
    """Whether any normal record lies there."""
    along: float = 0.0
    """Of a way: 0 at the first state, 1 at the second; of a factor, its value."""

    @property
    def in_words(self) -> str:
        """How often it was seen."""
        if not self.normal:
            return "Nothing normal lies here: what is decoded is a guess."
        return f"About {roughly(100 * self.share)} % of normal records lie near it." if self.share else "Seldom seen."


@dataclass(frozen=True, slots=True)
class Factor:
    """One dimension of the code."""

    number: int
    low: float
    high: float
    """98 % of normal records lie between."""
    features: tuple[str, ...]
    """The numbers that change most along it, by their own spread; the strongest first."""

    @property
    def name(self) -> str:
        """For people."""
        return " and ".join(self.features) or f"factor {self.number + 1}"


@dataclass(frozen=True, slots=True)
class DifferenceLine:
    """What a direction does to one feature of a record."""

    feature: str
    unit: str
    change: float
    """From the first group to the second."""
    before: Value
    after: Value
    """Of the third record, without and with it."""


@dataclass(frozen=True, slots=True)
class StateDifference:
    """The difference of two groups of states, applied to a third."""

    before: DecodedState
    after: DecodedState
    lines: tuple[DifferenceLine, ...]
    """Largest change first, by the feature's spread among normal records."""


class StateExplorer:
    """One model version's latent space. Raises InvalidInput for what cannot be asked, naming the kind that cannot decode."""

    def __init__(self, room: Room, monitor: str, version: int | None = None) -> None:
        """The champion's, or a version's. Raises NotFound where there is none, BundleRefused, Unavailable."""
        registry = ModelRegistry(room.engine)
        schema = in_rates(registered_monitor(room.engine, monitor).record)
        chosen = registry.champion(monitor) if version is None else registry.version(monitor, version)
        if chosen is None:
            raise NotFound(f"no model serves {monitor} yet; train one with latentwatch train")
        self._room, self.engine = room, room.engine
        self.monitor, self.version = monitor, chosen
        self.detector: Bundled = room.bundle_cache.detector(chosen.bundle)
        self.units = {each.name: each.unit for each in schema.features}
        self._space: StateSpace = self.detector.state_space()
        self._normal = self._numbers(self._space.codes)
        spread = np.nanstd(self._normal, axis=0)
        self._spread = np.where(spread > 0, spread, np.inf)

    @property
    def middle(self) -> DecodedState:
        """A usual state."""
        return self._states(self._space.middle[None])[0]

    def decode(self, points: Sequence[StatePoint]) -> tuple[DecodedState, ...]:
        """Each as a record."""
        return self._states(self._codes(points))

    def factors(self) -> tuple[Factor, ...]:
        """The dimensions of the code, each with what changes along it from the middle of normal records."""
        found = []
        for factor in range(self._space.codes.shape[1]):
            low, high = self._space.reach(factor)
            ends = np.repeat(self._space.middle[None], 2, axis=0)
            ends[:, factor] = low, high
            found.append(Factor(factor, low, high, self._most_changed(ends)))
        return tuple(found)

    def axes(self) -> tuple[str, str]:
        """What changes along the map's two axes, named as factors are."""
        drawn = self._space.basis.places(self._space.codes)
        names = []
        for axis in (0, 1):
            order = np.argsort(drawn[:, axis])
            tenth = max(1, len(order) // 10)
            ends = [self._normal[order[:tenth]], self._normal[order[-tenth:]]]
            names.append(" and ".join(self._named(np.nanmean(ends[1], axis=0) - np.nanmean(ends[0], axis=0))))
        return names[0], names[1]

    def traverse(self, start: StatePoint, factor: int, steps: int = WAY_STEPS) -> tuple[DecodedState, ...]:
        """The state with one factor at values over its whole reach, the others as they are."""
        codes = np.repeat(self._codes([start]), steps, axis=0)
        if not 0 <= factor < codes.shape[1]:
            raise InvalidInput(f"the code has factors 0 to {codes.shape[1] - 1}, not {factor}")
        values = np.linspace(*self._space.reach(factor), steps)
        codes[:, factor] = values
        return self._states(codes, values)

    def way(self, first: StatePoint, second: StatePoint, beyond: bool = False) -> tuple[DecodedState, ...]:
        """Seven states from one to another; with `beyond`, two more at either end that lie outside of the two."""
        ends = self._codes([first, second])
        along = np.linspace(0, 1, WAY_STEPS)
        if beyond:
            along = np.sort(np.concatenate([along, _BEYOND]))
        codes = ends[0] + along[:, None].astype(np.float32) * (ends[1] - ends[0])
        return self._states(codes, along)

    def difference(
        self, first: Sequence[StatePoint], second: Sequence[StatePoint], start: StatePoint
    ) -> StateDifference:
        """What turns the mean of a first group into the mean of a second one, and the same done to a third state."""
        if not first or not second:
            raise InvalidInput("either group needs a state at least")
        means = np.stack([self._codes(first).mean(axis=0), self._codes(second).mean(axis=0)])
        origin = self._codes([start])[0]
        before, after = self._states(np.stack([origin, origin + means[1] - means[0]]))
        groups = self._numbers(means)
        change = groups[1] - groups[0]
        names = self.detector.schema.numbers
        order = np.argsort(-np.abs(np.nan_to_num(change / self._spread)), kind="stable")
        lines = [
            DifferenceLine(
                name, self.units.get(name, ""), float(change[at]), before.values.get(name), after.values.get(name)
            )
            for at, name in ((int(at), names[int(at)]) for at in order)
            if np.isfinite(change[at])
        ]
        return StateDifference(before, after, tuple(lines))

    def _states(self, codes: Floats, along: NDArray[np.float64] | None = None) -> tuple[DecodedState, ...]:
        codes = np.asarray(codes, np.float32)
        places, shares = self._space.basis.places(codes), self._space.share_near(codes)
        normal = self._space.lies_among_normal(codes)
        return tuple(
            DecodedState(
                code=tuple(codes[row].tolist()),
                place=(float(places[row, 0]), float(places[row, 1])),
                values=values,
                share=float(shares[row]),
                normal=bool(normal[row]),
                along=float(along[row]) if along is not None else 0.0,
            )
            for row, values in enumerate(self._decoded(codes))
        )

    def _codes(self, points: Sequence[StatePoint]) -> Floats:
        """[N, K]"""
        if len(points) > MOST_STATES:
            raise InvalidInput(f"at most {MOST_STATES} states at once, not {len(points)}")
        return np.stack([self._code(point) for point in points]) if points else self._space.codes[:0]

    def _code(self, point: StatePoint) -> Floats:
        """[K]"""
        size = self._space.codes.shape[1]
        if (point.place is not None) + (point.code is not None) + (point.alert is not None) != 1:
            raise InvalidInput("a state is said by its place, its code or an alert: exactly one of them")
        if point.alert is not None:
            return self._code_of_alert(point.alert)
        numbers = np.asarray(point.place if point.place is not None else point.code, np.float64)
        if not (np.isfinite(numbers).all() and (np.abs(numbers) <= _FARTHEST).all()):
            raise InvalidInput(f"places and codes are numbers between -{_FARTHEST:,.0f} and {_FARTHEST:,.0f}")
        if point.place is not None:
            return np.asarray(self._space.codes_at(numbers.astype(np.float32)[None])[0], np.float32)
        if len(numbers) != size:
            raise InvalidInput(f"a code of {self.monitor} has {size} numbers, not {len(numbers)}")
        return numbers.astype(np.float32)

    def _code_of_alert(self, alert: int) -> Floats:
        detail = alert_detail(self._room.engine, alert)
        if detail is None or detail.alert.monitor != self.monitor:
            raise NotFound(f"{self.monitor} has no alert {alert}")
        if detail.peak is None:
            raise InvalidInput(f"alert {alert} has no record that could be a state: its entity sent none")
        basis = self._space.basis.id
        if detail.peak.bundle != self.version.bundle and self._room.bundle_cache.basis(detail.peak.bundle) != basis:
            raise InvalidInput(f"alert {alert} is of a model version whose map has other places")
        return np.asarray(detail.peak.explanation.code, np.float32)

    def _decoded(self, codes: Floats) -> list[dict[str, Value]]:
        try:
            return self.detector.decoded(np.asarray(codes, np.float32))
        except InvalidInput as error:
            raise InvalidInput(f"models of kind {self.detector.kind} cannot be decoded: {error}") from error

    def _numbers(self, codes: Floats) -> NDArray[np.float64]:
        """[N, F] the decoded numbers, NaN where one is missing."""
        rows = self._decoded(codes)
        numbers = self.detector.schema.numbers
        return np.array(
            [[np.nan if row.get(name) is None else row[name] for name in numbers] for row in rows], np.float64
        ).reshape(len(rows), len(numbers))

    def _most_changed(self, ends: Floats) -> tuple[str, ...]:
        numbers = self._numbers(ends)
        return self._named(numbers[1] - numbers[0])

    def _named(self, change: NDArray[np.float64]) -> tuple[str, ...]:
        """The numbers that a change [F] moves most, by their spread; the second only where it moves half as much."""
        strength = np.abs(np.nan_to_num(change / self._spread))
        order = np.argsort(-strength, kind="stable")[:_NAMED]
        names = self.detector.schema.numbers
        return tuple(names[at] for at in order if strength[at] > 0 and 2 * strength[at] >= strength[order[0]])
