"""A stage for accidents: a topic under load, a database, and scorers that are started, killed, stopped and woken."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from alerts.database import migrate, open_database
from alerts.monitors import register_monitor
from alerts.registry import ModelRegistry
from domain.clock import SystemClock
from domain.errors import Unavailable
from domain.model import Judgement
from tests.faults.verifier import Account, audit, expected
from tests.faults.worker import LISTENING
from tests.faults.workload import monitor, produce

PATIENCE_SECONDS = 180.0


class Scene:
    """One topic, one database, some scorers. `servers` and `database` are what the scorers are told."""

    def __init__(self, servers: str, topic: str, database: str, folder: Path) -> None:
        self.clock = SystemClock()
        self.servers = servers
        self.topic = topic
        self.database = database
        self.folder = folder
        self.engine: Engine = open_database(database)
        self.scorers: list[subprocess.Popen[bytes]] = []
        self.produced = 0
        migrate(self.engine)
        register_monitor(self.engine, monitor(topic))

    def promote(self, bundle: str) -> None:
        """Make a bundle the champion."""
        registry = ModelRegistry(self.engine, self.clock)
        version = registry.register("faults", bundle, "fake", 0, None, None, None).version
        registry.judge("faults", version, Judgement(True, ("a test promotes it",)))

    def produce(self, count: int, **options: Any) -> None:
        """The next `count` messages."""
        produce(self.servers, self.topic, range(self.produced, self.produced + count), **options)
        self.produced += count

    def start(self, **settings: Any) -> subprocess.Popen[bytes]:
        """A scorer process."""
        told = {"servers": self.servers, "topic": self.topic, "database": self.database, **settings}
        log = self._log(len(self.scorers)).open("wb")
        scorer = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.worker", json.dumps(told)], stdout=log, stderr=log
        )
        log.close()
        self.scorers.append(scorer)
        return scorer

    def _log(self, number: int) -> Path:
        return self.folder / f"scorer-{number}.log"

    def stop(self, scorer: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, once the scorer is there to hear it, and wait for the end."""
        log = self._log(self.scorers.index(scorer))
        deadline = self.clock.monotonic() + PATIENCE_SECONDS
        while LISTENING.encode() not in log.read_bytes() and scorer.poll() is None:
            assert self.clock.monotonic() < deadline, f"a scorer has not begun after {PATIENCE_SECONDS} s"
            self.clock.sleep(0.05)
        scorer.send_signal(how)
        return scorer.wait(timeout=PATIENCE_SECONDS)

    def account(self) -> Account:
        """The verifier's finding now."""
        return audit(self.engine, self.servers, self.topic)

    def progress(self) -> int:
        """Messages with an outcome so far."""
        try:
            with self.engine.connect() as connection:
                rows = connection.exec_driver_sql(
                    "SELECT (SELECT count(*) FROM flagged_records) + (SELECT count(*) FROM dead_letters)"
                )
                return int(rows.scalar_one())
        except Exception as error:
            raise Unavailable(f"no progress to be read: {error}") from error

    def wait_for(self, count: int) -> None:
        """Wait until so many messages have an outcome. Raises AssertionError when patience ends, with the logs."""
        deadline = self.clock.monotonic() + PATIENCE_SECONDS
        seen = -1
        while self.clock.monotonic() < deadline:
            try:
                seen = self.progress()
            except Unavailable:
                seen = -1
            if seen >= count:
                return
            self.clock.sleep(0.1)
        raise AssertionError(f"{seen} of {count} outcomes after {PATIENCE_SECONDS} s\n{self.logs()}")

    def settle(self, *, same_as_undisturbed: str | None = None) -> Account:
        """Wait for every outcome, end the scorers, and verify.

        With a bundle's name, every surprise must be what one undisturbed process would have given with it.
        """
        self.wait_for(self.produced)
        for scorer in self.scorers:
            if scorer.poll() is None:
                scorer.send_signal(signal.SIGCONT)
                assert self.stop(scorer) == 0, self.logs()
        account = self.account()
        sys.stdout.write(f"{account}\n")
        assert account.settled, f"{account}\n{self.logs()}"
        assert account.produced == self.produced
        if same_as_undisturbed:
            reference = dict(expected(self.servers, self.topic, same_as_undisturbed))
            wrong = {place for place in reference if account.scored[place] != reference[place]}
            assert not wrong, (
                f"{len(wrong)} scores differ from an undisturbed run, first {sorted(wrong)[:5]}\n{self.logs()}"
            )
        return account

    def logs(self) -> str:
        """The ends of the scorers' logs."""
        parts = [path.read_text(errors="replace")[-2_000:] for path in sorted(self.folder.glob("scorer-*.log"))]
        return "\n---\n".join(parts)

    def close(self) -> None:
        """Leave nothing behind."""
        for scorer in self.scorers:
            if scorer.poll() is None:
                scorer.kill()
                scorer.wait(timeout=30)
        self.engine.dispose()
