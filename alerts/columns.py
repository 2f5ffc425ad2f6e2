"""Column types that mean the same on SQLite and PostgreSQL, and the base of every table."""

import json
import math
from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, DateTime, Dialect, Enum, Integer, LargeBinary, MetaData, Text
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import Double, TypeDecorator

from latentwatch.domain.alert import AlertKind, AlertStatus, Arrival, Severity, Verdict
from latentwatch.domain.model import VersionStatus
from latentwatch.domain.steps import StepAnswer

_VERY_LARGE = 1e300


def storable(value: str) -> str:
    """Text that every database accepts; NUL and lone surrogates become the replacement character.

    >>> storable("pump\\x001")
    'pump\ufffd1'
    """
    if value.isascii() and "\x00" not in value:
        return value
    return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def finite(value: float) -> float:
    """A number that JSON and every database can hold: NaN becomes 0, infinities very large.

    >>> finite(float("nan")), finite(float("-inf")), finite(2.5)
    (0.0, -1e+300, 2.5)
    """
    if -_VERY_LARGE <= value <= _VERY_LARGE:
        return value
    return 0.0 if value != value else math.copysign(_VERY_LARGE, value)


def to_json(value: Any) -> str:
    """Compact JSON that every database takes; what JSON cannot hold, NaN and the infinities, becomes null.

    >>> to_json({"a": float("nan"), "b": [float("-inf"), 1.5]})
    '{"a":null,"b":[null,1.5]}'
    """
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:  # a lone surrogate, which only an escape can carry
        return json.dumps(_finite(value), allow_nan=False, separators=(",", ":"))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return value


class StorableText(TypeDecorator[str]):
    """Text passed through `storable`."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


class StorableNumber(TypeDecorator[float]):
    """A number passed through `finite`."""

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:
        return None if value is None else finite(value)


class UtcTime(TypeDecorator[datetime]):
    """A timezone-aware time in UTC: `timestamptz` on PostgreSQL, ISO text that sorts by time on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return aware.replace(tzinfo=None) if dialect.name == "sqlite" else aware

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Floats(TypeDecorator[NDArray[np.float32]]):
    """A vector of float32, stored as little-endian bytes."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:
        return None if value is None else np.asarray(value, "<f4").tobytes()

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> NDArray[np.float32] | None:
        return None if value is None else np.frombuffer(value, "<f4")


BigKey = BigInteger().with_variant(Integer, "sqlite")
"""A 64-bit key that SQLite still numbers by itself."""


def _words(kind: type[Any]) -> Enum:
    """An enumeration stored as its value's text, so that a new word needs no migration."""
    return Enum(kind, native_enum=False, length=16, values_callable=lambda words: [word.value for word in words])


class Row(DeclarativeBase):
    """Base of every table."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {
        str: StorableText,
        datetime: UtcTime,
        float: StorableNumber,
        bytes: LargeBinary,
        AlertKind: _words(AlertKind),
        AlertStatus: _words(AlertStatus),
        Arrival: _words(Arrival),
        Severity: _words(Severity),
        StepAnswer: _words(StepAnswer),
        Verdict: _words(Verdict),
        VersionStatus: _words(VersionStatus),
    }
