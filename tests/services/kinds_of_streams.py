"""Streams as collectors, brokers and exports have them, all of the same two coupled numbers, so that one test reads them all.

A kind is what its messages are, for `init`, `train` and `score` as lines of a file and for a topic as messages.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import numpy as np

START = datetime(2026, 2, 20, tzinfo=UTC)
HISTORY_TICKS, NEW_TICKS = 600, 150
FAULT = range(90, 100)
"""Ticks of the new data, after those of history, in which the first entity's numbers no longer belong together."""
ENTITIES = 2
EVERY = timedelta(minutes=1)

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Measured:
    """What one entity measures at a tick: `b` is twice `a`, but in a fault."""

    tick: int
    entity: int
    a: float
    b: float

    @property
    def at(self) -> datetime:
        """When."""
        return START + self.tick * EVERY

    @property
    def epoch(self) -> int:
        """When, in seconds since 1970."""
        return int(self.at.timestamp())


def measured(ticks: range, fault: range = range(0)) -> list[list[Measured]]:
    """For each tick what its entities measure."""
    rng = np.random.default_rng(ticks.start + 5)
    found = []
    for tick in ticks:
        levels = 10 + 2 * np.sin(tick / 9.0) + rng.normal(0, 0.5, ENTITIES)
        doubled = 2 * levels + rng.normal(0, 0.2, ENTITIES)
        if tick in fault:
            doubled[0] += 25
        found.append(
            [
                Measured(tick, each, round(float(levels[each]), 3), round(float(doubled[each]), 3))
                for each in range(ENTITIES)
            ]
        )
    return found


@dataclass(frozen=True, slots=True)
class Kind:
    """How messages of a tick look."""

    messages: Callable[[list[Measured]], Iterator[Any]]
    entities: int = ENTITIES
    table: bool = False
    """A CSV file; its topic holds the same cells as JSON objects."""
    dead: int = 0
    """Messages of the new data that cannot be read."""
    held: Callable[[Any], int] = lambda _: 1
    """How many records a message holds."""
    saved: str = "utf-8"
    """What a table's file is in; a topic's text is UTF-8."""
    told: tuple[str, ...] = ()
    """What the monitor that `init` writes has in it."""

    def of(self, ticks: list[list[Measured]]) -> list[Any]:
        """Every message, in order."""
        return [message for tick in ticks for message in self.messages(tick)]

    def file(self, messages: list[Any]) -> bytes:
        """The messages as a file."""
        if not self.table:
            return b"".join(json.dumps(message).encode() + b"\n" for message in messages)
        out = io.StringIO()
        writer = csv.DictWriter(out, list(messages[0]))
        writer.writeheader()
        writer.writerows(messages)
        return out.getvalue().encode(self.saved)


