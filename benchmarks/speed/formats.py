"""Measures clients and formats beside each other: `python -m benchmarks.speed.formats [--records N]`.

Starts Kafka by itself and fills a topic of JSON and one of the same records as Avro. Each measure runs in a process of
its own, pinned to one core, and reads its topic from the beginning: through our source and decoder, by each client. Then
decoding alone, beside a dict per record.
"""

import argparse
import io
import json
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import fastavro
import numpy as np
from kafka import KafkaProducer

from benchmarks.speed.stream import FIELDS, create_topic, fill, monitor, payloads
from benchmarks.speed.timing import CLOCK, POLL_RECORDS, WARM_RECORDS, Watch
from deploy.services.kafka import KafkaBroker
from latentwatch.domain.errors import LoopFailed
from latentwatch.streams.decoding.avro_decoding import AvroDecoder
from latentwatch.streams.decoding.json_decoding import JsonDecoder
from latentwatch.streams.decoding.schema_registry import WriterSchema
from latentwatch.streams.kafka.access import KafkaAccess
from latentwatch.streams.ports import Decoder, Messages
from latentwatch.streams.sources.opening import open_member

SCHEMA = {
    "type": "record",
    "name": "Reading",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "time", "type": "long"},
        *({"name": name, "type": ["null", "double"]} for name in FIELDS),
    ],
}
PARSED = fastavro.parse_schema(SCHEMA)
MEASURES = ("poll", "decode")
CLIENTS = ("kafka-python", "confluent")


class OneSchema:
    """A registry that knows one schema."""

    def schema(self, number: int) -> WriterSchema:
        """That one."""
        return WriterSchema(SCHEMA)


def as_avro(message: bytes) -> bytes:
    """The same record in the registry's wire format."""
    out = io.BytesIO()
    out.write(b"\0" + struct.pack(">I", 1))
    fastavro.schemaless_writer(out, PARSED, json.loads(message))
    return out.getvalue()


def decoder(form: str) -> Decoder:
    """Ours, of a format."""
    record = monitor("default").record
    return AvroDecoder(record, OneSchema()) if form == "avro" else JsonDecoder(record)


def read(servers: str, client: Any, form: str, measure: str, records: int) -> dict[str, Any]:
    """Read a topic from its beginning, and decode it where that is asked for."""
    topic = monitor("default").source.kafka
    assert topic is not None
    source = open_member(
        topic.model_copy(update={"topic": form}), KafkaAccess(servers), f"speed-{uuid4().hex[:8]}", client, CLOCK
    )
    source.open()
    reader, watch, seen, counted = decoder(form), Watch(), 0, 0
    while seen < records:
        messages = source.poll(POLL_RECORDS, 0.25)
        for partition in source.changes().gained:
            source.seek(partition, 0)
        if measure == "decode":
            reader.decode(messages)
        counted += len(messages) if watch.started else 0
        seen += len(messages)
        if not watch.started and seen >= WARM_RECORDS:
            watch.start()
    found = watch.result(counted)
    source.close()
    return found


def decode_alone(records: int) -> dict[str, float]:
    """Records a second of decoding alone, on one core, the best of five."""
    texts = [message for _, message in payloads(records)]
    binary = [as_avro(message) for message in texts]

    def ours(form: str, values: list[bytes]) -> Callable[[], None]:
        reader = decoder(form)

        def work() -> None:
            for start in range(0, records, POLL_RECORDS):
                part = values[start : start + POLL_RECORDS]
                zeros = np.zeros(len(part), np.int64)
                reader.decode(Messages("t", zeros.astype(np.int32), zeros, zeros, list(part)))

        return work

    def dicts() -> None:
        for message in binary:
            fastavro.schemaless_reader(io.BytesIO(message[5:]), PARSED)

    works = {"JSON": ours("json", texts), "Avro": ours("avro", binary), "fastavro to a dict, no matrix": dicts}
    found: dict[str, float] = {}
    for name, work in works.items():
        seconds = []
        for _ in range(5):
            started = CLOCK.monotonic()
            work()
            seconds.append(CLOCK.monotonic() - started)
        found[name] = round(records / min(seconds))
    return found


def main() -> None:
    """Run and print; with arguments of its own, one measure in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.formats", description=__doc__)
    parser.add_argument("--records", type=int, default=400_000)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    core = max(os.sched_getaffinity(0))
    if options.one:
        os.sched_setaffinity(0, {core})
        settings = json.loads(options.one)
        found = read(**settings) if settings else decode_alone(50_000)
        sys.stdout.write("\n" + json.dumps(found) + "\n")
        return
    with tempfile.TemporaryDirectory(prefix="latentwatch-speed-") as name:
        broker = KafkaBroker(Path(name) / "kafka")
        try:
            _compare(broker.start().address, options.records)
        finally:
            broker.stop()


def _compare(servers: str, records: int) -> None:
    for form in ("json", "avro"):
        create_topic(servers, form)
    fill(servers, "json", records)
    producer = KafkaProducer(bootstrap_servers=servers, linger_ms=50, batch_size=1 << 18)
    for partition, message in payloads(records):
        producer.send("avro", as_avro(message), partition=partition)
    producer.close()
    for form in ("json", "avro"):
        for measure in MEASURES:
            for client in CLIENTS:
                settings = {"servers": servers, "client": client, "form": form, "measure": measure, "records": records}
                found = _run(settings)
                rate, cost = found["records_per_second"], found["cpu_us_per_record"]
                label = f"{form} {measure} {client}"
                sys.stdout.write(f"{label:28} {rate:12,.0f} records/s {cost:8.2f} us of processor a record\n")
    for name, rate in _run({}).items():
        sys.stdout.write(f"decoding alone: {name:30} {rate:12,.0f} records/s\n")


def _run(settings: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.speed.formats", "--one", json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise LoopFailed(f"{settings} failed:\n{done.stderr[-2_000:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
