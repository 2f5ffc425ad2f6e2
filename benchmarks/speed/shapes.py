"""Measures what shapes cost: `python -m benchmarks.speed.shapes`.

Bytes a processor second of decoding, and of aligning where the form is long, beside plain JSON of 20 numbers a record: Telegraf's
messages by `where` and an entity of two tags, the same in batches, all measurements of a host aligned into a row, and one value a
message as long form has it. The forms take turns, so that a busy machine slows all of them.
"""

import json
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from time import process_time

import numpy as np

from benchmarks.speed.stream import monitor, payloads
from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.alignment.alignment import alignment_of
from latentwatch.streams.decoding.formats import decoder_for
from latentwatch.streams.decoding.unpacking import unpacker
from latentwatch.streams.ports import Messages
from latentwatch.streams.sources.array_source import split

_MESSAGES, _ROUNDS, _AT_ONCE = 20_000, 9, 2_000
_CPU = ("active", "guest", "guest_nice", "idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user")
_MEMORY = (
    "active",
    "available",
    "buffered",
    "cached",
    "dirty",
    "free",
    "inactive",
    "mapped",
    "slab",
    "total",
    "used",
    "used_percent",
)
_TELEGRAF = {
    "time": "timestamp",
    "entity": ["tags.host", "tags.cpu"],
    "where": {"name": "cpu"},
    "features": {f"usage_{part}": {"type": "numeric", "path": f"fields.usage_{part}"} for part in _CPU},
}
_HOSTS = {
    "time": "timestamp",
    "entity": "tags.host",
    "long": {"name": ["name", "tags.cpu"], "values": "fields"},
    "every": "10s",
    "features": {
        **{f"cpu.cpu{cpu}.usage_{part}": "numeric" for cpu in range(4) for part in _CPU},
        **{f"mem.{part}": "numeric" for part in _MEMORY},
    },
}
_LONG = {
    "time": "timestamp",
    "entity": "host",
    "long": {"name": "metric", "value": "value"},
    "every": "10s",
    "features": dict.fromkeys(_MEMORY, "numeric"),
}


def telegraf() -> Iterator[bytes]:
    """Four processors of ten hosts and their memory, every ten seconds."""
    rng, tick = np.random.default_rng(1), 0
    while True:
        tick += 10
        for host in range(10):
            for cpu in range(4):
                fields = {
                    f"usage_{part}": float(value)
                    for part, value in zip(_CPU, rng.uniform(0, 100, len(_CPU)), strict=True)
                }
                tags = {"cpu": f"cpu{cpu}", "host": f"web{host}.example.org"}
                yield _message({"fields": fields, "name": "cpu", "tags": tags, "timestamp": 1_760_000_000 + tick})
            memory = dict(zip(_MEMORY, rng.integers(0, 8_000_000_000, len(_MEMORY)).tolist(), strict=True))
            tags = {"host": f"web{host}.example.org"}
            yield _message({"fields": memory, "name": "mem", "tags": tags, "timestamp": 1_760_000_000 + tick})


def batches() -> Iterator[bytes]:
    """The same, fifty in a message."""
    messages = telegraf()
    while True:
        yield b'{"metrics":[' + b",".join(islice(messages, 50)) + b"]}"


def long() -> Iterator[bytes]:
    """A value a message: twelve of each of ten hosts, every ten seconds."""
    rng, tick = np.random.default_rng(2), 0
    while True:
        tick += 10
        for host in range(10):
            for name in _MEMORY:
                value = float(rng.uniform(0, 100))
                yield _message(
                    {
                        "timestamp": 1_760_000_000 + tick,
                        "host": f"web{host}.example.org",
                        "metric": name,
                        "value": value,
                    }
                )


def _message(record: dict[str, object]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode()


def work_of(schema: RecordSchema, values: list[bytes]) -> Callable[[], int]:
    """Decodes, and aligns where the schema says so; the records."""
    decoder, unpack = decoder_for(schema, "json"), unpacker(schema)

    def work() -> int:
        alignment, records = alignment_of(schema, None), 0
        for start in range(0, len(values), _AT_ONCE):
            part = values[start : start + _AT_ONCE]
            offsets = np.arange(start, start + len(part), dtype=np.int64)
            messages = Messages("t", np.zeros(len(part), np.int32), offsets, offsets, list(part))
            messages = messages if unpack is None else split(messages, unpack=unpack)
            decoded = decoder.decode(messages)
            records += len((decoded if alignment is None else alignment.take(decoded, messages)).batch)
        return records

    return work


def main() -> None:
    """Measure and print."""
    forms = {
        "plain": (monitor("default").record, [message for _, message in payloads(_MESSAGES)]),
        "telegraf": (RecordSchema.model_validate(_TELEGRAF), list(islice(telegraf(), _MESSAGES))),
        "telegraf in batches": (
            RecordSchema.model_validate({**_TELEGRAF, "arrays": "metrics"}),
            list(islice(batches(), _MESSAGES // 50)),
        ),
        "telegraf, aligned": (RecordSchema.model_validate(_HOSTS), list(islice(telegraf(), _MESSAGES))),
        "long, aligned": (RecordSchema.model_validate(_LONG), list(islice(long(), _MESSAGES))),
    }
    works = {name: work_of(*form) for name, form in forms.items()}
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(_ROUNDS):
        for name, work in works.items():
            started = process_time()
            work()
            seconds[name].append(process_time() - started)
    rates = {name: sum(map(len, values)) / min(seconds[name]) for name, (_, values) in forms.items()}
    for name, rate in rates.items():
        each = min(seconds[name]) / len(forms[name][1]) * 1e6
        sys.stdout.write(
            f"{name:20} {rate / 1e6:7.1f} MB a processor second, {rate / rates['plain']:5.2f} of plain JSON;"
            f" {each:6.2f} us a message of {sum(map(len, forms[name][1])) / len(forms[name][1]):,.0f} bytes\n"
        )


if __name__ == "__main__":
    main()
