"""End-to-end latency: from a record's arrival in the topic to the commit that holds its verdict, at a steady rate."""

import subprocess
import sys
from collections.abc import Callable
from threading import Event
from typing import Any

import numpy as np
from kafka import KafkaProducer

from benchmarks.speed.stream import payloads
from latentwatch.domain.clock import SystemClock
from latentwatch.streams.ports import Messages, Source

RATES = (1_000, 5_000, 20_000)
_TICK_SECONDS = 0.01
_WARM_SHARE = 0.5
"""Of the records, while the group is joined, kernels are loaded and what the start needed is given back."""


def send_steadily(servers: str, topic: str, rate: int, seconds: float) -> None:
    """Send `rate` records a second, a handful every ten milliseconds."""
    clock = SystemClock()
    producer = KafkaProducer(bootstrap_servers=servers, linger_ms=0)
    messages = list(payloads(int(rate * seconds)))
    started, sent = clock.monotonic(), 0
    while sent < len(messages):
        due = min(len(messages), int((clock.monotonic() - started) * rate) + 1)
        for partition, value in messages[sent:due]:
            producer.send(topic, value, partition=partition)
        sent = due
        clock.sleep(_TICK_SECONDS)
    producer.flush()
    producer.close()


class Overheard:
    """A source whose deliveries are told to a listener too; else as the source that it wraps."""

    def __init__(self, source: Source, hear: Callable[[Messages], None]) -> None:
        self._source = source
        self._hear = hear

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def poll(self, max_records: int, timeout_seconds: float) -> Messages:
        """The source's own, told where there is anything."""
        messages = self._source.poll(max_records, timeout_seconds)
        if len(messages):
            self._hear(messages)
        return messages


def measure(
    build: Callable[[Callable[[Any], None], Callable[[Source], Any]], Any],
    servers: str,
    topic: str,
    rate: int,
    seconds: float,
) -> dict[str, Any]:
    """Run a scorer while another process sends; milliseconds from the producer's stamp to the commit, by percentile."""
    clock, stop, waits = SystemClock(), Event(), []
    expected = int(rate * seconds)
    in_hand: list[Messages] = []
    sent: list[Messages] = []
    progress = 0

    def reach(step: str) -> None:
        nonlocal progress
        if step == "before commit":  # what is polled from here on belongs to the next commit
            sent.extend(in_hand)
            in_hand.clear()
        if step != "committed":
            return
        now_ms = clock.now().timestamp() * 1_000
        for messages in sent:
            waits.append(now_ms - messages.timestamps_ms)
            progress += len(messages)
        sent.clear()
        if progress >= expected:
            stop.set()

    scorer = build(reach, lambda source: Overheard(source, in_hand.append))
    command = [sys.executable, "-m", "benchmarks.speed.latency", servers, topic, str(rate), str(seconds)]
    sender = subprocess.Popen(command)
    scorer.run(stop)
    sender.wait(timeout=60)
    milliseconds = np.concatenate(waits)[int(expected * _WARM_SHARE) :]
    return {
        "rate": rate,
        "records": len(milliseconds),
        "p50_ms": round(float(np.percentile(milliseconds, 50)), 1),
        "p99_ms": round(float(np.percentile(milliseconds, 99)), 1),
        "max_ms": round(float(milliseconds.max()), 1),
    }


if __name__ == "__main__":
    send_steadily(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
