"""`python -m deploy.services up | down | status | env`: the services of one checkout, in its `.services` folder."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.services.kafka import KafkaBroker
from deploy.services.mlflow import MlflowServer
from deploy.services.postgres import PostgresServer
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.errors import LatentwatchError

DATABASE = "latentwatch"


@dataclass(frozen=True)
class Services:
    """All services kept in one folder."""

    folder: Path
    kafka: KafkaBroker
    postgres: PostgresServer
    mlflow: MlflowServer

    @classmethod
    def in_folder(cls, folder: Path) -> "Services":
        """The services of this folder, running or not."""
        return cls(
            folder,
            KafkaBroker(folder / "kafka"),
            PostgresServer(folder / "postgres"),
            MlflowServer(folder / "mlflow"),
        )

    def settings(self) -> dict[str, str]:
        """The addresses, as the settings other commands read."""
        return {
            "LATENTWATCH_KAFKA": self.kafka.address,
            "LATENTWATCH_DATABASE": self.postgres.url(DATABASE),
            "LATENTWATCH_MLFLOW": self.mlflow.address,
        }

    @property
    def env_file(self) -> Path:
        """The settings as a file for `set -a; . .services/env`; there while the services are up."""
        return self.folder / "env"


def up(services: Services) -> None:
    """Start what does not run yet, and say where it is."""
    clock = SystemClock()
    for name, service in (("kafka", services.kafka), ("postgres", services.postgres), ("mlflow", services.mlflow)):
        began = clock.monotonic()
        service.start()
        print(
            f"{name:9} ready after {clock.monotonic() - began:4.1f} s; log: {service.folder / name}.log",
            file=sys.stderr,
        )
    if not services.postgres.has_database(DATABASE):
        services.postgres.create_database(DATABASE)
    lines = "".join(f"{key}={value}\n" for key, value in services.settings().items())
    services.env_file.write_text(lines)
    print(f"To use them in this shell:  set -a; . {services.env_file}; set +a", file=sys.stderr)
    print(lines, end="")


def down(services: Services) -> None:
    """Stop everything; the data stays."""
    for service in (services.mlflow, services.kafka, services.postgres):
        service.stop()
    services.env_file.unlink(missing_ok=True)


def status(services: Services) -> None:
    """One line a service."""
    processes = (services.kafka.running, services.postgres.running, services.mlflow.running)
    for (setting, address), running in zip(services.settings().items(), processes, strict=True):
        print(f"{setting:22} {f'pid {running.leader.pid}' if running else 'stopped':12} {address}")


def env(services: Services) -> None:
    """The settings alone."""
    for key, value in services.settings().items():
        print(f"{key}={value}")


COMMANDS = {command.__name__: command for command in (up, down, status, env)}


def main() -> int:
    """Run one command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.services", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--folder", type=Path, default=Path(".services"), help="where data, logs and process ids go")
    arguments = parser.parse_args()
    try:
        COMMANDS[arguments.command](Services.in_folder(arguments.folder.resolve()))
    except LatentwatchError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
