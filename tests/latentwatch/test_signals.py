"""SIGTERM ends every command, from its first line on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ENDED = 128 + signal.SIGTERM


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    """A command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, *arguments], cwd=folder, stderr=subprocess.PIPE, env=os.environ | environment, bufsize=0
    )


@pytest.mark.parametrize("command", [["score", "monitor.yaml"], ["serve", "--port", "0"], ["notify"]])
def test_a_command_that_waits_for_its_database_ends(tmp_path: Path, command: list[str]):
    """Whoever waits for a database that does not answer is ended by one SIGTERM, not by patience or by SIGKILL."""
    (tmp_path / "monitor.yaml").write_text(
        "name: pump\nsource: {file: {path: a.csv}}\nrecord: {time: at, features: {p: numeric}}\n"
    )
    process = start(
        tmp_path,
        "-m",
        "latentwatch",
        *command,
        LATENTWATCH_DATABASE="postgresql://u:p@127.0.0.1:1/d",
        LATENTWATCH_CHANNELS='{"oncall": "json://127.0.0.1:1"}',
    )
    with process:
        assert process.stderr is not None
        assert b"waiting for the database" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == ENDED, process.stderr.read()


def test_the_first_line_already_listens(tmp_path: Path):
    """As a container's first process a command would be deaf without a handler: it is there before the heavy imports."""
    program = (
        "import signal, sys\n"
        "class Look:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'latentwatch.cli':\n"
        "            signal.raise_signal(signal.SIGTERM)\n"
        "sys.meta_path.insert(0, Look())\n"
        "from latentwatch.__main__ import main\n"
        "main()\n"
    )
    with start(tmp_path, "-c", program) as process:
        assert process.wait(20) == ENDED
