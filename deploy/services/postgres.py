"""A real PostgreSQL server in a private data folder."""

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from functools import cached_property, partial
from pathlib import Path

from deploy.services.process import Launch, Running, accepts_connections, find, free_port, start, wait_until
from deploy.services.programs import POSTGRES
from latentwatch.domain.errors import Unavailable

ROLE = "latentwatch"


class PostgresServer:
    """A server in `folder`, with one superuser role and no password, reachable from this machine only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._port_file = folder / "port"
        if not self._port_file.exists():
            self._port_file.write_text(str(free_port()))
        self.port = int(self._port_file.read_text())

    @cached_property
    def data(self) -> Path:
        """The data folder, belonging to whom the server runs as."""
        return _data_folder(self.folder, self._user)

    @cached_property
    def _user(self) -> str | None:
        return _unprivileged_user()

    def url(self, database: str) -> str:
        """The address of a database on this server, as LATENTWATCH_DATABASE takes it."""
        return f"postgresql+psycopg://{ROLE}@127.0.0.1:{self.port}/{database}"

    @property
    def running(self) -> Running | None:
        """The process, if it runs."""
        return find(Launch("postgres", (), self.folder, {}))

    def start(self) -> "PostgresServer":
        """Start and wait until it answers; nothing happens if it already runs. Raises `PartMissing`, `Unavailable`."""
        if self.running:
            return self
        programs = POSTGRES.require()
        self._initialise(programs)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "100",
            "shared_buffers": "64MB",
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        running = start(self._launch(str(programs / "postgres"), "-D", str(self.data), *options))
        wait_until(partial(accepts_connections, self.port), running, seconds=60)
        wait_until(partial(self._answers, programs), running, seconds=60)
        return self

    def create_database(self, name: str, template: str = "template1") -> str:
        """A new database, empty or as `template` is; returns its address. Raises `Unavailable` when there is one."""
        self._sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def has_database(self, name: str) -> bool:
        """Whether there is one of that name."""
        return self._sql(f"SELECT datname FROM pg_database WHERE datname = '{name}'").strip() == name

    def drop_database(self, name: str) -> None:
        """Drop it, whoever is still connected."""
        self._sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def stop(self) -> None:
        """An orderly end that does not wait for clients to leave (PostgreSQL's fast shutdown)."""
        if running := self.running:
            running.stop(signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL, to the server and every session's process."""
        if running := self.running:
            running.kill()

    def remove(self) -> None:
        """Stop and delete the data."""
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)

    def _launch(self, *command: str) -> Launch:
        return Launch("postgres", command, self.folder, {"LC_ALL": "C.UTF-8"}, self._user)

    def _initialise(self, programs: Path) -> None:
        if (self.data / "PG_VERSION").exists():
            return
        arguments = ["-D", str(self.data), "-U", ROLE, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        self._program(str(programs / "initdb"), *arguments)

    def _answers(self, programs: Path) -> bool:
        probe = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(probe, check=False, timeout=30).returncode == 0

    def _sql(self, statement: str) -> str:
        command = [str(POSTGRES.require() / "psql"), "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1"]
        return self._program(
            *command, "-h", "127.0.0.1", "-p", str(self.port), "-U", ROLE, "-d", "postgres", "-c", statement
        )

    def _program(self, *command: str) -> str:
        result = subprocess.run(
            command,
            cwd="/",
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user else None,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if result.returncode:
            raise Unavailable(f"PostgreSQL's {Path(command[0]).name} failed: {result.stderr.strip()}")
        return result.stdout


def _unprivileged_user() -> str | None:
    """Whom the server runs as: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    POSTGRES.require()  # Debian's package brings a user along
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"


def _data_folder(folder: Path, user: str | None) -> Path:
    """`folder`/data, or a folder under the machine's temporary one when `user` could not reach it there."""
    data = folder.resolve() / "data"
    if user is None:
        return data
    if not all(parent.stat().st_mode & 0o001 for parent in data.parents):
        digest = hashlib.sha256(str(data).encode()).hexdigest()[:12]
        data = Path(tempfile.gettempdir()) / f"latentwatch-postgres-{digest}"
    data.mkdir(mode=0o700, exist_ok=True)
    shutil.chown(data, user, user)
    return data
