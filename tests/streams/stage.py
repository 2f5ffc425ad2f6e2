"""A small stream to play on: a monitor, its records, and scorers over the in-memory broker, store and registry."""

import json
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from threading import Event
from typing import Any

from latentwatch.domain.clock import Clock, ManualClock
from latentwatch.domain.monitor import Monitor, parse_monitor
from latentwatch.streams.batch_size import BatchSize
from latentwatch.streams.context.context_blob import ContextHead
from latentwatch.streams.decoding.formats import decoder_for
from latentwatch.streams.failpoints import Reach, pass_by
from latentwatch.streams.poison import DeadLetterLimit
from latentwatch.streams.ports import Decoder, Source
from latentwatch.streams.scorer import Scorer
from latentwatch.streams.sources.memory_broker import MemoryBroker
from latentwatch.streams.testing import FakeBundles, FakeDetector, MemoryRegistry, MemoryStore
from latentwatch.streams.watching.health import HealthRecord

MONITOR = """
name: pump
source: {kafka: {topic: memory, on_retention_gap: %s, on_recreated: %s}}
record: {time: at, entity: rig, features: {a: numeric, b: numeric}}
late: {allowed: %ss}
"""
START = 1_700_000_000


def monitor(on_gap: str = "stop", late_seconds: int = 0, on_recreated: str = "stop") -> Monitor:
    """Two numbers of some rigs."""
    return parse_monitor(MONITOR % (on_gap, on_recreated, late_seconds))


def record(number: int, **fields: Any) -> bytes:
    """The record of a number: quiet, of one of seven rigs; every fiftieth is strange."""
    strange = number % 50 == 33
    usual = {"at": START + number, "rig": f"rig-{number % 7}", "a": number % 11 / 10, "b": 9.0 if strange else 0.5}
    return json.dumps({**usual, **fields}).encode()


class InPlace(Executor):
    """Commits as soon as they are sent, in the thread that sends them; or, where `late`, when their end is asked for.

    So a process that dies between the two has committed, or has not, as a test chooses.
    """

    def __init__(self, late: bool = False) -> None:
        self.late = late

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> "Future[Any]":
        """The work done, or to be done when its result is asked for."""
        future = Asked(lambda: work(*arguments, **named))
        if not self.late:
            future.do()
        return future


class Asked(Future[Any]):
    """The result of work that is done in the thread that asks for it."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__()
        self._work = work

    def do(self) -> None:
        """Do the work, once."""
        if super().done():
            return
        try:
            self.set_result(self._work())
        except Exception as error:  # it is the asker's, as from any executor
            self.set_exception(error)

    def done(self) -> bool:
        """Whether it is done: asking is enough."""
        self.do()
        return True

    def result(self, timeout: float | None = None) -> Any:
        """What came of it."""
        self.do()
        return super().result(timeout)


class Stage:
    """Everything around a scorer, kept when a scorer dies."""

    def __init__(
        self,
        partitions: int = 1,
        on_gap: str = "stop",
        away: int = 0,
        late_seconds: int = 0,
        on_recreated: str = "stop",
        watched: Monitor | None = None,
    ) -> None:
        """`watched` takes the place of the usual monitor, which the others describe."""
        self.monitor = watched or monitor(on_gap, late_seconds, on_recreated)
        self.clock = ManualClock()
        self.broker = MemoryBroker(partitions=partitions, clock=self.clock)
        self.store = MemoryStore(self.monitor.name, away=away)
        self.registry = MemoryRegistry(self.monitor.name)
        self.bundles = FakeBundles(FakeDetector(self.monitor.record, "first"))
        self.registry.promote("first")
        self.stop = Event()

    def produce(self, numbers: Iterable[int]) -> None:
        """Produce records, spread over the partitions by rig as a keyed producer would."""
        for number in numbers:
            self.broker.produce(record(number), number % 7 % len(self.broker.logs))

    def scorer(
        self,
        *,
        source: Source | None = None,
        records: int = 64,
        snapshot_seconds: float = 0.0,
        chunk_bytes: int = 1,
        limit: DeadLetterLimit | None = None,
        clock: Clock | None = None,
        reach: Reach = pass_by,
        health: HealthRecord | None = None,
        late: bool = False,
        decoder: Decoder | None = None,
    ) -> Scorer:
        """A new scorer process, member of the group; its commits happen when sent or, where `late`, when waited for."""
        return Scorer(
            self.monitor,
            source or self.broker.join(),
            (lambda schema: decoder_for(schema, "json")) if decoder is None else lambda schema: decoder,
            self.store,
            self.registry,
            self.bundles.load,
            clock=clock or self.clock,
            pace=BatchSize(records, records),
            limit=limit,
            snapshot_seconds=snapshot_seconds,
            chunk_bytes=chunk_bytes,
            reach=reach,
            executor=InPlace(late),
            health=health,
        )

    def run(self, **settings: Any) -> Scorer:
        """Score everything that is there."""
        scorer = self.scorer(**settings)
        scorer.run(self.stop)
        return scorer

    def produced(self) -> int:
        """Messages in the topic."""
        return sum(map(len, self.broker.logs.values()))

    def accounted(self) -> int:
        """Records scored, dead letters, and messages that only filled a row in the store."""
        return self.store.scored + len(self.store.dead_letters) + sum(each.aligned for each in self.store.outcomes)

    def contexts(self) -> dict[int, tuple[int, tuple[ContextHead, list[bytes]]]]:
        """The last snapshot of every partition, as its records alone settle it."""
        return self.store.bare_contexts()
