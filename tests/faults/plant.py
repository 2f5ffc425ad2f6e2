"""Scorers as people start them: `latentwatch score` in processes of their own, each with its own settings and monitor file,
on models that were really trained."""

import os
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from latentwatch.alerts.heartbeats import Heartbeat, heartbeats
from latentwatch.detector.bundle import save_bundle
from latentwatch.detector.training import learn
from latentwatch.domain.model import ModelVersion
from latentwatch.domain.model_choice import ModelChoice, ModelKind
from latentwatch.domain.monitor import Monitor, dump_monitor
from latentwatch.domain.record import batch_from_columns
from latentwatch.domain.schema import RecordSchema
from tests.faults.scene import Scene
from tests.faults.workload import RIGS, record

_OLDER = """
from latentwatch.detector import bundle
bundle.FORMAT -= 1
from latentwatch.cli import main
main()
"""
"""The command of a version that does not know the format of the bundles there are."""


@cache
def bundle(root: str, schema: RecordSchema, seed: int) -> str:
    """The hash of a sequence model of the workload's records, trained and put below a folder."""
    numbers = np.arange(RIGS * 60)
    columns = {"a": numbers % 17 / 10, "number": numbers % RIGS, "z": numbers % 5}
    records = batch_from_columns(
        schema,
        {name: columns[name] for name in schema.names},
        entities=[f"rig-{number % RIGS}" for number in numbers],
        times=(1_690_000_000 + numbers) * 1_000_000,
    )
    return save_bundle(learn(records, ModelChoice(kind=ModelKind.WINDOWED, effort="light", seed=seed), 8), root)


class Command:
    """One `latentwatch score`."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log
        self.pid = process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def said(self, words: str) -> bool:
        """Whether its output says something, wherever lines are broken."""
        return words in " ".join(self._log.read_text(errors="replace").split())

    def stop(self) -> int:
        """Ask it to end and wait; its exit code."""
        if self.running:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=60)

    def close(self) -> None:
        """Kill it, if it still runs."""
        if self.running:
            self._process.kill()
            self._process.wait(timeout=30)


class Plant:
    """A scene whose scorers are commands."""

    def __init__(self, scene: Scene, bundles: Path, partitions: int) -> None:
        self.scene = scene
        self.partitions = partitions
        self.bundles = bundles
        self.commands: list[Command] = []

    def promote(self, seed: int, monitor: Monitor | None = None) -> None:
        """Train a model of a monitor's fields and make it the champion."""
        schema = (monitor or self.scene.monitor).record
        self.scene.promote(bundle(str(self.bundles), schema, seed))

    def score(self, monitor: Monitor | None = None, *, older: bool = False, **settings: str) -> Command:
        """Start a scorer with its own monitor file and settings, by default those of all others."""
        name = f"command-{len(self.commands)}"
        file, log = self.scene.folder / f"{name}.yaml", self.scene.folder / f"scorer-{name}.log"
        file.write_text(dump_monitor(monitor or self.scene.monitor))
        usual = {"BUNDLES": str(self.bundles), "KAFKA": self.scene.servers, "DATABASE": self.scene.database}
        told = {f"LATENTWATCH_{setting}": value for setting, value in (usual | settings).items()}
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, *(["-c", _OLDER] if older else ["-m", "latentwatch"]), "score", str(file)],
                cwd=self.scene.folder,
                env={**os.environ, **told},
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        self.commands.append(Command(process, log))
        return self.commands[-1]

    def send(self, count: int, **fields: Any) -> None:
        """The next records, over all partitions."""
        numbers = range(self.scene.produced, self.scene.produced + count)
        self.scene.send((number % RIGS % self.partitions, record(number, **fields)) for number in numbers)

    def wait_until_scored(self) -> None:
        """Wait until every record that was sent is scored, and none twice."""
        count = -1

        def done() -> bool:
            nonlocal count
            ((count,),) = self.scene.ask("SELECT coalesce(sum(scored), 0) FROM minute_counts")
            return int(count) >= self.scene.produced

        self.scene.wait_until(done, lambda: f"{count} of {self.scene.produced} records scored")
        assert int(count) == self.scene.produced

    def wait_for_beat(self, command: Command, words: str) -> Heartbeat:
        """Wait for a heartbeat of a command whose state says something."""
        found: list[Heartbeat] = []

        def heard() -> bool:
            found[:] = [each for each in self.beats() if each.pid == command.pid and words in each.state]
            return bool(found)

        self.scene.wait_until(heard, f"no heartbeat of {command.pid} says {words!r}")
        return found[0]

    def wait_for_model(self, version: int, commands: list[Command]) -> None:
        """Wait until each of these says in its heartbeat that a version serves."""
        pids = {command.pid for command in commands}

        def all_do() -> bool:
            return pids <= {each.pid for each in self.beats() if each.model_version == version}

        self.scene.wait_until(all_do, f"version {version} does not serve in {pids}")

    def beats(self) -> list[Heartbeat]:
        """The latest heartbeats."""
        return heartbeats(self.scene.engine, "faults")

    def versions(self) -> list[ModelVersion]:
        """The model versions, oldest first."""
        return self.scene.registry.versions("faults")[::-1]

    def close(self) -> None:
        """Leave no process behind."""
        for command in self.commands:
            command.close()
