"""Without a Docker engine: the file is valid, and what our containers run, runs here, as written but for the addresses."""

import json
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
import yaml
from sqlalchemy import create_engine, text

from deploy.services.kafka import KafkaBroker
from deploy.services.postgres import PostgresServer
from deploy.services.process import Launch, Running, free_port, start, wait_until
from deploy.services.programs import PROMTOOL
from tests.deploy.compose import OURS, ROOT, as_resolved
from tests.services.conftest import create_topic

pytestmark = pytest.mark.long

BIN = Path(sys.executable).parent
# Images small enough to be built here as the Dockerfile builds them; the trainer's is this environment less its tools.
ROLES = {"latentwatch-scorer": "scorer", "latentwatch-review": "review"}
RUN_ONCE = ("trainer", "airflow-migrate")
PORTS = ("8080", "8974", "9100", "8484", "5000")


def test_file_is_valid() -> None:
    """docker-compose accepts the file, and finds every service in it."""
    assert {"kafka", "postgres", "mlflow", "airflow-scheduler", "scorer", "notifier", "review"} <= set(as_resolved())


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "deploy/prometheus/prometheus.yml"),
        ("check", "rules", "deploy/prometheus/rules.yml"),
        ("test", "rules", "tests/deploy/alerts.yml"),
    ],
    ids=["configuration", "rules", "alerts"],
)
def test_prometheus_accepts_its_files(arguments: tuple[str, ...]) -> None:
    """promtool finds nothing wrong with the configuration and the rules, and each alert fires when it should, alone."""
    promtool(*arguments)


def test_every_alert_is_made_to_fire() -> None:
    """The scenarios for promtool leave out no alert."""
    alerts = re.findall(r"- alert: (\w+)", (ROOT / "deploy" / "prometheus" / "rules.yml").read_text())
    scenarios = (ROOT / "tests" / "deploy" / "alerts.yml").read_text()
    assert alerts
    assert not [alert for alert in alerts if f'alertname="{alert}"' not in scenarios]


def test_prometheus_understands_the_dashboard(tmp_path: Path) -> None:
    """Every panel of the Grafana dashboard asks a question that promtool can read, of the data source that is set up."""
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "dashboards" / "scoring.json").read_text())
    sources = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text())
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {sources["datasources"][0]["uid"]}
    questions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    rules = [
        {"record": f"panel:question:{number}", "expr": question.replace("$monitor", ".+")}
        for number, question in enumerate(questions)
    ]
    (tmp_path / "dashboard.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(tmp_path / "dashboard.yml"))


def promtool(*arguments: str) -> None:
    """Run promtool, which must be content."""
    command = [str(PROMTOOL.require()), *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
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


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Where each image's programs are: environments installed by the Dockerfile's own steps."""
    folders = {"latentwatch-trainer": BIN}
    for image, role in ROLES.items():
        folder = tmp_path_factory.mktemp(role) / "latentwatch"
        install = ["pip", "install", "--python", str(folder)]
        for arguments in (
            ["venv", "--python", sys.executable, str(folder)],
            [*install, "--require-hashes", "--no-deps", "-r", f"requirements/{role}.txt"],
            [*install, "--no-build-isolation", "--no-deps", "."],
        ):
            command = [str(BIN / "uv"), *arguments]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
            assert done.returncode == 0, f"{role}: {done.stderr}"
        folders[image] = folder / "bin"
    return folders


@pytest.mark.parametrize("image", ROLES)
def test_serving_images_have_no_torch(programs: dict[str, Path], image: str) -> None:
    """What scores and what shows is complete without torch: every command's help works, and torch is not there."""
    for words in (["score", "--help"], ["notify", "--help"], ["doctor", "--help"], ["--version"]):
        subprocess.run([programs[image] / "latentwatch", *words], check=True, capture_output=True, timeout=120)
    script = (
        "import importlib.util as i; print([n for n in ('torch', 'mlflow', 'airflow', 'pytest') if i.find_spec(n)])"
    )
    found = subprocess.run([programs[image] / "python", "-c", script], check=True, capture_output=True, timeout=120)
    assert found.stdout.strip() == b"[]"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Stops, at the end of the test, whatever was entered."""
    with ExitStack() as stack:
        yield stack


@pytest.mark.timeout(1200)
def test_our_services_run_as_written(
    here: dict[str, str], programs: dict[str, Path], stack: ExitStack, tmp_path: Path
) -> None:
    """Each command ends well or becomes healthy, by the file's own health check, with the file's own settings."""
    services = {name: service for name, service in as_resolved().items() if service["image"].startswith(OURS)}
    assert len(services) == 10
    for name in RUN_ONCE:
        done = subprocess.run(
            command_of(services[name], here, programs),
            env=environment_of(services[name], here, programs, tmp_path),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
    running: dict[str, Running] = {}
    for name in sorted(set(services) - set(RUN_ONCE)):
        environment = environment_of(services[name], here, programs, tmp_path)
        running[name] = start(Launch(name, command_of(services[name], here, programs), tmp_path / "run", environment))
        stack.callback(running[name].stop)
    for name, process in running.items():
        check = local(services[name]["healthcheck"]["test"], here)
        environment = environment_of(services[name], here, programs, tmp_path)
        wait_until(partial(healthy, check, environment, process), process, 400)
    metadata = local([services["airflow-scheduler"]["environment"]["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]], here)[0]
    wait_until(partial(runs_by_itself, metadata, "retrain_plant"), running["airflow-dag-processor"], 120)


def runs_by_itself(metadata: str, dag: str) -> bool:
    """Whether Airflow has found a DAG and not paused it."""
    engine = create_engine(metadata)
    with engine.connect() as connection:
        paused = connection.execute(text("SELECT is_paused FROM dag WHERE dag_id = :dag"), {"dag": dag}).scalar()
    engine.dispose()
    return paused is False


def command_of(service: dict[str, Any], here: dict[str, str], programs: dict[str, Path]) -> list[str]:
    """What the container runs: the image's entry point and the command, with the image's programs."""
    entry_point = ["latentwatch"] if service["image"] != "latentwatch-trainer" else []
    command = service["command"]
    program, *arguments = [*entry_point, *(shlex.split(command) if isinstance(command, str) else command)]
    installed = programs[service["image"]] / program
    return [str(installed) if installed.exists() else program, *local(arguments, here)]


def environment_of(
    service: dict[str, Any], here: dict[str, str], programs: dict[str, Path], folder: Path
) -> dict[str, str]:
    """The container's settings, and what the image sets."""
    settings = {key: local([str(value)], here)[0] for key, value in service["environment"].items()}
    return {
        **os.environ,
        "PATH": f"{programs[service['image']]}:{os.environ['PATH']}",
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


def healthy(check: list[str], environment: dict[str, str], process: Running) -> bool:
    """Run a health check as Docker would; what it says goes to the service's own log."""
    kind, *command = check
    if kind == "CMD-SHELL":
        command = ["sh", "-c", *command]
    folder = process.launch.folder
    with process.launch.log.open("ab") as log:
        return subprocess.run(command, env=environment, cwd=folder, stdout=log, stderr=log, timeout=300).returncode == 0
