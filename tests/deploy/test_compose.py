"""docker-compose.yml and the Dockerfile name only what exists."""

import re

import pytest
import typer.core
import typer.main

from latentwatch.cli import app
from latentwatch.domain.monitor import load_monitor
from latentwatch.settings import unknown_variables
from tests.deploy.compose import OURS, ROOT, as_written

SERVICES = as_written()
RUN_BY_ENTRYPOINT = ("latentwatch-scorer", "latentwatch-review")
COMMANDS = {
    name: service["command"][0 if service["image"] in RUN_BY_ENTRYPOINT else 1 :]
    for name, service in SERVICES.items()
    if service["image"] in RUN_BY_ENTRYPOINT or service.get("command", [""])[0] == "latentwatch"
}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_our_commands_parse(name: str) -> None:
    """Every latentwatch command of the file is one the command line accepts, with all its options."""
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    words = COMMANDS[name]
    if words == ["--version"]:
        return
    with group.make_context("latentwatch", [*words]) as context:
        _, command, rest = group.resolve_command(context, [*words])
        assert command is not None
        command.make_context(command.name, rest, parent=context)


def test_every_setting_exists() -> None:
    """No LATENTWATCH_ variable given to a container is misspelt or gone."""
    for name, service in SERVICES.items():
        assert not unknown_variables(service.get("environment") or {}), name


def test_dags_are_not_left_paused() -> None:
    """What Airflow finds runs: paused, as Airflow leaves a new DAG by itself, nothing would ever be retrained."""
    airflow = [service["environment"] for name, service in SERVICES.items() if name.startswith("airflow-")]
    assert airflow
    assert {settings["AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"] for settings in airflow} == {"false"}


def test_our_containers_are_not_root() -> None:
    """Every stage of the Dockerfile that an image is made of ends as the unprivileged user."""
    stages = re.split(r"(?m)^FROM ", (ROOT / "deploy" / "Dockerfile").read_text())[1:]
    users: dict[str, str] = {}
    for stage in stages:
        match = re.match(r"(\S+) AS (\S+)", stage)
        assert match is not None
        base, name = match.groups()
        users[name] = (re.findall(r"(?m)^USER (\S+)", stage) or [users.get(base, "root")])[-1]
    targets = {service["build"]["target"] for service in SERVICES.values() if "build" in service}
    assert targets == {"scorer", "review", "trainer"}
    assert {users[target] for target in targets} == {"latentwatch"}


def test_every_service_says_how_it_is() -> None:
    """Whatever goes on running has a health check; what runs once and ends does not need one."""
    once = {"kafka-topics", "airflow-migrate", "trainer"}
    assert {name for name, service in SERVICES.items() if "healthcheck" not in service} == once


def test_only_loopback_is_published() -> None:
    """No port of the file is open to other machines."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert not [port for port in ports if not port.startswith("127.0.0.1:")]


def test_every_mounted_file_exists() -> None:
    """What the containers mount from the checkout is in it."""
    mounted = [volume for service in SERVICES.values() for volume in service.get("volumes", []) if volume[0] == "."]
    assert mounted
    assert not [volume for volume in mounted if not (ROOT / volume.split(":")[0]).exists()]


def test_example_monitor_reads_the_topic_that_is_made() -> None:
    """The example monitor is valid, and its topic is the one docker-compose creates."""
    kafka = load_monitor(ROOT / "deploy" / "monitors" / "plant.yaml").source.kafka
    assert kafka is not None
    assert f"--topic={kafka.topic}" in SERVICES["kafka-topics"]["command"]


def test_images_of_ours_are_built_by_one_service_each() -> None:
    """Every image of the project that a service uses is built by exactly one."""
    used = [service["image"] for service in SERVICES.values() if service["image"].startswith(OURS)]
    built = [service["image"] for service in SERVICES.values() if "build" in service]
    assert sorted(set(used)) == sorted(built)
