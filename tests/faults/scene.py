"""A stage for accidents: a topic under load, a database, and scorers that are started, killed, stopped and woken."""

import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from kafka.admin import KafkaAdminClient
from sqlalchemy import Engine, text

from latentwatch.alerts.database import migrate, open_database
from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.alerts.store import AlertStore
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.errors import Unavailable
from latentwatch.domain.model import Judgement
from tests.faults.processes import ScorerProcess
from tests.faults.verifier import Account, Place, audit, differing_contexts, expected
from tests.faults.worker import LISTENING
from tests.faults.workload import monitor, produce, send

PATIENCE_SECONDS = 180.0


class Scene:
    """One topic, one database, some scorers. `servers` and `database` are what the scorers are told."""

    def __init__(self, servers: str, topic: str, database: str, folder: Path) -> None:
        self.clock = SystemClock()
        self.monitor = monitor(topic)
        self.servers = servers
        self.topic = topic
        self.database = database
        self.folder = folder
        self.engine: Engine = open_database(database)
        self.registry = ModelRegistry(self.engine, self.clock)
        self.scorers: list[ScorerProcess] = []
        self.produced = 0
        migrate(self.engine)
        register_monitor(self.engine, self.monitor)

    def promote(self, bundle: str) -> None:
        """Make a bundle the champion."""
        version = self.registry.register("faults", bundle, "fake", 0, None, None, None).version
        self.registry.judge("faults", version, Judgement(True, ("a test promotes it",)))

    def produce(self, count: int, **options: Any) -> None:
        """The next `count` messages."""
        produce(self.servers, self.topic, range(self.produced, self.produced + count), **options)
        self.produced += count

    def send(self, messages: Iterable[tuple[int, bytes | None]], **options: Any) -> list[Place]:
        """Messages of the test's own, each to its partition; where they came to lie."""
        places = send(self.servers, self.topic, messages, **options)
        self.produced += len(places)
        return places

    def start(self, **settings: Any) -> ScorerProcess:
        """A scorer process."""
        told = {"servers": self.servers, "topic": self.topic, "database": self.database, **settings}
        scorer = ScorerProcess(told, self.folder / f"scorer-{len(self.scorers)}.log")
        self.scorers.append(scorer)
        return scorer

    def stop(self, scorer: ScorerProcess, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, once the scorer is there to hear it, and wait for the end."""
        self.wait_until(lambda: bool(scorer.said(LISTENING)) or not scorer.running, "a scorer has not begun")
        scorer.send_signal(how)
        return scorer.wait(timeout=PATIENCE_SECONDS)

    def account(self) -> Account:
        """The verifier's finding now."""
        return audit(self.engine, self.servers, self.topic)

    def progress(self) -> int:
        """Messages with an outcome so far."""
        try:
            return int(
                self.ask("SELECT (SELECT count(*) FROM flagged_records) + (SELECT count(*) FROM dead_letters)")[0][0]
            )
        except Exception as error:
            raise Unavailable(f"no progress to be read: {error}") from error

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        """What the database answers."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(question))]

    def positions(self) -> dict[int, int]:
        """Partition to the first offset that is not in the database."""
        return AlertStore(self.engine, self.monitor.name).positions(self.topic)

    def members(self) -> int:
        """Scorers in the group, as the broker sees it."""
        return len(self.group()["members"])

    def group(self) -> dict[str, Any]:
        """The group, as the broker describes it."""
        with self._admin() as admin:
            group: dict[str, Any] = admin.describe_groups([self.monitor.group])[self.monitor.group]
            return group

    def acknowledged(self) -> dict[int, int]:
        """Partition to the group's offset in Kafka, which only lag tools read."""
        with self._admin() as admin:
            offsets = admin.list_group_offsets(self.monitor.group)[self.monitor.group]
            return {place.partition: found.offset for place, found in offsets.items()}

    @contextmanager
    def _admin(self) -> Iterator[KafkaAdminClient]:
        admin = KafkaAdminClient(bootstrap_servers=self.servers)
        try:
            yield admin
        finally:
            admin.close()

    def wait_for(self, count: int) -> None:
        """Wait until so many messages have an outcome. Raises AssertionError when patience ends, with the logs."""
        seen = -1

        def enough() -> bool:
            nonlocal seen
            try:
                seen = self.progress()
            except Unavailable:
                seen = -1
            return seen >= count

        self.wait_until(enough, lambda: f"{seen} of {count} outcomes")

    def wait_until(self, condition: Callable[[], bool], what: str | Callable[[], str]) -> None:
        """Wait for a state. Raises AssertionError when patience ends, with the logs."""
        deadline = self.clock.monotonic() + PATIENCE_SECONDS
        while not condition():
            if self.clock.monotonic() > deadline:
                words = what if isinstance(what, str) else what()
                raise AssertionError(f"{words} after {PATIENCE_SECONDS} s\n{self.logs()}")
            self.clock.sleep(0.1)

    def wait_to_read(self, words: str, scorer: ScorerProcess, times: int = 1) -> None:
        """Wait until a scorer has written something to its log, so many times."""
        self.wait_until(lambda: scorer.said(words) >= times, f"the log does not say {words!r} {times} times")

    def wait_until_frozen(self, scorer: ScorerProcess) -> None:
        """Wait until a scorer that was told to has stopped itself."""
        process = psutil.Process(scorer.pid)
        self.wait_until(lambda: process.status() == psutil.STATUS_STOPPED, "the scorer has not stopped itself")

    def settle(self, *, same_as_undisturbed: str | None = None) -> Account:
        """Wait for every outcome, end the scorers, and verify.

        With a bundle's name, every surprise must be what one undisturbed process would have given with it, and what is
        remembered of every entity must be what that process would remember.
        """
        self.wait_for(self.produced)
        for scorer in self.scorers:
            if scorer.running:
                scorer.send_signal(signal.SIGCONT)
                assert self.stop(scorer) == 0, self.logs()
        account = self.account()
        sys.stdout.write(f"{account}\n")
        assert account.settled, f"{account}\n{self.logs()}"
        assert account.produced == self.produced
        if same_as_undisturbed:
            reference = dict(expected(self.servers, self.topic, same_as_undisturbed))
            assert account.scored.keys() == reference.keys()
            wrong = {place for place in reference if account.scored[place] != reference[place]}
            assert not wrong, (
                f"{len(wrong)} scores differ from an undisturbed run, first {sorted(wrong)[:5]}\n{self.logs()}"
            )
            forgetful = differing_contexts(self.engine, self.servers, self.topic, same_as_undisturbed)
            assert not forgetful, f"contexts differ from an undisturbed run: {forgetful}\n{self.logs()}"
        return account

    def logs(self) -> str:
        """The ends of the scorers' logs."""
        parts = [path.read_text(errors="replace")[-2_000:] for path in sorted(self.folder.glob("scorer-*.log"))]
        return "\n---\n".join(parts)

    def close(self) -> None:
        """Leave nothing behind."""
        for scorer in self.scorers:
            scorer.close()
        self.engine.dispose()
