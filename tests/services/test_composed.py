"""Without a Docker engine: the file is valid, and what our containers run, runs here, as written but for the addresses."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deploy.services.kafka import KafkaBroker
from deploy.services.parts import PROMTOOL
from deploy.services.postgres import PostgresServer
from deploy.services.process import Launch, Running, free_port, start, wait_until
from tests.deploy.compose import OURS, ROOT, as_resolved
from tests.services.conftest import create_topic

BIN = Path(sys.executable).parent
RUN_ONCE = ("trainer", "airflow-migrate")
PORTS = ("8080", "8974", "9100", "8484", "5000")


def test_file_is_valid() -> None:
    """docker-compose accepts the file, and finds every service in it."""
    assert {"kafka", "postgres", "mlflow", "airflow-scheduler", "scorer", "notifier", "review"} <= set(as_resolved())


@pytest.mark.parametrize("arguments", [("config", "prometheus.yml"), ("rules", "rules.yml")])
def test_prometheus_accepts_its_files(arguments: tuple[str, str]) -> None:
    """promtool finds nothing wrong with the configuration and the rules."""
    what, file = arguments
    command = [str(PROMTOOL.require()), "check", what, str(ROOT / "deploy" / "prometheus" / file)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture
def here(
    start_kafka: Callable[..., KafkaBroker], start_postgres: Callable[[], PostgresServer], tmp_path: Path
) -> dict[str, str]:
    """What stands for what: the containers' addresses, ports and folders, and those of this machine."""
    broker, server = start_kafka(), start_postgres()
    create_topic(broker.address, "plant.pump", partitions=4)
    for database in ("latentwatch", "airflow", "mlflow"):
        server.create_database(database)
    (tmp_path / "airflow").mkdir()
    return {
        "@postgres:5432": f"@127.0.0.1:{server.port}",
        "kafka:9092": broker.address,
        "http://mlflow:5000": "http://127.0.0.1:5000",
        "http://airflow-api-server:": "http://127.0.0.1:",
        "0.0.0.0": "127.0.0.1",
        "/etc/latentwatch/monitors": str(ROOT / "deploy" / "monitors"),
        "/var/lib/latentwatch": str(tmp_path),
        **{port: str(free_port()) for port in PORTS},
    }


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Stops, at the end of the test, whatever was entered."""
    with ExitStack() as stack:
        yield stack


@pytest.mark.timeout(1200)
def test_our_services_run_as_written(here: dict[str, str], stack: ExitStack, tmp_path: Path) -> None:
    """Each command ends well or becomes healthy, by the file's own health check, with the file's own settings."""
    services = {name: service for name, service in as_resolved().items() if service["image"].startswith(OURS)}
    assert len(services) == 10
    for name in RUN_ONCE:
        done = subprocess.run(
            command_of(services[name], here),
            env=environment_of(services[name], here, tmp_path),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
    running: dict[str, Running] = {}
    for name in sorted(set(services) - set(RUN_ONCE)):
        environment = environment_of(services[name], here, tmp_path)
        running[name] = start(Launch(name, command_of(services[name], here), tmp_path / "run", environment))
        stack.callback(running[name].stop)
    for name, process in running.items():
        check = local(services[name]["healthcheck"]["test"], here)
        environment = environment_of(services[name], here, tmp_path)
        wait_until(partial(healthy, check, environment, tmp_path), process, 600)


def command_of(service: dict[str, Any], here: dict[str, str]) -> list[str]:
    """What the container runs: the image's entry point and the command, with this environment's programs."""
    entry_point = ["latentwatch"] if service["image"] != "latentwatch-trainer" else []
    command = service["command"]
    program, *arguments = [*entry_point, *(shlex.split(command) if isinstance(command, str) else command)]
    installed = BIN / program
    return [str(installed) if installed.exists() else program, *local(arguments, here)]


def environment_of(service: dict[str, Any], here: dict[str, str], folder: Path) -> dict[str, str]:
    """The container's settings, and what the image sets."""
    settings = {key: local([str(value)], here)[0] for key, value in service["environment"].items()}
    return {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "HOSTNAME": os.uname().nodename,
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        **settings,
    }


def local(words: list[str], here: dict[str, str]) -> list[str]:
    """The words with this machine's addresses and folders in place of the containers'."""
    for there, instead in here.items():
        whole = re.compile(rf"(?<!\d){re.escape(there)}(?!\d)")  # 5000 is not a part of 15000
        words = [whole.sub(instead, word) for word in words]
    return [word.replace("$$", "$") for word in words]


def healthy(check: list[str], environment: dict[str, str], folder: Path) -> bool:
    """Run a health check as Docker would."""
    kind, *command = check
    if kind == "CMD-SHELL":
        command = ["sh", "-c", *command]
    return (
        subprocess.run(command, env=environment, cwd=folder, capture_output=True, timeout=300, check=False).returncode
        == 0
    )