def iso(at: datetime) -> str:
    """A time as ISO 8601 writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _wide(tick: list[Measured], time: Callable[[Measured], Any], name: str = "timestamp") -> Iterator[Record]:
    for each in tick:
        yield {name: time(each), "rig": f"rig-{each.entity}", "a": each.a, "b": each.b}


def _timed(time: Callable[[Measured], Any], name: str = "timestamp") -> Callable[[list[Measured]], Iterator[Record]]:
    return lambda tick: _wide(tick, time, name)


def _words(tick: list[Measured]) -> Iterator[Record]:
    """A number is now and then a word that means that there is none."""
    for record in _wide(tick, lambda each: iso(each.at)):
        at = tick[0].tick
        yield record if at % 40 != 7 else {**record, "a": ("?", "unavailable", "n/a", "-")[at // 40 % 4]}


def _sentinel(tick: list[Measured]) -> Iterator[Record]:
    """A number is -200 where there is none, in a tenth of the records."""
    for record in _wide(tick, lambda each: iso(each.at)):
        yield record if tick[0].tick % 10 != 7 else {**record, "a": -200}


def _garbled(tick: list[Measured]) -> Iterator[Record]:
    """One time that is none, in history and in the new data."""
    for record in _wide(tick, lambda each: iso(each.at)):
        yield {**record, "timestamp": "2026-99-99"} if tick[0].tick in (100, HISTORY_TICKS + 40) else record


def _dotted(tick: list[Measured]) -> Iterator[Record]:
    for each in tick:
        yield {"@timestamp": iso(each.at), "host.name": f"h{each.entity}", "system.a": each.a, "system.b": each.b}


def _long(tick: list[Measured]) -> Iterator[Record]:
    for each in tick:
        for name, value in (("a", each.a), ("b", each.b)):
            yield {"time": iso(each.at), "host": f"h{each.entity}", "metric": name, "value": value}


def _prometheus(tick: list[Measured]) -> Iterator[Record]:
    """A value a message, written as text, as the adapters of remote write do."""
    for each in tick:
        for name, value in (("node_load1", each.a), ("node_temp", each.b)):
            labels = {"__name__": name, "instance": f"h{each.entity}:9100", "job": "node"}
            yield {"timestamp": iso(each.at), "value": str(value), "name": name, "labels": labels}


def _home_assistant(tick: list[Measured]) -> Iterator[Record]:
    """Two sensors of a house, a third that comes rarely, and words while one is away."""
    first = tick[0]
    away = first.tick % 50 == 20
    yield {"entity_id": "sensor.a", "state": "unavailable" if away else first.a, "last_changed": iso(first.at)}
    yield {"entity_id": "sensor.b", "state": first.b, "last_changed": iso(first.at)}
    if first.tick % 5 == 0:
        yield {"entity_id": "sensor.outside", "state": round(first.tick % 60 / 7, 2), "last_changed": iso(first.at)}


def _telegraf(tick: list[Measured]) -> Iterator[Record]:
    for each in tick:
        tags = {"host": f"h{each.entity}", "cpu": "cpu0", "dc": "x"}
        yield {"name": "cpu", "tags": tags, "fields": {"usage_a": each.a, "usage_b": each.b}, "timestamp": each.epoch}
        if each.tick % 2:
            yield {
                "name": "mem",
                "tags": {"host": tags["host"], "dc": "x"},
                "fields": {"free": 5.0},
                "timestamp": each.epoch,
            }


def _batch(tick: list[Measured]) -> Iterator[Record]:
    yield {"metrics": list(_telegraf(tick))}


def _otlp(tick: list[Measured]) -> Iterator[Record]:
    for each in tick:
        at = str(each.epoch * 10**9)
        metrics = [
            {"name": name, "gauge": {"dataPoints": [{"asDouble": value, "timeUnixNano": at}]}}
            for name, value in (("a", each.a), ("b", each.b))
        ]
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": f"shop-{each.entity}"}}]}
        yield {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": metrics}]}]}


def _senml(tick: list[Measured]) -> Iterator[list[Record]]:
    for each in tick:
        base = {"bn": f"urn:dev:{each.entity}:", "bt": each.epoch}
        yield [{**base, "n": "a", "v": each.a}, {"n": "b", "v": each.b}]


def _debezium(tick: list[Measured]) -> Iterator[Record]:
    """A row after its change; now and then a deletion."""
    for each in tick:
        row: Record = {"id": each.tick * ENTITIES + each.entity, "meter": f"m{each.entity}", "a": each.a, "b": each.b}
        row["ts"] = each.epoch * 1_000_000
        gone = each.tick % 12 == 5
        source = {"connector": "postgresql", "ts_ms": each.epoch * 1000 + 3, "lsn": 900 + row["id"]}
        yield {
            "before": row if gone else None,
            "after": None if gone else row,
            "source": source,
            "op": "d" if gone else "c",
        }


def _connect(tick: list[Measured]) -> Iterator[Record]:
    for each in tick:
        payload = {"at": each.epoch * 1000, "rig": f"r{each.entity}", "a": each.a, "b": each.b}
        yield {"schema": {"type": "struct", "optional": False}, "payload": payload}


def _ngsi(tick: list[Measured]) -> Iterator[Record]:
    for each in tick:
        instant = {"type": "DateTime", "value": each.at.isoformat()}
        numbers = {
            name: {"type": "Number", "value": value, "metadata": {}} for name, value in (("a", each.a), ("b", each.b))
        }
        yield {"id": f"urn:Pump:{each.entity}", "type": "Pump", **numbers, "TimeInstant": instant}


KINDS: dict[str, Kind] = {
    "csv": Kind(_timed(lambda each: iso(each.at)), table=True, told=("entity: rig",)),
    "json": Kind(_timed(lambda each: iso(each.at)), told=("entity: rig",)),
    "epoch as dt": Kind(_timed(lambda each: each.epoch * 1000, "dt"), told=("time: dt",)),
    "mail's times": Kind(_timed(lambda each: format_datetime(each.at)), table=True, told=("time: timestamp",)),
    "times of day": Kind(_timed(lambda each: each.at.strftime("%m/%d/%Y %I:%M:%S %p")), told=("day_first: false",)),
    "day and month": Kind(
        _timed(lambda each: each.at.strftime("%d/%m/%Y %H:%M")), table=True, told=("day_first: true",)
    ),
    "mongo's date": Kind(_timed(lambda each: {"$date": iso(each.at)}, "ts"), told=("time: ts.$date",)),
    "one garbled time": Kind(_garbled, table=True, dead=ENTITIES, told=("time: timestamp",)),
    "missing words": Kind(_words, table=True, told=("a: numeric",)),
    "sentinel": Kind(_sentinel, table=True),
    "keys with dots": Kind(_dotted, told=("host.name", "system.a")),
    "long csv": Kind(_long, table=True, told=("long:", "every: 1m")),
    "long json": Kind(_long, told=("long:", "every: 1m")),
    "prometheus": Kind(_prometheus, told=("labels.instance", "long:")),
    "home assistant": Kind(_home_assistant, entities=1, table=True, told=("long:", "age: 10m")),
    "telegraf": Kind(_telegraf, told=("where:", "fields.usage_a")),
    "telegraf's batches": Kind(
        _batch, told=("arrays: metrics", "where:"), held=lambda message: len(message["metrics"])
    ),
    "opentelemetry": Kind(_otlp, told=("collector: otlp",)),
    "senml": Kind(_senml, told=("collector: senml",)),
    "debezium": Kind(_debezium, told=("after.a", "where:")),
    "connect": Kind(_connect, told=("payload.rig",)),
    "ngsi": Kind(_ngsi, told=("entity: id",)),
}
