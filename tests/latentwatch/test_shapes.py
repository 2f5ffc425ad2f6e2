"""What collectors send: `init` writes a monitor that reads it without an edit, as history and as a stream."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.monitor import parse_monitor
from latentwatch.guessing import guess_monitor
from latentwatch.history import read_history
from latentwatch.streams.decoding.sound_decoding import decode_sound
from latentwatch.streams.sources.file_source import FileSource

_TICKS = 300
_START = datetime(2026, 2, 25, tzinfo=UTC)


def _noise(tick: int, of: int) -> float:
    return round(10 + np.sin(tick * 1.7 + of) + tick % 7 / 10, 3)


def telegraf(tick: int) -> Iterator[dict[str, Any]]:
    """Two cores of two hosts, and a memory between them."""
    at = int(_START.timestamp()) + 10 * tick
    for host in ("web1", "web2"):
        for core in ("cpu0", "cpu1"):
            fields = {"usage_idle": _noise(tick, len(core)), "usage_user": _noise(tick, 3)}
            yield {"name": "cpu", "tags": {"host": host, "cpu": core, "dc": "x"}, "fields": fields, "timestamp": at}
        yield {"name": "mem", "tags": {"host": host, "dc": "x"}, "fields": {"free": 5.0}, "timestamp": at}


def debezium(tick: int) -> Iterator[dict[str, Any]]:
    """A meter's row after its change; every tenth is a deletion."""
    at = int(_START.timestamp() * 1000) + 1000 * tick
    row = {"id": tick, "meter": f"m{tick % 3}", "volt": _noise(tick, 0), "ts": at * 1000}
    gone = tick % 10 == 9
    source = {"connector": "postgresql", "ts_ms": at, "lsn": 900 + tick}
    yield {
        "before": row if gone else None,
        "after": None if gone else row,
        "source": source,
        "op": "d" if gone else "c",
    }


def ngsi(tick: int) -> Iterator[dict[str, Any]]:
    """A pump as a context broker has it."""
    instant = {"type": "DateTime", "value": (_START + timedelta(seconds=20 * tick)).isoformat()}
    value = {"type": "Number", "value": _noise(tick, 0), "metadata": {"TimeInstant": instant}}
    yield {
        "id": f"urn:Pump:{tick % 3}",
        "type": "Pump",
        "temperature": value,
        "TimeInstant": {**instant, "metadata": {}},
    }


def connect(tick: int) -> Iterator[dict[str, Any]]:
    """A record beside its schema."""
    payload = {"at": int(_START.timestamp() * 1000) + tick * 1000, "rig": f"r{tick % 2}", "p": _noise(tick, 0)}
    yield {"schema": {"type": "struct", "optional": False}, "payload": payload}


def senml(tick: int) -> Iterator[list[dict[str, Any]]]:
    """A pack of a device."""
    base = {"bn": "urn:dev:1:", "bt": 1772000000 + 60 * tick}
    yield [{**base, "n": "temp", "v": _noise(tick, 0)}, {"n": "door", "vb": tick % 9 == 0}]


def otlp(tick: int) -> Iterator[dict[str, Any]]:
    """A gauge of a service."""
    point = {"asDouble": _noise(tick, 0), "timeUnixNano": str(1_772_000_000_000_000_000 + tick * 10**10)}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    scope = {"metrics": [{"name": "cpu", "gauge": {"dataPoints": [point]}}]}
    yield {"resourceMetrics": [{"resource": resource, "scopeMetrics": [scope]}]}


def batch(tick: int) -> Iterator[dict[str, Any]]:
    """Telegraf with use_batch_format."""
    yield {"metrics": list(telegraf(tick))}


SHAPES: dict[str, tuple[Any, int, set[str], tuple[str, ...]]] = {
    "telegraf": (
        telegraf,
        4,
        {"web1 | cpu0", "web1 | cpu1", "web2 | cpu0", "web2 | cpu1"},
        ("usage_idle", "usage_user"),
    ),
    "batch": (batch, 4, {"web1 | cpu0", "web1 | cpu1", "web2 | cpu0", "web2 | cpu1"}, ("usage_idle", "usage_user")),
    "debezium": (debezium, 1, {"m0", "m1", "m2"}, ("volt",)),
    "ngsi": (ngsi, 1, {"urn:Pump:0", "urn:Pump:1", "urn:Pump:2"}, ("temperature",)),
    "connect": (connect, 1, {"r0", "r1"}, ("p",)),
    "senml": (senml, 1, {"urn:dev:1"}, ("temp", "door")),
    "otlp": (otlp, 1, {"shop"}, ("cpu",)),
}
"""Messages of a tick, records of it, entities and features."""


def lines(shape: str) -> list[bytes]:
    """The messages of a shape."""
    return [json.dumps(message).encode() for tick in range(_TICKS) for message in SHAPES[shape][0](tick)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_known_shape_is_read_without_an_edit(shape: str, tmp_path: Path):
    """The monitor that `init` writes, read back from its file, gives history and stream the same records, all with a time."""
    path = tmp_path / "sample.jsonl"
    path.write_bytes(b"\n".join(lines(shape)))
    guess = guess_monitor(str(path))
    record = parse_monitor(guess.yaml("sample")).record
    _, a_tick, entities, features = SHAPES[shape]
    assert record.names == features
    history = read_history(record, [str(path)])
    assert set(history.entities) == entities
    assert len(history) == _TICKS * a_tick * (9 if shape == "debezium" else 10) // 10
    assert not np.isnan(history.numbers).any()
    source = FileSource(str(path), record=record)
    source.open()
    decoder = source.decoder(record)
    source.seek(0, 0)
    decoded = decode_sound(decoder, source.poll(10_000, 1.0))
    assert not decoded.dead_letters
    order = np.argsort(decoded.batch.times, kind="stable")
    assert np.array_equal(decoded.batch.numbers[order], history.numbers)


def test_another_measurement_is_chosen_by_name(tmp_path: Path):
    """`--where name=mem` looks at those records alone, whose entity is the host."""
    path = tmp_path / "sample.jsonl"
    path.write_bytes(b"\n".join(lines("telegraf")))
    record = guess_monitor(str(path), where={"name": "mem"}).monitor.record
    assert (record.names, record.entity) == (("free",), "tags.host")
    with pytest.raises(InvalidInput, match="no record of the sample says so"):
        guess_monitor(str(path), where={"name": "disk"})
