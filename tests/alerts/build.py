"""Small builders of what the store is given."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from latentwatch.domain.alert import FlaggedRecord
from latentwatch.domain.outcome import MinuteCount, OffsetMove, Outcome, TracePoint
from latentwatch.domain.record import DeadLetter, Position
from latentwatch.domain.scores import Explanation, Neighbour

MONITOR, SOURCE = "pump", "plant.pump"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """An event time, seconds after the tests' beginning."""
    return START + timedelta(seconds=seconds)


def flagged(
    offset: int, seconds: float | None = None, entity: str = "rig-1", surprise: float = 3.5, partition: int = 0
) -> FlaggedRecord:
    """A flagged record, one second after the one before unless told otherwise."""
    return FlaggedRecord(
        position=Position(SOURCE, partition, offset),
        entity=entity,
        time=at(offset if seconds is None else seconds),
        surprise=surprise,
        reconstruction=surprise - 1,
        density=2.5,
        extrapolated=True,
        warming=False,
        threshold=3.0,
        model_version=7,
        bundle="abc123",
        values={"Pressure": 0.1 + offset, "Mode": "auto", "Open": True, "Note": None},
        context=np.arange(5, dtype="<f4").tobytes(),
        seen=offset + 3,
        explanation=Explanation(
            expected={"Pressure": 0.25, "Mode": "auto", "Open": False, "Note": None},
            contributions={"Mode": 0.5, f"Pressure{offset}": 2.0, "Open": 0.0},
            neighbours=(Neighbour(0.5, {"Pressure": 0.2, "Mode": "hand", "Open": True, "Note": None}),),
            code=(0.1, -2.5, 1e-7),
            place=(0.3, -0.7),
        ),
    )


def outcome(
    start: int,
    end: int,
    records: Iterable[FlaggedRecord] = (),
    *,
    partition: int = 0,
    dead: Iterable[DeadLetter] = (),
    counts: Iterable[MinuteCount] = (),
    trace: Sequence[TracePoint] = (),
    gap_seconds: float = 60.0,
    moves: tuple[OffsetMove, ...] | None = None,
) -> Outcome:
    """What one batch of one partition changes."""
    return Outcome(
        monitor=MONITOR,
        source=SOURCE,
        moves=(OffsetMove(partition, start, end),) if moves is None else moves,
        flagged=tuple(records),
        dead_letters=tuple(dead),
        counts=tuple(counts),
        trace=tuple(trace),
        group_gap_seconds=gap_seconds,
    )


def point(seconds: float, entity: str = "rig-1", surprise: float = 0.5) -> TracePoint:
    """A sampled record of the trace."""
    return TracePoint(entity, at(seconds), int(seconds), 0, surprise, 0.25, 0.125, False, {"Pressure": seconds})


def dead(offset: int, reason: str = "not JSON", payload: bytes = b"{") -> DeadLetter:
    """A message that could not be read."""
    return DeadLetter(Position(SOURCE, 0, offset), reason, payload)


def count(minute: int, scored: int, model_version: int = 1, beyond: int = 0) -> MinuteCount:
    """Counts of one minute, `beyond` of them at every level."""
    return MinuteCount(at(60 * minute), model_version, scored, beyond, (beyond, beyond, beyond, beyond))
