"""docker-compose.yml as its tests read it."""

import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from deploy.services.programs import COMPOSE

ROOT = Path(__file__).resolve().parent.parent.parent
SECRETS = {
    "POSTGRES_PASSWORD": "not-secret",
    "LATENTWATCH_PASSWORD": "not-secret",
    "AIRFLOW_ADMIN_PASSWORD": "not-secret",
    "AIRFLOW_FERNET_KEY": "bm90LXNlY3JldC1ub3Qtc2VjcmV0LW5vdC1zZWNyZXQ=",
    "AIRFLOW_JWT_SECRET": "not-secret-" * 8,
    "GRAFANA_PASSWORD": "not-secret",
}
OURS = "latentwatch-"


def as_written() -> dict[str, Any]:
    """The file's services with their merge keys applied and their variables left as they stand."""
    services: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return services


@cache
def as_resolved() -> dict[str, Any]:
    """The services as docker-compose itself understands them, variables filled in. Fails where the file is invalid."""
    result = subprocess.run(
        [str(COMPOSE.require()), "-f", str(ROOT / "docker-compose.yml"), "config"],
        env={**os.environ, **SECRETS},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    services: dict[str, Any] = yaml.safe_load(result.stdout)["services"]
    return services
