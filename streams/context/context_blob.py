"""A partition's context as bytes: a readable JSON header, then raw little-endian arrays. No pickle."""

import json
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.drift import PromiseState
from latentwatch.domain.errors import InvalidInput

_MAGIC = b"LWCTX001"
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class PartitionContext:
    """The context of E entities."""

    entities: tuple[str, ...]
    states: NDArray[np.float32]
    """[E, S]"""
    records: NDArray[np.int64]
    """[E] how many records each entity has had."""
    last_time: NDArray[np.int64]
    """[E] event time of the last one, microseconds since 1970 UTC."""
    last_offset: NDArray[np.int64]
    """[E] its offset; tells who has been silent longest."""
    usual_gap_ms: NDArray[np.int64]
    """[E] between its arrivals; 0 where it is not known."""
    promise: PromiseState = field(default_factory=PromiseState)
    """What the partition's scores have said of the false-alarm promise so far."""
    recent: bytes = b""
    """What the lateness of records needs besides, in its own format; empty where records count in arrival order."""


def pack(context: PartitionContext) -> bytes:
    """Bytes that `unpack` reads back to the bit."""
    header = json.dumps(
        {
            "entities": context.entities,
            "state_size": int(context.states.shape[1]),
            "ledger": 4,
            "recent_bytes": len(context.recent),
            "promise": {"log_wealth": context.promise.log_wealth, "records": context.promise.records},
        }
    ).encode()
    arrays = (
        context.states.astype("<f4"),
        context.records.astype("<i8"),
        context.last_time.astype("<i8"),
        context.last_offset.astype("<i8"),
        context.usual_gap_ms.astype("<i8"),
    )
    return b"".join([_MAGIC, _LENGTH.pack(len(header)), header, *(array.tobytes() for array in arrays), context.recent])


def unpack(blob: bytes) -> PartitionContext:
    """The inverse of `pack`. Raises InvalidInput for anything else."""
    try:
        if blob[: len(_MAGIC)] != _MAGIC:
            raise ValueError("unknown format")
        start = len(_MAGIC) + _LENGTH.size
        (length,) = _LENGTH.unpack(blob[len(_MAGIC) : start])
        header = json.loads(blob[start : start + length])
        entities, width = tuple(header["entities"]), int(header["state_size"])
        end = len(blob) - int(header.get("recent_bytes", 0))
        count, body = len(entities), blob[start + length : end]
        columns = int(header.get("ledger", 3))  # older snapshots do not know usual gaps
        if len(body) != count * (width * 4 + columns * 8):
            need = count * (width * 4 + columns * 8)
            raise ValueError(f"{len(body)} bytes of states where {count} entities need {need}")
        states = body[: count * width * 4]
        ledger = np.frombuffer(body[count * width * 4 :], "<i8").reshape(columns, count)
        return PartitionContext(
            entities=entities,
            states=np.frombuffer(states, "<f4").reshape(count, width).astype(np.float32),
            records=ledger[0].astype(np.int64),
            last_time=ledger[1].astype(np.int64),
            last_offset=ledger[2].astype(np.int64),
            usual_gap_ms=ledger[3].astype(np.int64) if columns > 3 else np.zeros(count, np.int64),
            promise=_promise(header.get("promise")),
            recent=blob[end:],
        )
    except (ValueError, KeyError, TypeError, struct.error, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"a context snapshot is damaged ({error}); it is left aside, entities warm up anew"
        ) from None


def _promise(stored: dict[str, Any] | None) -> PromiseState:
    """What a header says of the promise; a new state where it says nothing, or of other bets than today's."""
    fresh = PromiseState()
    if stored is None or len(stored["log_wealth"]) != len(fresh.log_wealth):
        return fresh
    return PromiseState(tuple(float(wealth) for wealth in stored["log_wealth"]), int(stored["records"]))
