"""Two entities' normal side by side: what each usually shows, by the records that were sampled of it and not flagged."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentwatch.alerts.database import Engine
from latentwatch.alerts.monitors import registered_monitor
from latentwatch.alerts.reading import trace
from latentwatch.alerts.reading.stream import MOST_TRACE
from latentwatch.domain.counters import units_of
from latentwatch.domain.errors import InvalidInput, NotFound
from latentwatch.domain.outcome import TracePoint
from latentwatch.domain.percent import percent
from latentwatch.domain.schema import RecordSchema
from latentwatch.review.words import number

LEAST_RECORDS = 30
"""Of each entity, below which nothing is said of what is usual."""
_APART = 1.0
"""Spreads between two medians from which on entities differ in a number."""
_SHARE_APART = 0.2
"""Of records, by which a word's shares differ from which on entities differ in it."""
_WORDS = 5
_NAMED = 3
_SPREADS_BETWEEN = 3.29
"""Standard deviations between the 5 and the 95 % quantile of a normal distribution."""


@dataclass(frozen=True, slots=True)
class NumberCompared:
    """What a number usually is in both."""

    feature: str
    unit: str
    usual: tuple[float, float]
    """The medians."""
    low: tuple[float, float]
    high: tuple[float, float]
    """Nine tenths lie between."""
    apart: float
    """How far the second's median lies from the first's, by the mean of both spreads."""

    @property
    def is_apart(self) -> bool:
        """Whether that is more than a spread."""
        return abs(self.apart) >= _APART


@dataclass(frozen=True, slots=True)
class WordsCompared:
    """How often a category shows which word in both."""

    feature: str
    shares: dict[str, tuple[float, float]]
    """Of the words most often shown, at most five."""

    @property
    def is_apart(self) -> bool:
        """Whether any word's share differs by a fifth."""
        return any(abs(one - other) >= _SHARE_APART for one, other in self.shares.values())


@dataclass(frozen=True, slots=True)
class NormalsCompared:
    """Two entities' normal."""

    monitor: str
    entities: tuple[str, str]
    records: tuple[int, int]
    """That were looked at: the latest that were sampled and not flagged."""
    numbers: tuple[NumberCompared, ...]
    """Furthest apart first."""
    words: tuple[WordsCompared, ...]
    in_words: str


def compare_normals(engine: Engine, monitor: str, first: str, second: str) -> NormalsCompared:
    """Two entities of a monitor. Raises NotFound, InvalidInput for one and the same or one with too few records, Unavailable."""
    schema = registered_monitor(engine, monitor).record
    if first == second:
        raise InvalidInput(f"entity {first!r} is compared with itself; name another one")
    sides = _normal(engine, monitor, first), _normal(engine, monitor, second)
    numbers = [found for name in _plain_numbers(schema) if (found := _number(schema, name, sides)) is not None]
    numbers.sort(key=lambda each: -abs(each.apart))
    words = tuple(_words(name, sides) for name in schema.categories)
    entities = (first, second)
    said = _said(entities, numbers, words)
    return NormalsCompared(
        monitor,
        entities,
        (len(sides[0]), len(sides[1])),
        tuple(numbers),
        tuple(each for each in words if each.shares),
        said,
    )


def _normal(engine: Engine, monitor: str, entity: str) -> list[TracePoint]:
    points = trace(engine, monitor, entity, MOST_TRACE)
    if not points:
        raise NotFound(f"nothing was kept of entity {entity!r} of {monitor}; the live page lists those there are")
    found = [point for point in points if not point.flagged]
    if len(found) < LEAST_RECORDS:
        raise InvalidInput(
            f"{len(found)} records that were not flagged were kept of entity {entity!r}; it takes {LEAST_RECORDS} to say what"
            " is usual"
        )
    return found


def _plain_numbers(schema: RecordSchema) -> list[str]:
    """Counters tell how long something has run, and are left out."""
    return [name for name in schema.numbers if name not in set(schema.counters)]


def _number(schema: RecordSchema, name: str, sides: Sequence[Sequence[TracePoint]]) -> NumberCompared | None:
    """None where either never shows it."""
    shown = [np.array([value for point in side if (value := _value(point, name)) is not None]) for side in sides]
    if not all(len(each) for each in shown):
        return None
    lows, usual, highs = np.transpose([np.quantile(each, [0.05, 0.5, 0.95]) for each in shown]).tolist()
    off = usual[1] - usual[0]
    spread = (highs[0] - lows[0] + highs[1] - lows[1]) / (2 * _SPREADS_BETWEEN)
    apart = 0.0 if not off else off / max(spread, 1e-3 * max(map(abs, usual)))
    return NumberCompared(
        name, units_of(schema).get(name, ""), (usual[0], usual[1]), (lows[0], lows[1]), (highs[0], highs[1]), apart
    )


def _value(point: TracePoint, name: str) -> float | None:
    value = point.values.get(name)
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else None


def _words(name: str, sides: Sequence[Sequence[TracePoint]]) -> WordsCompared:
    counts = [Counter(str(word) for point in side if (word := point.values.get(name)) is not None) for side in sides]
    both = counts[0] + counts[1]
    wholes = [max(1, each.total()) for each in counts]
    shares = {word: (counts[0][word] / wholes[0], counts[1][word] / wholes[1]) for word, _ in both.most_common(_WORDS)}
    return WordsCompared(name, shares)


def _said(entities: tuple[str, str], numbers: Sequence[NumberCompared], words: Sequence[WordsCompared]) -> str:
    clauses = [
        f"{each.feature} is usually {number(each.usual[1])} instead of {number(each.usual[0])}"
        + (f" {each.unit}" if each.unit else "")
        for each in numbers
        if each.is_apart
    ]
    for each in words:
        if each.is_apart:
            word, (one, other) = max(each.shares.items(), key=lambda item: abs(item[1][0] - item[1][1]))
            clauses.append(f"{each.feature} is {word} in {percent(other)} of records instead of {percent(one)}")
    if not clauses:
        return f"{entities[0]} and {entities[1]} are usually alike in everything that is read of them."
    more = len(clauses) - _NAMED
    told = "; ".join(clauses[:_NAMED]) + (f"; and {more} more" if more > 0 else "")
    return f"In {entities[1]}, beside {entities[0]}, {told}."
