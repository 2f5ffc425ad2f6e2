"""Promised against realised alarms of every group alike: by entity, by hour of the day, and by the value of a field.

records scored of each group and day + alarms -> Segments

A run of flagged records is one alarm, and what people confirmed is none. A group is compared with the others of its grouping
(its alarms, given all of theirs, are binomial with its share of the records), and with the promise (Poisson). Where days
differ by more than chance, alarms count less by that factor. All these tests are one family, corrected by Holm (1979).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, chi2, poisson

from latentwatch.alerts.database import Engine
from latentwatch.alerts.reading.segments import MOST_ALARMS, GroupDay, UnconfirmedAlarm, group_days, unconfirmed_alarms
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.domain.groups import GroupedBy, GroupName, hour_of, value_name
from latentwatch.domain.monitor import Monitor
from latentwatch.domain.percent import percent
from latentwatch.review.promise import poisson_interval

LEVEL = 0.01
"""Chance that any group at all is reported where all are alike."""
_LEAST_DAYS = 5
_SHIFT_STEP = 0.1
_LOWEST_SHIFT = -1.0


@dataclass(frozen=True, slots=True)
class Segment:
    """One group's alarms."""

    group: GroupName
    scored: int
    alarms: int
    """Runs of flagged records that nobody confirmed."""
    records: int
    """Flagged ones, in those."""
    interval: tuple[float, float]
    """95 % interval of the share of records."""
    promised: float | None
    """Share of records; None where no model says what its threshold promises."""
    others: float
    """Share of the records of all other groups of its grouping."""
    p_others: float
    """Corrected chance of alarms as far from the others', were they alike."""
    p_promise: float
    """Corrected chance of alarms as far from the promise, were it kept."""
    shift: float
    """How much higher its threshold would have to be to keep the promise; 0 where it is not off it."""
    alarms_left: int | None
    """How many of its alarms would be left above that; None where it is not raised."""

    @property
    def share(self) -> float:
        """Share of its records that was flagged."""
        return self.records / self.scored if self.scored else 0.0

    @property
    def apart(self) -> bool:
        """Whether it differs from the others beyond chance."""
        return self.p_others < LEVEL

    @property
    def off(self) -> bool:
        """Whether it is off the promise beyond chance."""
        return self.p_promise < LEVEL

    @property
    def in_words(self) -> str:
        """A sentence for people; empty where nothing is to be said."""
        if not (self.apart or self.off):
            return ""
        low, high = self.interval
        said = f"{self.group.in_words}: {percent(self.share)} of records alarm ({percent(low)} to {percent(high)})"
        against = [f"{percent(self.others)} of the others'"] if self.apart else []
        against += [f"{percent(self.promised)} promised"] if self.off and self.promised is not None else []
        return f"{said}, against {' and '.join(against)}."


@dataclass(frozen=True, slots=True)
class Segments:
    """Every group of a monitor."""

    monitor: str
    since: datetime
    promised: float | None
    """Share of records that the serving model's threshold lets alarm; None where none serves or it does not say."""
    alarms: int
    tests: int
    """How many comparisons were made; the chances given are corrected for that."""
    dispersion: float
    """How much more alarms vary between days than chance has it, at least 1."""
    segments: tuple[Segment, ...]
    """By grouping, those furthest apart first."""
    in_words: str


@dataclass(frozen=True, slots=True)
class GroupTally:
    """What was counted of one group."""

    group: GroupName
    scored: int
    alarms: int
    records: int
    peaks: tuple[float, ...] = ()
    """Of its alarms, how far each one's surprise lies above its threshold."""


