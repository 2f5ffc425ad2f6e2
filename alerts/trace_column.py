"""A column of points of a trace, packed: a header in MessagePack, and arrays as little-endian bytes."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Dialect, LargeBinary
from sqlalchemy.types import TypeDecorator

from latentwatch.alerts.columns import storable
from latentwatch.domain.trace_block import TraceBlock


class _PackedBlock(msgspec.Struct, array_like=True):
    """What is stored; further fields can follow these."""

    names: tuple[str, ...]
    numeric: tuple[str, ...]
    words: dict[str, list[str | bool | int | float | None]]
    number: str
    """The numbers' type, as numpy writes it."""
    times: bytes
    scores: bytes
    flagged: bytes
    records: bytes
    numbers: bytes
    low: bytes
    """Of the points that stand for several records; of others it is the number itself."""
    high: bytes


_ENCODER, _DECODER = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(_PackedBlock)


def pack(block: TraceBlock) -> bytes:
    """A block as it is stored."""
    several, number = block.records > 1, "<f4" if block.numbers.dtype == np.float32 else "<f8"
    packed = _PackedBlock(
        block.names, block.numeric, {name: list(column) for name, column in block.words.items()}, number,
        block.times.astype("<i8").tobytes(), block.scores.astype("<f8").tobytes(), block.flagged.tobytes(),
        block.records.astype("<i8").tobytes(), block.numbers.astype(number).tobytes(),
        block.low[several].astype(number).tobytes(), block.high[several].astype(number).tobytes(),
    )  # fmt: skip
    try:
        return _ENCODER.encode(packed)
    except UnicodeEncodeError:  # a lone surrogate
        packed.words = {name: [_storable(value) for value in column] for name, column in packed.words.items()}
        return _ENCODER.encode(packed)


def unpack(stored: bytes) -> TraceBlock:
    """The inverse of `pack`. Raises msgspec.DecodeError or ValueError for what `pack` did not make."""
    packed = _DECODER.decode(stored)
    count, columns = len(packed.flagged), len(packed.numeric)
    number = np.dtype(packed.number)
    if number not in (np.float32, np.float64):
        raise ValueError(f"a trace of numbers of type {number}")

    def matrix(raw: bytes, rows: int) -> NDArray[Any]:
        return np.frombuffer(raw, number).reshape(rows, columns)

    records = np.frombuffer(packed.records, "<i8")
    several = records > 1
    numbers = matrix(packed.numbers, count)
    low = high = numbers
    if several.any():
        low, high = numbers.copy(), numbers.copy()
        low[several] = matrix(packed.low, int(several.sum()))
        high[several] = matrix(packed.high, int(several.sum()))
    return TraceBlock(
        packed.names, packed.numeric, np.frombuffer(packed.times, "<i8"),
        np.frombuffer(packed.scores, "<f8").reshape(count, 3), np.frombuffer(packed.flagged, bool), records,
        numbers, low, high, packed.words,
    )  # fmt: skip


def _storable(value: Any) -> Any:
    return storable(value) if isinstance(value, str) else value


class PackedTrace(TypeDecorator[TraceBlock]):
    """Points of a trace, as `pack` stores them."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: TraceBlock | None, dialect: Dialect) -> bytes | None:
        return None if value is None else pack(value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> TraceBlock | None:
        return None if value is None else unpack(value)
