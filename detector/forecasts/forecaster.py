"""What forecasts of a monitor's metrics are made with: which channels, how they are scaled, what cycle repeats in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.forecasts.calendar import places
from latentwatch.detector.forecasts.recursion import (
    HEADER,
    READINGS,
    fresh_channel,
    predict_and_learn,
    rescale_channel,
    state_size,
    unsettle_channel,
)

Floats = NDArray[np.float32]

_FURTHEST = 6.0
"""Scales beyond which a value counts logarithmically."""


class Forecasts(NamedTuple):
    """Of N records."""

    readings: Floats
    """[N, C, READINGS] of the errors."""
    expected: Floats
    """[N, C] in own scales."""
    ages: NDArray[np.int64]
    """[N] how many records of the entity came before, since its past began: after a silence it begins anew."""


@dataclass(frozen=True, slots=True)
class Forecaster:
    """Predicts each chosen channel one record ahead. Immutable; states are the caller's."""

    channels: NDArray[np.int64]
    """[C] which of the detector's channels."""
    centre: Floats
    """[C] in the detector's scales, before any clip"""
    scale: Floats
    """[C]"""
    slots: NDArray[np.int64]
    """[C] of a cycle; 0 where none repeats."""
    cycles: NDArray[np.float64]
    """[C] how long it is, in days; 1 is the day by the clock of the place."""
    usual: Floats
    """[3, C] as `predict_and_learn` wants it."""
    week_worth: NDArray[np.float64]
    """[C] by what the word of the week is multiplied to come nearest to what follows; 0 where weekdays do not matter."""
    daily: float
    """Records a day."""
    gap_milliseconds: int
    timezone: str

    @property
    def state_size(self) -> int:
        """Floats of an entity."""
        return HEADER + sum(map(state_size, self.slots.tolist()))

    def fresh(self) -> Floats:
        """[state_size] of an entity of which nothing is known."""
        return np.concatenate([np.zeros(HEADER, np.float32), *map(fresh_channel, self.slots.tolist())])

    def alone(self, number: int) -> "Forecaster":
        """The `number`th channel's."""
        only = slice(number, number + 1)
        return replace(
            self,
            channels=self.channels[only],
            centre=self.centre[only],
            scale=self.scale[only],
            slots=self.slots[only],
            cycles=self.cycles[only],
            usual=self.usual[:, only],
            week_worth=self.week_worth[only],
        )

    def scaled(self, z: Floats) -> Floats:
        """[N, C] of the detector's channels, unclipped: the chosen ones in own scales, softly clipped."""
        own = np.asarray((z[:, self.channels] - self.centre) / self.scale, np.float32)
        excess = np.maximum(np.abs(own) - _FURTHEST, 0.0)
        inside = np.clip(own, -_FURTHEST, _FURTHEST)
        return np.asarray(inside + np.sign(own) * np.log1p(excess), np.float32)

    def unscaled(self, own: Floats) -> Floats:
        """The inverse of `scaled`: [N, C] in the detector's scales."""
        excess = np.maximum(np.abs(own) - _FURTHEST, 0.0)
        inside = np.clip(own, -_FURTHEST, _FURTHEST)
        return np.asarray((inside + np.sign(own) * np.expm1(excess)) * self.scale + self.centre, np.float32)

    def read(
        self, states: Floats, at: int, owners: NDArray[np.intp], z: Floats, times: NDArray[np.int64]
    ) -> "Forecasts":
        """Of records whose channels, unclipped and in the detector's scales, are z; `states` [E, at + state_size or more] learn
        in place, in row order. `times` are microseconds."""
        return self._read(states, at, owners, self.scaled(z), times, 0)[0]

    def errors_ahead(self, own: Floats, times: NDArray[np.int64], horizon: int) -> Floats:
        """[N, C, 2] errors of one entity's forecasts, one record ahead and about `horizon` ahead, of scaled channels [N, C]."""
        owners = np.zeros(len(own), np.intp)
        return self._read(self.fresh()[None], 0, owners, own, times, horizon)[1]

    def week_told(self, own: Floats, times: NDArray[np.int64]) -> NDArray[np.float64]:
        """[C, 2] sums over one entity's scaled channels [N, C]: of what the week said times what followed, and of its square."""
        return self._read(self.fresh()[None], 0, np.zeros(len(own), np.intp), own, times, 0)[2]

    def _read(
        self,
        states: Floats,
        at: int,
        owners: NDArray[np.intp],
        own: Floats,
        times: NDArray[np.int64],
        horizon: int,
    ) -> "tuple[Forecasts, Floats, NDArray[np.float64]]":
        count, width = own.shape
        day, week = places(times, self.timezone)
        phases = np.where(self.cycles == 1.0, day[:, None], times[:, None] / 86_400e6 / self.cycles % 1.0)
        readings = np.empty((count, width, READINGS), np.float32)
        expected = np.empty((count, width), np.float32)
        ages = np.empty(count, np.int64)
        errors = np.empty((count if horizon else 0, width, 2), np.float32)
        week_told = np.zeros((width, 2))
        predict_and_learn(
            states,
            at,
            np.ascontiguousarray(owners, np.int64),
            np.ascontiguousarray(own),
            times // 1000,
            phases,
            week,
            self.slots,
            self.cycles * self.daily,
            self.cycles == 1.0,
            self.daily,
            self.gap_milliseconds,
            self.usual,
            self.week_worth,
            readings,
            expected,
            ages,
            horizon,
            errors,
            week_told,
        )
        return Forecasts(readings, expected, ages), errors, week_told

    def stranger(self, states: Floats) -> Floats:
        """[state_size] of an entity that is not known, from those of known ones [E, state_size]: what they have in common, as
        if each slot of the day had been seen once."""
        usual: Floats = states.mean(axis=0, dtype=np.float64).astype(np.float32)
        usual = self.begun_anew(usual[None])
        for part, slots in self._channels(usual):
            unsettle_channel(part[0], slots)
        return np.asarray(usual[0])

    def begun_anew(self, states: Floats) -> Floats:
        """States [E, state_size] as after a long silence."""
        out = states.copy()
        out[:, :HEADER] = 0.0
        return out

    def continues(self, previous: "Forecaster") -> bool:
        """Whether states of another one can be gone on with."""
        pairs = [(getattr(self, name), getattr(previous, name)) for name in ("channels", "slots", "cycles")]
        return (
            all(np.array_equal(*pair) for pair in pairs)
            and self.timezone == previous.timezone
            and 0.8 < self.daily / previous.daily < 1.25
        )

    def adopt(self, states: Floats, ratio: Floats, shift: Floats) -> Floats:
        """States [E, state_size] of one that this one `continues`, whose values v are now `ratio` v + `shift` [C]."""
        adopted = states.copy()
        for channel, (part, slots) in enumerate(self._channels(adopted)):
            for state in part:
                rescale_channel(state, slots, float(ratio[channel]), float(shift[channel]))
        return adopted

    def _channels(self, states: Floats) -> list[tuple[Floats, int]]:
        """Each channel's part of states [E, state_size], and its slots."""
        bounds = np.cumsum([HEADER, *map(state_size, self.slots.tolist())])
        return [
            (states[:, start:stop], slots)
            for start, stop, slots in zip(bounds[:-1], bounds[1:], self.slots.tolist(), strict=True)
        ]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores as weights."""
        return {
            "channels": self.channels,
            "centre": self.centre,
            "scale": self.scale,
            "slots": self.slots,
            "cycles": self.cycles,
            "usual": self.usual,
            "week_worth": self.week_worth,
        }

    def meta(self) -> dict[str, Any]:
        """What a bundle stores as JSON."""
        return {"daily": self.daily, "gap_milliseconds": self.gap_milliseconds, "timezone": self.timezone}

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], channels: int) -> Self:
        """The inverse of `arrays` and `meta`. Raises ValueError where they do not fit so many channels."""
        chosen = np.asarray(arrays["channels"], np.int64)
        worth = arrays.get("week_worth", np.zeros(chosen.shape))  # of before it was measured
        fitting: Sequence[tuple[int, ...]] = [
            worth.shape,
            *(arrays[name].shape for name in ("centre", "scale", "slots", "cycles")),
        ]
        if (arrays["cycles"] <= 0).any():
            raise ValueError("a cycle takes no time")
        if {*fitting} != {chosen.shape} or arrays["usual"].shape != (3, *chosen.shape) or not len(chosen):
            raise ValueError("the forecasts do not fit their channels")
        if chosen.min() < 0 or chosen.max() >= channels or (arrays["scale"] <= 0).any() or (arrays["slots"] < 0).any():
            raise ValueError("the forecasts are of channels that are not there")
        return cls(
            channels=chosen,
            centre=arrays["centre"],
            scale=arrays["scale"],
            slots=np.asarray(arrays["slots"], np.int64),
            cycles=np.asarray(arrays["cycles"], np.float64),
            usual=arrays["usual"],
            week_worth=np.asarray(worth, np.float64),
            daily=float(meta["daily"]),
            gap_milliseconds=int(meta["gap_milliseconds"]),
            timezone=str(meta["timezone"]),
        )
