"""A plant of pump rigs: realistic sensor streams with physics between the sensors, and faults at known times.

Each rig pumps fluid through a valve. Speed follows the operating mode and the day's demand; flow solves the pump curve
against the pipe's resistance; power, current and temperatures follow from flow and head. Every rig has its own offsets,
sensors have autocorrelated noise, and some values are missing. Everything follows from the seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from latentwatch.detector.faults import FaultKind, PlantedFault
from latentwatch.domain.clock import from_microseconds, to_microseconds
from latentwatch.domain.record import Batch
from latentwatch.domain.schema import Feature, FeatureType, RecordSchema

Signal: TypeAlias = NDArray[np.float64]

_SENSORS = (
    ("suction_pressure", "bar"),
    ("discharge_pressure", "bar"),
    ("flow", "l/min"),
    ("current", "A"),
    ("voltage", "V"),
    ("motor_temperature", "°C"),
    ("bearing_temperature", "°C"),
    ("fluid_temperature", "°C"),
    ("vibration", "mm/s"),
    ("valve_position", "%"),
)
_NOISE = np.array([0.012, 0.035, 1.2, 0.12, 0.6, 0.15, 0.12, 0.08, 0.06, 0.25])
"""[sensor] standard deviation of the sensors' noise, in their units."""
_MODES = ("eco", "normal", "boost")
_MODE_SPEED = np.array([0.72, 0.86, 1.0])
_MODE_VALVE = np.array([0.62, 0.74, 0.84])
_MISSING_SHARE = 0.002
_DAY_SECONDS = 86_400.0

PLANT_FAULTS = (
    FaultKind.VALVE_CLOSING,
    FaultKind.CAVITATION,
    FaultKind.BEARING_WEAR,
    FaultKind.LEAK,
    FaultKind.STUCK,
    FaultKind.DRIFT,
    FaultKind.SPIKE,
    FaultKind.CORRELATION_BREAK,
    FaultKind.LAG,
    FaultKind.CONSTANT_MOVES,
)
"""Kinds that `Plant.stream` plants when not told which."""

_GUILTY: dict[FaultKind, tuple[str, ...]] = {
    FaultKind.VALVE_CLOSING: ("flow", "discharge_pressure", "valve_position"),
    FaultKind.CAVITATION: ("vibration", "suction_pressure", "flow"),
    FaultKind.BEARING_WEAR: ("vibration", "bearing_temperature"),
    FaultKind.LEAK: ("flow", "discharge_pressure"),
    FaultKind.CONSTANT_MOVES: ("relief_valve",),
}
_COUPLED = ("flow", "discharge_pressure", "current", "vibration")
"""Sensors bound so closely to others that one showing another time's values is a fault one can see."""


