"""Child processes of the demo: our own commands, each in a session of its own, with a log, and ended politely."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from latentwatch.domain.errors import LoopFailed


class Child:
    """One running command of ours. A Ctrl-C on the terminal does not reach it; `end` does."""

    def __init__(
        self, name: str, arguments: list[str], folder: Path, environment: Mapping[str, str], feed: bool = False
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as log, (folder / f"{name}.out").open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "latentwatch", *arguments],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def last_words(self, lines: int = 1) -> str:
        """The end of its log."""
        text = self.log.read_text(errors="replace").strip()
        return "\n".join(text.splitlines()[-lines:])

    def check(self) -> None:
        """Raises LoopFailed when it has ended in failure."""
        if self.process.poll() not in (None, 0):
            raise LoopFailed(
                f"{self.name} ended with exit code {self.process.returncode}: {self.last_words(3)} (log: {self.log})"
            )

    def send(self, payload: bytes) -> None:
        """Feed it. Raises LoopFailed when it has gone."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(payload)
            self.process.stdin.flush()
        except BrokenPipeError:
            self.process.wait(10)
            self.check()
            raise LoopFailed(
                f"{self.name} ended before its input did: {self.last_words(3)} (log: {self.log})"
            ) from None

    def end_of_input(self, patience_seconds: float) -> None:
        """Close its input and let it finish what it has."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            try:
                self.process.stdin.close()
            except BrokenPipeError:
                return
        try:
            self.process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            self.end()

    def end(self) -> None:
        """Ask it to end, then see to it; leaves nothing behind."""
        for number, patience in ((signal.SIGTERM, 15), (signal.SIGKILL, 10)):
            if not self.running:
                break
            os.killpg(self.process.pid, number)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                continue
