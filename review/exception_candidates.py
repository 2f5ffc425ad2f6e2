"""What could be excepted so that alerts like these do not come again: candidates, from what was stored of their records.

Flagged records of some alerts -> forms, the narrowest of each kind. Whether one covers anything is for a preview to say.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from latentwatch.domain.alert import Alert, FlaggedRecord
from latentwatch.domain.exceptions import (
    Form,
    GroupThreshold,
    NormalDeviation,
    NormalHour,
    NormalLevel,
    NormalPlace,
    NormalValue,
    Side,
)
from latentwatch.domain.groups import GroupedBy
from latentwatch.domain.record import Value
from latentwatch.domain.schema import FeatureType, RecordSchema
from latentwatch.domain.scores import MOST_NAMED, ranked

_MOST_VALUES = 3
"""Values of a category that are tried."""
_MOST_SIDES = MOST_NAMED
"""Numbers that a place is told by: with each it is narrower, and more of what is strange in it passes."""
_MOST_ABOUT = 2
"""Numbers that an hour is about."""
_MOST_RAISED = 1.0
"""By how much a threshold may be raised where nothing narrower calms an alert: ten times as rare."""
_ROOM = 0.25
"""How much wider than what was seen a place is, as a share of how far that lies from what is expected."""
_FEWEST_OF_A_LEVEL = 5
"""Records below which a deviation that lasts cannot be told from one that does not."""
_STEADY = 4.0
"""A deviation is a level where its median is so many times its spread."""
_SPARE = 1.1
"""The smallest deviation that counts, over the largest that was seen."""


@dataclass(frozen=True, slots=True)
class PastAlert:
    """An alert and flagged records of it, in the order of time: all, or some from its whole course."""

    alert: Alert
    records: Sequence[FlaggedRecord]


def candidates(
    schema: RecordSchema, cases: Sequence[PastAlert], *, in_time: bool, lasting: frozenset[str]
) -> list[Form]:
    """Forms that may cover these alerts, without repetition.

    `in_time` says whether the detector remembers an entity's past; `lasting` are entities that are more than one record: an
    exception may be of such a one alone.
    """
    records = [record for case in cases for record in case.records]
    if not records:
        return []
    entities = {case.alert.entity for case in cases}
    whose = [None] if schema.entity is None or len(entities) > 1 or not entities <= lasting else [*entities, None]
    found: list[Form] = []
    for entity in whose:
        found += _values(schema, records, entity)
        found += _levels(schema, cases, entity) if in_time else []
        found += _places(schema, records, entity)
        found += _deviations(schema, records, entity)
    found += _hours(schema, cases)
    return list(dict.fromkeys(found))


def last_resort(schema: RecordSchema, cases: Sequence[PastAlert], lasting: frozenset[str]) -> list[Form]:
    """A threshold that is raised a little for the one entity that all of these alerts are of, where that calms them."""
    records = [record for case in cases for record in case.records]
    entities = {case.alert.entity for case in cases}
    if schema.entity is None or len(entities) != 1 or not entities <= lasting or not records:
        return []
    (entity,) = entities
    above = max(record.surprise - record.threshold for record in records)
    shift = float(np.floor(above * 10 + 1) / 10)
    if not 0 < shift <= _MOST_RAISED or any(record.grounds.crossed for record in records):
        return []
    return [GroupThreshold(shift=shift, by=GroupedBy.ENTITY, value=entity)]


def _values(schema: RecordSchema, records: Sequence[FlaggedRecord], entity: str | None) -> list[Form]:
    """The commonest values of categories that are not what was expected."""
    found: list[Form] = []
    for feature in schema.categories:
        shown = Counter(
            (value, record.explanation.expected.get(feature))
            for record in records
            if (value := record.values.get(feature)) is not None and value != record.explanation.expected.get(feature)
        )
        usual: dict[str, str | None] = {}
        for (value, expected), _ in shown.most_common():
            usual.setdefault(str(value), None if expected is None else str(expected))
        found += [
            NormalValue(feature=feature, value=value, instead=instead, entity=entity)
            for value, instead in list(usual.items())[:_MOST_VALUES]
        ]
    return found


def _places(schema: RecordSchema, records: Sequence[FlaggedRecord], entity: str | None) -> list[Form]:
    """Ranges of the numbers that were blamed most: of the first alone, of the first two, and so on."""
    sides: list[Side] = []
    found: list[Form] = []
    for feature in _blamed(schema, records)[:_MOST_SIDES]:
        shown, expected = _columns(records, feature)
        if not len(shown):
            break
        room = _ROOM * float(np.abs(shown - expected).max())
        low, high = float(shown.min()) - room, float(shown.max()) + room
        # What is between here and the expected is nearer to normal, and no stranger.
        sides.append(Side(feature=feature, low=_rounded(low, room, down=True), high=_rounded(high, room, down=False)))
        found.append(NormalPlace(sides=tuple(sides), entity=entity))
    return found


def _levels(schema: RecordSchema, cases: Sequence[PastAlert], entity: str | None) -> list[Form]:
    """Steady deviations of one number over an alert's whole course, from its first record on."""
    found: list[Form] = []
    for case in cases:
        for feature in _blamed(schema, case.records):
            shown, expected = _columns(case.records, feature)
            off = shown - expected
            if len(off) < _FEWEST_OF_A_LEVEL:
                continue
            shift = float(np.median(off))
            spread = float(np.median(np.abs(off - shift)))
            if abs(shift) > _STEADY * spread and shift != 0:
                since = case.records[0].time
                found.append(NormalLevel(feature=feature, shift=_short(shift), since=since, entity=entity))
                break
    return found


