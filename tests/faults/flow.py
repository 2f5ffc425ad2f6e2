"""Records that keep flowing: a producer in a thread of its own, whatever becomes of brokers, databases and scorers."""

import threading
from types import TracebackType
from typing import Any, Self

from kafka import KafkaProducer

from latentwatch.domain.clock import SystemClock
from tests.faults.workload import PARTITIONS, RIGS, message

_OUTAGE_MS = 240_000
"""How long the producer holds on to a message while the broker is away."""


class Flow:
    """Messages 0, 1, ... of the workload, some of them no records, at a steady rate until it is left."""

    def __init__(self, servers: str, topic: str, per_second: float) -> None:
        self.sent = 0
        """Messages given to the producer."""
        self.kept = 0
        """Messages that the broker has acknowledged."""
        self.failed: list[BaseException] = []
        """Why messages were given up; none should be."""
        self._topic = topic
        self._pause = 1.0 / per_second
        self._ended = threading.Event()
        self._clock = SystemClock()
        self._producer = KafkaProducer(
            bootstrap_servers=servers,
            linger_ms=5,
            delivery_timeout_ms=_OUTAGE_MS,
            max_block_ms=_OUTAGE_MS,
            reconnect_backoff_max_ms=1_000,
        )
        self._thread = threading.Thread(target=self._run, name="flow", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and wait until the broker has everything."""
        self._ended.set()
        self._thread.join()
        self._producer.close(timeout=None if error is None else 1.0)

    def _run(self) -> None:
        try:
            while not self._ended.wait(self._pause):
                place = self.sent % RIGS % PARTITIONS
                future = self._producer.send(self._topic, message(self.sent), key=b"any", partition=place)
                future.add_callback(self._keep)
                future.add_errback(self.failed.append)
                self.sent += 1
        except Exception as error:  # the test says so: a thread's own errors are nobody's
            self.failed.append(error)

    def _keep(self, _: Any) -> None:
        self.kept += 1
