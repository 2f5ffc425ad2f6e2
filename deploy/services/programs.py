"""The programs the services are made of: found on the machine, installed where possible, named where not."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from latentwatch.domain.errors import InvalidInput

KAFKA_FOLDER = Path(__file__).resolve().parent.parent / "kafka"
SPARK_FOLDER = KAFKA_FOLDER.parent / "spark"
COPY_DEPENDENCIES = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


class PartMissing(InvalidInput):
    """A program is not on the machine and could not be installed; the message says how to supply it."""


@dataclass(frozen=True)
class Part:
    """A program, the Debian package that brings it, and what a person can do instead of installing it."""

    name: str
    package: str
    find: Callable[[], Path | None]
    otherwise: str

    def require(self) -> Path:
        """Its path; installs the package when root on a Debian machine. Raises `PartMissing`."""
        path = self.find()
        if path is None and os.geteuid() == 0 and shutil.which("apt-get"):
            _apt_install(self.package)
            path = self.find()
        if path is None:
            raise PartMissing(
                f"{self.name} is missing: install it (Debian package {self.package}), or {self.otherwise}"
            )
        return path


def _on_path(*names: str) -> Callable[[], Path | None]:
    def find() -> Path | None:
        return next((Path(path) for name in names if (path := shutil.which(name))), None)

    return find


def _postgres() -> Path | None:
    """The newest server's folder of programs; Debian keeps them off the PATH, one folder a version."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    found = shutil.which("initdb")
    return debian[-1].parent if debian else Path(found).parent if found else None


_KAFKA_ELSEWHERE = (
    "name a running broker in LATENTWATCH_TEST_KAFKA (host:port; `docker compose up -d kafka` starts one)"
)
JAVA = Part("Java 17 or newer", "default-jre-headless", _on_path("java"), _KAFKA_ELSEWHERE)
MAVEN = Part("Maven, which fetches Kafka,", "maven", _on_path("mvn"), _KAFKA_ELSEWHERE)
POSTGRES = Part(
    "the PostgreSQL server",
    "postgresql",
    _postgres,
    "name a running one in LATENTWATCH_TEST_DATABASE "
    "(postgresql+psycopg://user:password@host/database; `docker compose up -d postgres` starts one)",
)
CHROMIUM = Part(
    "Chromium",
    "chromium",
    _on_path("chromium", "chromium-browser", "google-chrome"),
    "put a Chromium or Chrome on the PATH",
)
PROMTOOL = Part("promtool", "prometheus", _on_path("promtool"), "put Prometheus's promtool on the PATH")
COMPOSE = Part("docker-compose", "docker-compose", _on_path("docker-compose"), "put docker-compose on the PATH")


def kafka_jars() -> Path:
    """The folder of the broker's jars."""
    return _jars("kafka", KAFKA_FOLDER / "pom.xml", f"Maven could not fetch Kafka: {_KAFKA_ELSEWHERE}")


def spark_jars() -> Path:
    """The folder of Spark's connector to Kafka, as LATENTWATCH_SPARK_JARS takes it."""
    return _jars(
        "spark", SPARK_FOLDER / "pom.xml", "Maven could not fetch Spark's connector to Kafka; see its settings"
    )


def _jars(name: str, pom: Path, otherwise: str) -> Path:
    """What a pom.xml asks for; Maven fetches it once per version for all checkouts of this user."""
    version = hashlib.sha256(pom.read_bytes()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "latentwatch"
    jars = cache / f"{name}-{version}"
    if jars.exists():
        return jars
    cache.mkdir(parents=True, exist_ok=True)
    # Fetched beside its place and then renamed, so that a fetch cut short is never taken for a whole one.
    with tempfile.TemporaryDirectory(dir=cache) as fresh:
        command = [str(MAVEN.require()), "-q", "-B", "-f", str(pom), COPY_DEPENDENCIES]
        result = subprocess.run(
            [*command, "-DincludeScope=runtime", f"-DoutputDirectory={fresh}/jars"],
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        if result.returncode:
            reason = (result.stdout + result.stderr).strip().splitlines()[:1]
            raise PartMissing(f"{otherwise} ({' '.join(reason)})")
        try:
            (Path(fresh) / "jars").rename(jars)
        except OSError:
            if not jars.exists():  # else another process was faster, with the same jars
                raise
    return jars


def _apt_install(package: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    wait_for_others = ["-o", "DPkg::Lock::Timeout=600"]
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", package]):
        subprocess.run(
            ["apt-get", "-q", *wait_for_others, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=1200,
            check=False,
        )