def _deviations(schema: RecordSchema, records: Sequence[FlaggedRecord], entity: str | None) -> list[Form]:
    """Deviations of the number that was blamed most, none larger than those seen."""
    for feature in _blamed(schema, records)[:1]:
        shown, expected = _columns(records, feature)
        least = _SPARE * float(np.abs(shown - expected).max(initial=0.0))
        if least > 0:
            return [NormalDeviation(feature=feature, least=_rounded(least, least, down=False), entity=entity)]
    return []


def _hours(schema: RecordSchema, cases: Sequence[PastAlert]) -> list[Form]:
    """An hour of the week in which alerts of several weeks began, and what was blamed in them."""
    if schema.time is None:
        return []
    zone = ZoneInfo(schema.timezone)
    starts = [case.alert.started.astimezone(zone) for case in cases]
    weeks = {start.isocalendar()[:2] for start in starts}
    hours = {(start.weekday(), start.hour) for start in starts}
    about = tuple(_blamed(schema, [record for case in cases for record in case.records])[:_MOST_ABOUT])
    if len(weeks) < 2 or len(hours) > 1 or not about:
        return []
    ((weekday, hour),) = hours
    return [NormalHour(weekday=weekday, hour=hour, timezone=schema.timezone, about=about)]


def _blamed(schema: RecordSchema, records: Sequence[FlaggedRecord]) -> list[str]:
    """Plain numbers, those first that contributed most over all records."""
    total: Counter[str] = Counter()
    for record in records:
        for name, share in record.explanation.contributions.items():
            total[name] += share  # type: ignore[assignment]
    plain = {feature.name for feature in schema.features if feature.type is FeatureType.NUMERIC}
    return [name for name in ranked(total)[:MOST_NAMED] if name in plain]


def _columns(records: Sequence[FlaggedRecord], feature: str) -> tuple["np.ndarray", "np.ndarray"]:
    """[M] what was shown of a number and [M] what was expected, of the records that have both."""
    pairs = [
        (_number(record.values.get(feature)), _number(record.explanation.expected.get(feature))) for record in records
    ]
    both = np.array([pair for pair in pairs if None not in pair], np.float64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _number(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _short(value: float) -> float:
    """Three significant digits."""
    return float(f"{value:.3g}")


def _rounded(value: float, scale: float, *, down: bool) -> float:
    """An end of a range that people can read: rounded outwards to a hundredth of its scale's order."""
    step = 10.0 ** (np.floor(np.log10(scale)) - 1) if scale > 0 else 0.0
    if not step:
        return value
    return float(f"{(np.floor if down else np.ceil)(value / step) * step:.12g}")
