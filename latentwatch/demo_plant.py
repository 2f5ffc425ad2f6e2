"""The demo's plant as a stream of JSON lines, what is wrong with some of them on purpose, and what was found of it.

Plant + seed → history files, a Feed of lines with known faults → Tally
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from latentwatch.detector.faults import PlantedFault
from latentwatch.domain.alert import Alert
from latentwatch.domain.record import Batch
from latentwatch.plant import Plant, shift_times

RIGS = 4
PERIOD_SECONDS = 10.0
FIRST_DAYS = 0.5
"""History the first model learns from: half a day, so that there is something left to learn. A model of three hours raises
several times the promised false alarms until the second one comes."""
INSTALMENTS = ((-4.0, -0.5), (-0.5, 0.0))
"""Days before the live stream whose history comes later: the second for when the first did not make a better model."""
LEAD_DAYS = FIRST_DAYS - INSTALMENTS[0][0]
_RECORDS_PER_DAY = int(86_400 / PERIOD_SECONDS)
_EPOCH = datetime(2026, 1, 12, tzinfo=UTC)
"""Where the plant's own calendar begins, so that a seed gives the same plant whenever it is run."""
_FAULT_EVERY = 1_440
"""Records of a rig from one fault to the next, on average: four hours."""
_TIME, _RIG = "time", "rig"
_BROKEN_EVERY = 4_000
"""One message in so many is broken on purpose."""


@dataclass(frozen=True, slots=True)
class Line:
    """One message of the stream."""

    time: datetime
    payload: bytes
    broken: bool


class Feed:
    """One uninterrupted stretch of the plant: normal history first, then live records with faults and broken messages."""

    def __init__(self, seed: int, begins: datetime, days: float) -> None:
        """`begins` is the time of the first live record, `days` how long the plant is live."""
        plant, lead = Plant(seed, RIGS, PERIOD_SECONDS), LEAD_DAYS
        shift = begins - _EPOCH - timedelta(days=lead)
        records = max(1, round((lead + days) * _RECORDS_PER_DAY))
        # Outside of faults both are the same records, so that history and live stream join without a seam.
        self._normal, _ = shift_times(plant.history(_EPOCH, records), (), shift)
        faulty, faults = shift_times(*plant.stream(_EPOCH, records, spacing_records=_FAULT_EVERY), shift)
        self._live = round(lead * _RECORDS_PER_DAY) * RIGS
        self._batch = faulty.take(slice(self._live, None))
        self.faults = tuple(fault for fault in faults if fault.end >= begins)

    def history(self, first_day: float, last_day: float) -> Batch:
        """Normal operation from `first_day` to before `last_day`, counted from where the stream begins; both at most 0."""
        first, last = (self._live + round(day * _RECORDS_PER_DAY) * RIGS for day in (first_day, last_day))
        return self._normal.take(slice(first, last))

    @property
    def records(self) -> int:
        """Good records in the whole stream."""
        return len(self._batch)

    def lines(self) -> Iterator[Line]:
        """Every message, in the order of time."""
        for row in range(len(self._batch)):
            moment = self._batch.time(row)
            record = {_TIME: moment.isoformat(), _RIG: self._batch.entities[row], **self._batch.values(row)}
            if row % _BROKEN_EVERY == _BROKEN_EVERY // 2:
                yield Line(moment, _broken(record, row // _BROKEN_EVERY), True)
            yield Line(moment, json.dumps(record).encode(), False)


def _broken(record: dict[str, object], number: int) -> bytes:
    """A message that cannot become a record, each in another way."""
    ways = (
        json.dumps(record)[:40].encode(),
        json.dumps([record["flow"]]).encode(),
        json.dumps({**record, _TIME: "half past nine"}).encode(),
        json.dumps({name: value for name, value in record.items() if name != _RIG}).encode(),
        b"\xff\xfe not text",
    )
    return ways[number % len(ways)]


def write_history(batch: Batch, path: Path) -> None:
    """A batch as the Parquet file a plant's archive would hold."""
    columns: dict[str, pa.Array] = {
        _TIME: pa.array(batch.times, pa.timestamp("us", tz="UTC")),
        _RIG: pa.array(batch.entities, pa.string()),
    }
    numbers = zip(batch.schema.numbers, batch.numbers.T, strict=True)
    columns |= {name: pa.array(np.ascontiguousarray(column), from_pandas=True) for name, column in numbers}
    words = zip(batch.schema.categories, batch.categories.T, strict=True)
    columns |= {name: pa.array(column, pa.string()) for name, column in words}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


@dataclass(frozen=True, slots=True)
class Tally:
    """Alerts against the truth."""

    faults_planted: int
    """Faults that had come to their end in the stream."""
    faults_found: int
    false_alarms: int


def tally(alerts: Sequence[Alert], faults: Sequence[PlantedFault], until: datetime, grace: timedelta) -> Tally:
    """Which faults were found, and which alerts had no cause.

    An alert belongs to a fault of its entity when it began during the fault or within `grace` after its end: what
    looks at averages needs that long to believe in normal again. What belongs to no fault is a false alarm.
    """
    ended = [fault for fault in faults if fault.end <= until]
    found = sum(any(_belongs(alert, fault, grace) for alert in alerts) for fault in ended)
    false = sum(not any(_belongs(alert, fault, grace) for fault in faults) for alert in alerts)
    return Tally(len(ended), found, false)


def _belongs(alert: Alert, fault: PlantedFault, grace: timedelta) -> bool:
    return alert.entity == fault.entity and alert.started <= fault.end + grace and alert.ended >= fault.start