def segments(engine: Engine, monitor: Monitor, now: datetime, days: int) -> Segments:
    """Every group of the last days. Raises Unavailable."""
    since = (now - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)
    alarms = unconfirmed_alarms(engine, monitor.name, since)
    if len(alarms) == MOST_ALARMS:  # whole days only, so that records and alarms are of the same time
        since = (alarms[-1].started + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        alarms = [alarm for alarm in alarms if alarm.started >= since]
    counted = group_days(engine, monitor.name, since)
    # Alarms of days whose records nobody counted by group have nothing to be compared with.
    known = {each.day for each in counted}
    alarms = [each for each in alarms if _day(each.started) in known]
    tallies = tally(counted, alarms, monitor.record.timezone)
    promised = _promised(engine, monitor)
    return compared(monitor.name, since, tallies, promised, dispersion(counted, alarms))


def tally(counted: Sequence[GroupDay], alarms: Sequence[UnconfirmedAlarm], timezone: str) -> list[GroupTally]:
    """Records and alarms of each group."""
    scored: dict[GroupName, int] = defaultdict(int)
    for each in counted:
        scored[each.group] += each.scored
    mine: dict[GroupName, list[UnconfirmedAlarm]] = defaultdict(list)
    for alarm in alarms:
        for group in _groups_of(alarm, scored, timezone):
            mine[group].append(alarm)
    return [
        GroupTally(
            group,
            records,
            len(mine[group]),
            sum(alarm.records for alarm in mine[group]),
            tuple(alarm.peak_surprise - alarm.threshold for alarm in mine[group]),
        )
        for group, records in scored.items()
        if records > 0
    ]


def dispersion(counted: Sequence[GroupDay], alarms: Sequence[UnconfirmedAlarm]) -> float:
    """How many times the variance of a day's alarms exceeds that of chance; 1 where they do not differ
    beyond it, or are too few to tell.

    Pearson's statistic by its degrees of freedom, of all groups together.
    """
    by_grouping: dict[tuple[GroupedBy, str], Counter[datetime]] = defaultdict(Counter)
    for each in counted:
        by_grouping[each.group.by, each.group.field][each.day] += each.scored
    scored = max(by_grouping.values(), key=Counter.total, default=Counter[datetime]())
    found = Counter(_day(alarm.started) for alarm in alarms)
    days = [day for day, records in scored.items() if records > 0]
    if len(days) < _LEAST_DAYS or not alarms:
        return 1.0
    rate = len(alarms) / sum(scored[day] for day in days)
    expected = np.array([rate * scored[day] for day in days])
    seen = np.array([found[day] for day in days])
    statistic = float(((seen - expected) ** 2 / expected).sum())
    return statistic / (len(days) - 1) if chi2.sf(statistic, len(days) - 1) < LEVEL else 1.0


def compared(
    monitor: str, since: datetime, tallies: Sequence[GroupTally], promised: float | None, spread: float = 1.0
) -> Segments:
    """Every group against the others of its grouping and against the promised share of records.

    `spread` is by how much alarms vary more than chance has it.
    """
    ordered = sorted(tallies, key=lambda each: (each.group.by, each.group.field))
    groupings = [list(each) for _, each in groupby(ordered, key=lambda each: (each.group.by, each.group.field))]
    groupings = [each for each in groupings if len(each) > 1]
    whole = max(groupings, key=lambda each: sum(one.scored for one in each), default=[])
    alarms, records = sum(each.alarms for each in whole), sum(each.records for each in whole)
    run = records / alarms if alarms else 1.0
    flat = [(each, grouping) for grouping in groupings for each in grouping]
    against_others = [_against_others(each, grouping, spread) for each, grouping in flat]
    against_promise = [_against_promise(each, promised, run, spread) for each, _ in flat]
    corrected = holm(np.array([*against_others, *against_promise]))
    tests = int(np.isfinite(corrected).sum())
    found = [
        _segment(each, grouping, promised, run, spread, _or_one(of_others), _or_one(of_promise))
        for (each, grouping), of_others, of_promise in zip(
            flat, corrected[: len(flat)].tolist(), corrected[len(flat) :].tolist(), strict=True
        )
    ]
    found.sort(key=lambda each: (each.group.by, each.group.field, each.p_others, each.p_promise, -each.share))
    said = _said(found, whole, promised)
    return Segments(monitor, since, promised, alarms, tests, spread, tuple(found), said)


def holm(chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """[T] chances corrected for as many tests (Holm 1979): the chance of one false report among all. NaN is no test.

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    corrected = np.full(len(chances), np.nan)
    made = np.flatnonzero(np.isfinite(chances))
    order = made[np.argsort(chances[made], kind="stable")]
    scaled = chances[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return corrected


def shift_for(tally_: GroupTally, promised: float, run: float) -> float:
    """How much higher than it is a group's threshold would have to be for it to alarm as often as promised.

    Upwards by its own alarms: above it lie as many as the promise allows. Downwards by what a surprise means, -log10 of a
    share, since nobody kept what did not alarm; at most by 1.
    """
    allowed = promised * tally_.scored / run
    if tally_.alarms > allowed:
        peaks = sorted(tally_.peaks, reverse=True)
        edge = peaks[int(allowed)]
        return float(max(_SHIFT_STEP, np.floor(edge / _SHIFT_STEP + 1) * _SHIFT_STEP))
    wanted = -np.log10(allowed / (tally_.alarms + 0.5))
    return float(max(_LOWEST_SHIFT, min(0.0, np.ceil(wanted / _SHIFT_STEP) * _SHIFT_STEP)))


def _segment(
    each: GroupTally,
    grouping: Sequence[GroupTally],
    promised: float | None,
    run: float,
    spread: float,
    p_others: float,
    p_promise: float,
) -> Segment:
    length = (each.records / each.alarms if each.alarms else run) * spread
    low, high = (limit * length / each.scored for limit in poisson_interval(round(each.alarms / spread)))
    rest = [one for one in grouping if one is not each]
    shift = round(shift_for(each, promised, run), 1) if promised and p_promise < LEVEL else 0.0
    return Segment(
        group=each.group,
        scored=each.scored,
        alarms=each.alarms,
        records=each.records,
        interval=(low, min(1.0, high)),
        promised=promised,
        others=sum(one.records for one in rest) / max(1, sum(one.scored for one in rest)),
        p_others=p_others,
        p_promise=p_promise,
        shift=shift,
        alarms_left=sum(peak >= shift for peak in each.peaks) if shift > 0 else None,
    )


def _against_others(each: GroupTally, grouping: Sequence[GroupTally], spread: float) -> float:
    """Two-sided chance of so many alarms of all; NaN where there are none."""
    alarms = round(sum(one.alarms for one in grouping) / spread)
    mine = min(alarms, round(each.alarms / spread))
    share = each.scored / sum(one.scored for one in grouping)
    if not alarms:
        return float("nan")
    return float(min(1.0, 2 * min(binom.cdf(mine, alarms, share), binom.sf(mine - 1, alarms, share))))


def _against_promise(each: GroupTally, promised: float | None, run: float, spread: float) -> float:
    if promised is None:
        return float("nan")
    expected, mine = promised * each.scored / run / spread, round(each.alarms / spread)
    return float(min(1.0, 2 * min(poisson.cdf(mine, expected), poisson.sf(mine - 1, expected))))


def _groups_of(alarm: UnconfirmedAlarm, known: Mapping[GroupName, int], timezone: str) -> Iterable[GroupName]:
    fields = {group.field for group in known if group.by is GroupedBy.FIELD}
    named = [
        GroupName(GroupedBy.ENTITY, "", alarm.entity),
        GroupName(GroupedBy.HOUR, "", hour_of(alarm.started, timezone)),
        *(GroupName(GroupedBy.FIELD, field, value_name(alarm.values.get(field))) for field in sorted(fields)),
    ]
    return [group for group in named if group in known]


def _promised(engine: Engine, monitor: Monitor) -> float | None:
    champion = ModelRegistry(engine).champion(monitor.name)
    known = champion.evaluation if champion else None
    return known.promised_rate if known else monitor.alert.false_alarm_rate


def _said(found: Sequence[Segment], whole: Sequence[GroupTally], promised: float | None) -> str:
    if not whole:
        return (
            "Nothing was counted by group yet: 'latentwatch score' counts while it reads the monitor's stream, files scored"
            " with --input are not counted, and records of two groups are needed."
        )
    scored, records = sum(each.scored for each in whole), sum(each.records for each in whole)
    told = f"{percent(records / scored)} of {scored:,} records alarm and are not confirmed"
    told += f", {percent(promised)} promised" if promised is not None else ""
    apart, off = [each for each in found if each.apart], [each for each in found if each.off]
    if not apart and not off:
        return f"{told}. No group differs from the others beyond chance, and none is off the promise."
    clauses = [f"{len(apart)} of {len(found)} groups differ from the others" if apart else ""]
    clauses += [f"{len(off)} are off the promise beyond chance" if off else ""]
    return f"{told}. {'; '.join(filter(None, clauses))}."


def _day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _or_one(chance: float) -> float:
    return chance if chance == chance else 1.0