def plant_schema() -> RecordSchema:
    """The record of a rig: ten sensors, a relief valve that normally stays shut, and the operating mode."""
    sensors = tuple(Feature(name=name, type=FeatureType.NUMERIC, unit=unit) for name, unit in _SENSORS)
    return RecordSchema(
        time="time",
        entity="rig",
        features=(
            *sensors,
            Feature(name="relief_valve", type=FeatureType.BOOLEAN),
            Feature(name="mode", type=FeatureType.CATEGORY),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Disturbance:
    """What faults do to the physics, as [N] factors and offsets of one rig over time."""

    opening: Signal
    """Factor on the pipe's real opening."""
    leakage: Signal
    """Share of the flow lost before the flow meter."""
    cavitation: Signal
    """0 none, 1 full."""
    wear: Signal
    """0 none, 1 full."""

    @staticmethod
    def none(count: int) -> "_Disturbance":
        return _Disturbance(np.ones(count), np.zeros(count), np.zeros(count), np.zeros(count))


@dataclass(frozen=True, slots=True)
class _Slot:
    """Where one fault goes: rows of one rig, half-open."""

    kind: FaultKind
    rig: int
    first: int
    stop: int


class Plant:
    """A seeded plant. The same seed has the same rigs for ever; a stretch also depends on its start time.

    >>> from datetime import UTC
    >>> batch = Plant(seed=1, rigs=2).history(datetime(2026, 1, 1, tzinfo=UTC), 100)
    >>> len(batch), batch.entities[:3].tolist()
    (200, ['rig-1', 'rig-2', 'rig-1'])
    """

    def __init__(self, seed: int = 0, rigs: int = 4, period_seconds: float = 10.0) -> None:
        if rigs < 1 or period_seconds <= 0:
            raise ValueError("a plant needs at least one rig and a positive period")
        self.seed = seed
        self.rigs = rigs
        self.period_seconds = period_seconds
        rng = np.random.default_rng([seed, 0])
        self._size = 1.0 + rng.normal(0, 0.06, rigs)
        self._resistance = 1.0 + rng.normal(0, 0.08, rigs)
        self._offsets = rng.normal(0, 4.0, (rigs, len(_SENSORS))) * _NOISE
        self._balance = np.exp(rng.normal(0, 0.15, rigs))

    def history(self, start: datetime, records_per_rig: int) -> Batch:
        """Normal operation from `start`: rows of all rigs in time order."""
        return self.stream(start, records_per_rig, faults=())[0]

    def stream(
        self,
        start: datetime,
        records_per_rig: int,
        faults: Sequence[FaultKind] | None = None,
        spacing_records: int = 900,
    ) -> tuple[Batch, tuple[PlantedFault, ...]]:
        """Operation with faults of the given kinds (by default all of PLANT_FAULTS), about one per rig and spacing.

        Returns the rows of all rigs in time order, and the faults by start. A fault lasts 40 to 180 records, a spike
        three; at least a third of the spacing before it is normal.
        """
        if records_per_rig < 1:
            raise ValueError("records_per_rig must be at least 1")
        start_us = to_microseconds(start)
        stretch = start_us // 1_000_000 % 2**32
        rng = np.random.default_rng([self.seed, 1, stretch])
        # Faults draw from their own stream of chance: outside of them, the records equal `history` of the same start.
        fate = np.random.default_rng([self.seed, 2, stretch])
        kinds = PLANT_FAULTS if faults is None else tuple(faults)
        slots = _schedule(fate, kinds, self.rigs, records_per_rig, spacing_records)
        seconds: Signal = start_us / 1e6 + np.arange(records_per_rig, dtype=np.float64) * self.period_seconds
        grid = _autocorrelated(rng, records_per_rig, 0.995)
        readings = np.empty((records_per_rig, self.rigs, len(_SENSORS) + 1), np.float32)
        modes = np.empty((records_per_rig, self.rigs), object)
        guilty: dict[_Slot, tuple[str, ...]] = {}
        for rig in range(self.rigs):
            mine = [slot for slot in slots if slot.rig == rig]
            mode = _mode_track(rng, records_per_rig, self.period_seconds)
            signals = self._physics(rng, rig, seconds, mode, grid, _disturb(mine, records_per_rig))
            relief = np.zeros(records_per_rig)
            guilty |= {slot: _break_sensor(fate, slot, signals, relief) for slot in mine}
            signals[rng.random(signals.shape) < _MISSING_SHARE] = np.nan
            readings[:, rig, :-1] = signals
            readings[:, rig, -1] = relief
            modes[:, rig] = np.array(_MODES, object)[mode]
        batch = self._interleave(start_us, readings, modes)
        return batch, tuple(self._planted(batch, slot, guilty[slot]) for slot in slots)

    def _physics(
        self,
        rng: np.random.Generator,
        rig: int,
        seconds: Signal,
        mode: NDArray[np.intp],
        grid: Signal,
        disturbance: _Disturbance,
    ) -> Signal:
        """[N, sensors] what the rig's sensors show."""
        count, period = len(seconds), self.period_seconds
        day = 2 * np.pi * seconds / _DAY_SECONDS
        demand = 0.03 * np.sin(day - 1.2) + 0.012 * np.sin(2 * day + rig)
        speed = _follow(_MODE_SPEED[mode] + demand, period / 45) + 0.008 * _autocorrelated(rng, count, 0.98)
        valve = _follow(_MODE_VALVE[mode], period / 60) + 0.025 * _autocorrelated(rng, count, 0.995)
        opening = np.clip(valve * disturbance.opening, 0.05, 1.0)
        bubbling = disturbance.cavitation * (1 + 0.5 * rng.normal(size=count))
        lift = 52.0 * self._size[rig] * speed**2 * (1 - 0.10 * np.clip(bubbling, 0, None))
        resistance = self._resistance[rig] * 2.2e-4 * (1 - 0.9 * disturbance.leakage) / opening**2
        flow = np.sqrt(np.clip(lift - 8.0, 1.0, None) / (1.6e-4 + resistance))
        head = lift - 1.6e-4 * flow**2
        suction = 1.6 - 4.2e-6 * flow**2 - 0.35 * disturbance.cavitation + 0.01 * _autocorrelated(rng, count, 0.99)
        discharge = suction + head / 10.0
        voltage = 400.0 + 3.0 * np.sin(day + 0.6) + 1.6 * grid
        watts = 900.0 * speed**3 + 1.05 * flow * head * (1 + 0.08 * disturbance.wear)
        current = watts / (1.732 * 0.86 * voltage)
        ambient = 21.0 + 4.0 * np.sin(day - 2.4) + 0.4 * _autocorrelated(rng, count, 0.999)
        motor = _follow(ambient + 0.11 * current**2, period / 1200)
        bearing = _follow(ambient + 14.0 * speed**2 + 9.0 * disturbance.wear, period / 600)
        fluid = _follow(ambient - 3.0 + 6e-4 * watts / speed, period / 1800)
        swing = np.exp(0.08 * _autocorrelated(rng, count, 0.9))
        vibration = self._balance[rig] * (1.1 * speed**2 + 0.25 * (0.9 - opening)) * swing
        vibration = vibration * (1 + 1.3 * disturbance.wear) + 1.1 * np.abs(bubbling)
        measured = np.stack(
            [
                suction,
                discharge,
                flow * (1 - disturbance.leakage),
                current,
                voltage - 0.12 * current,
                motor,
                bearing,
                fluid,
                vibration,
                100 * valve * (1 - 0.5 * (1 - disturbance.opening)),
            ],
            axis=1,
        )
        noise = np.stack([_autocorrelated(rng, count, 0.6) for _ in _SENSORS], axis=1) * _NOISE
        return np.asarray(measured + self._offsets[rig] + noise)

    def _interleave(self, start_us: int, readings: NDArray[np.float32], modes: NDArray[np.object_]) -> Batch:
        count, rigs = modes.shape
        period_us = round(self.period_seconds * 1_000_000)
        # Rigs report one after the other within a period, so that times are distinct.
        times = start_us + np.arange(count)[:, None] * period_us + np.arange(rigs) * (period_us // rigs)
        names = np.array([f"rig-{rig + 1}" for rig in range(rigs)], object)
        rows = count * rigs
        return Batch(
            schema=plant_schema(),
            numbers=readings.reshape(rows, -1),
            categories=modes.reshape(rows, 1),
            texts=np.empty((rows, 0), object),
            entities=np.tile(names, count),
            times=times.reshape(rows).astype(np.int64),
            source="plant",
            partitions=np.zeros(rows, np.int32),
            offsets=np.arange(rows, dtype=np.int64),
        )

    def _planted(self, batch: Batch, slot: _Slot, guilty: tuple[str, ...]) -> PlantedFault:
        rows = np.arange(slot.first, slot.stop) * self.rigs + slot.rig
        return PlantedFault(
            kind=slot.kind,
            entity=f"rig-{slot.rig + 1}",
            start=batch.time(int(rows[0])),
            end=batch.time(int(rows[-1])),
            guilty=guilty,
            rows=rows,
        )


def shift_times(batch: Batch, faults: Sequence[PlantedFault], by: timedelta) -> tuple[Batch, tuple[PlantedFault, ...]]:
    """The same records and faults at other times, as when a recorded stretch is replayed as live."""
    moved = replace(batch, times=batch.times + round(by.total_seconds() * 1_000_000))
    return moved, tuple(
        replace(
            fault,
            start=from_microseconds(to_microseconds(fault.start) + round(by.total_seconds() * 1_000_000)),
            end=from_microseconds(to_microseconds(fault.end) + round(by.total_seconds() * 1_000_000)),
        )
        for fault in faults
    )


def _autocorrelated(rng: np.random.Generator, count: int, memory: float) -> Signal:
    """[count] a stationary first-order autoregression of unit variance."""
    shocks = rng.normal(size=count) * np.sqrt(1 - memory**2)
    shocks[0] = rng.normal()
    return np.asarray(lfilter([1.0], [1.0, -memory], shocks))


def _follow(target: Signal, rate: float) -> Signal:
    """A first-order lag behind `target`, settled at the start. `rate` is the period over the time constant."""
    pace = min(1.0, rate)
    settled = np.full(1, target[: max(1, round(3 / pace))].mean() * (1 - pace))
    return np.asarray(lfilter([pace], [1.0, pace - 1.0], target, zi=settled)[0])


def _mode_track(rng: np.random.Generator, count: int, period_seconds: float) -> NDArray[np.intp]:
    """[count] index of the operating mode; each lasts 20 to 90 minutes, neighbouring modes follow each other."""
    track = np.empty(count, np.intp)
    at, mode = 0, int(rng.integers(len(_MODES)))
    while at < count:
        stop = at + max(2, int(rng.uniform(1200, 5400) / period_seconds))
        track[at:stop] = mode
        at, mode = stop, 1 if mode != 1 else int(rng.choice((0, 2)))
    return track


def _schedule(
    rng: np.random.Generator, kinds: tuple[FaultKind, ...], rigs: int, count: int, spacing: int
) -> list[_Slot]:
    """Faults by start; every kind occurs before any occurs again."""
    if not kinds:
        return []
    slots = []
    spacing = max(12, min(spacing, count))
    for rig in range(rigs):
        for begin in range(0, count - spacing + 1, spacing):
            length = min(int(rng.integers(40, 181)), spacing // 3)
            first = begin + int(rng.integers(spacing // 3, spacing - length - spacing // 6 + 1))
            slots.append((first, rig, length))
    slots.sort()
    queue: list[FaultKind] = []
    planted = []
    for first, rig, length in slots:
        if not queue:
            queue = [kinds[index] for index in rng.permutation(len(kinds))]
        kind = queue.pop()
        planted.append(_Slot(kind, rig, first, first + (min(3, length) if kind is FaultKind.SPIKE else length)))
    return planted


def _disturb(slots: Sequence[_Slot], count: int) -> _Disturbance:
    """The physical faults of one rig, each growing over its first half."""
    disturbance = _Disturbance.none(count)
    for slot in slots:
        rows = slice(slot.first, slot.stop)
        growth = np.clip(np.linspace(0.05, 2.0, slot.stop - slot.first), 0, 1)
        if slot.kind is FaultKind.VALVE_CLOSING:
            disturbance.opening[rows] = 1 - 0.55 * growth
        elif slot.kind is FaultKind.LEAK:
            disturbance.leakage[rows] = 0.18 * growth
        elif slot.kind is FaultKind.CAVITATION:
            disturbance.cavitation[rows] = growth
        elif slot.kind is FaultKind.BEARING_WEAR:
            disturbance.wear[rows] = growth
    return disturbance


def _break_sensor(rng: np.random.Generator, slot: _Slot, signals: Signal, relief: Signal) -> tuple[str, ...]:
    """Change what the sensors of one rig show [N, sensors], in place, and name the guilty ones."""
    rows = slice(slot.first, slot.stop)
    length = slot.stop - slot.first
    if slot.kind is FaultKind.CONSTANT_MOVES:
        relief[rows] = 1.0
    if slot.kind in _GUILTY:
        return _GUILTY[slot.kind]
    names = [name for name, _ in _SENSORS]
    coupled = slot.kind in (FaultKind.CORRELATION_BREAK, FaultKind.LAG)
    sensor = names.index(str(rng.choice(_COUPLED))) if coupled else int(rng.integers(len(names)))
    column = signals[:, sensor]
    spread = float(column.std())
    sign = float(rng.choice((-1.0, 1.0)))
    if slot.kind is FaultKind.STUCK:
        column[rows] = column[slot.first]
    elif slot.kind is FaultKind.DRIFT:
        column[rows] += sign * 3.5 * spread * np.linspace(0, 1, length)
    elif slot.kind is FaultKind.SPIKE:
        column[rows] += sign * 6.0 * spread
    elif slot.kind is FaultKind.SHIFT:
        column[rows] += sign * 2.5 * spread
    elif slot.kind is FaultKind.NOISE:
        column[rows] += rng.normal(0, 1.0 * spread, length)
    elif slot.kind is FaultKind.LAG:
        column[rows] = column[np.maximum(np.arange(slot.first, slot.stop) - 30, 0)]
    elif slot.kind is FaultKind.CORRELATION_BREAK:
        elsewhere = (slot.first + round(rng.uniform(0.3, 0.7) * len(column))) % max(1, len(column) - length)
        column[rows] = column[elsewhere : elsewhere + length].copy()
    return (names[sensor],)
