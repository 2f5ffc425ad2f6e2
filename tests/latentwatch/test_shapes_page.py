"""The page of shapes: each of its monitors reads messages of its kind, as history and as a stream, every feature of them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latentwatch.domain.monitor import parse_monitor
from latentwatch.history import read_history
from latentwatch.streams.alignment.alignment import alignment_of
from latentwatch.streams.decoding.sound_decoding import decode_sound
from latentwatch.streams.sources.file_source import FileSource

PAGE = Path(__file__).parents[2] / "docs" / "shapes.md"
TICKS, START = 60, 1_772_000_000
FULL = re.compile(r"^name: ", re.MULTILINE)


def blocks() -> list[str]:
    """The monitors of the page, and the records that stand for one."""
    found = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return [block for block in found if "..." not in block]


def said(tick: int) -> float:
    """A number that changes."""
    return round(10 + float(np.sin(1.7 * tick)), 3)


def telegraf(tick: int, at: int) -> Iterator[dict[str, Any]]:
    """A host's processor, memory, load and disk."""
    idle = {"usage_idle": said(tick), "usage_user": said(tick + 1)}
    yield {"name": "cpu", "tags": {"host": "web1", "cpu": "cpu-total"}, "fields": idle, "timestamp": at}
    yield {"name": "mem", "tags": {"host": "web1"}, "fields": {"used_percent": said(tick)}, "timestamp": at}
    yield {"name": "system", "tags": {"host": "web1"}, "fields": {"load1": said(tick)}, "timestamp": at}
    disk = {"name": "disk", "tags": {"host": "web1", "path": "/"}, "fields": {"used_percent": said(tick)}}
    yield {**disk, "timestamp": at}


def otlp(tick: int, at: int) -> dict[str, Any]:
    """A gauge and a histogram of a service."""
    moment = {"timeUnixNano": str(at * 10**9)}
    gauge = {"name": "cpu", "gauge": {"dataPoints": [{"asDouble": said(tick), **moment}]}}
    counts = {"name": "latency", "histogram": {"dataPoints": [{"count": str(tick), "sum": 5.0, **moment}]}}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    return {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [gauge, counts]}]}]}


def messages(name: str, text: str, tick: int) -> Iterator[Any]:
    """What a monitor's stream says at a tick."""
    at = START + 60 * tick
    if name == "cpu":
        yield {"metrics": list(telegraf(tick, at))}
    elif name == "hosts" and "values: fields" in text:
        yield from telegraf(tick, at)
    elif name == "hosts":
        for metric in ("cpu", "node_load1"):
            yield {"time": at, "host": "web1", "metric": metric, "value": said(tick)}
    elif name == "nodes":
        for metric in ("node_load1", "node_memory_MemAvailable_bytes", "node_network_receive_bytes_total"):
            value = str(tick * 1000 if "total" in metric else said(tick))
            yield {"name": metric, "labels": {"instance": "a:9100"}, "timestamp": at, "value": value}
    elif name == "meters":
        yield {"op": "c", "after": {"ts": at * 1000, "meter": "m1", "volt": said(tick)}}
        yield {"op": "d", "before": {"meter": "m1"}, "after": None}
    elif name == "rigs":
        yield {"schema": {"type": "struct"}, "payload": {"at": at * 1000, "rig": "r1", "p": said(tick)}}
    elif name == "pumps":
        yield {"id": "p1", "TimeInstant": {"value": at}, "temperature": {"type": "Number", "value": said(tick)}}
    elif name == "rooms":
        entries = [
            {"n": "temp", "v": said(tick)},
            {"n": "hum", "v": said(tick + 1)},
            {"n": "door", "vb": tick % 2 == 0},
        ]
        yield [{"bn": "room1:", "bt": at, **entries[0]}, *entries[1:]]
    elif name == "processors":
        known = {"time": at, "interval": 60.0, "host": "web1", "dstypes": ["gauge"]}
        idle = {"plugin": "cpu", "plugin_instance": "0", "type": "percent", "type_instance": "idle"}
        yield [
            {**known, **idle, "values": [said(tick)], "dsnames": ["value"]},
            {
                **known,
                "plugin": "load",
                "type": "load",
                "values": [said(tick), 1.0],
                "dsnames": ["shortterm", "midterm"],
            },
        ]
    elif name == "bridge":
        yield {"ts": at, "topic": "room/1", "payload": json.dumps({"t": said(tick)})}
    elif name == "shop":
        yield otlp(tick, at)


@pytest.mark.parametrize("text", [block for block in blocks() if FULL.search(block)])
def test_every_monitor_of_the_page_reads_its_kind(text: str, tmp_path: Path) -> None:
    """No dead letters, every feature has its values, and training and scoring read the same."""
    monitor = parse_monitor(text)
    path = tmp_path / "sample.jsonl"
    lines = [json.dumps(each) for tick in range(TICKS) for each in messages(monitor.name, text, tick)]
    path.write_text("\n".join(lines))
    history = read_history(monitor.record, [str(path)])
    assert len(history) == TICKS
    assert not np.isnan(history.numbers).any()
    assert len(set(history.entities)) == 1
    assert history.entities[0]
    source = FileSource(str(path), record=monitor.record)
    source.open()
    source.seek(0, 0)
    polled = source.poll(10_000, 1.0)
    decoded = decode_sound(source.decoder(monitor.record), polled)
    assert not decoded.dead_letters
    assert np.array_equal(decoded.batch.numbers, history.numbers)
    assert (alignment_of(monitor.record, None) is None) == (monitor.record.long is None)


def test_every_part_of_a_monitor_of_the_page_is_one() -> None:
    """Blocks that are less than a monitor are parts of one."""
    parts = [block for block in blocks() if not FULL.search(block)]
    assert len(parts) >= 5
    for block in parts:
        source = "" if "source:" in block else "source: {file: {path: any.csv}}\n"
        parse_monitor(f"name: part\n{source}{block}")
