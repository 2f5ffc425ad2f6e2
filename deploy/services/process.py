"""A background process that can be found again by another command, and stopped with everything it started."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import randbelow

import psutil

from latentwatch.domain.clock import Clock, SystemClock
from latentwatch.domain.errors import Unavailable

FIRST_PORT, LAST_PORT = 15_000, 30_000
_given: set[int] = set()


def free_port() -> int:
    """A loopback TCP port nobody listens on, and none that this process was given before.

    It lies below the range the kernel takes for outgoing connections, so that the port of a server that is killed and
    started again is still free, and a client that keeps dialling it meanwhile cannot connect to itself.
    """
    while True:
        port = FIRST_PORT + randbelow(LAST_PORT - FIRST_PORT)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port


@dataclass(frozen=True)
class Launch:
    """What to run: `user` runs it as somebody else, which only root can ask for."""

    name: str
    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    user: str | None = None

    @property
    def log(self) -> Path:
        """Where output and errors go."""
        return self.folder / f"{self.name}.log"

    @property
    def record(self) -> Path:
        """The file by which another command finds the process."""
        return self.folder / f"{self.name}.pid.json"


class Running:
    """A process, leader of its own session, and all its descendants."""

    def __init__(self, launch: Launch, leader: psutil.Process) -> None:
        self.launch = launch
        self.leader = leader

    @property
    def alive(self) -> bool:
        """Whether the leader still runs."""
        return bool(self.leader.is_running() and self.leader.status() != psutil.STATUS_ZOMBIE)

    def stop(self, request: signal.Signals = signal.SIGTERM, patience_seconds: float = 30.0) -> None:
        """Ask the leader to end with `request`; whatever of its family is left after `patience_seconds` is killed."""
        family = self._family()
        if self.alive:
            self.leader.send_signal(request)
        _, left = psutil.wait_procs([self.leader], timeout=patience_seconds)
        self._kill({*family, *left})

    def kill(self) -> None:
        """SIGKILL, to the leader and all it started: the machine's power went."""
        with suppress(psutil.NoSuchProcess):
            self.leader.suspend()  # or it might replace those that die before it
        self._kill(set(self._family()))

    def tail(self, lines: int = 15) -> str:
        """The end of the log, for an error message."""
        if not self.launch.log.exists():
            return ""
        return "\n".join(self.launch.log.read_text(errors="replace").splitlines()[-lines:])

    def _family(self) -> list[psutil.Process]:
        try:
            return [self.leader, *self.leader.children(recursive=True)]
        except psutil.NoSuchProcess:
            return [self.leader]

    def _kill(self, processes: set[psutil.Process]) -> None:
        # psutil compares start times, so a process id that was reused since is left alone.
        for process in processes:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(processes, timeout=30)
        self.launch.record.unlink(missing_ok=True)


def start(launch: Launch) -> Running:
    """Start in the background, in a session of its own, and leave a record of it."""
    launch.folder.mkdir(parents=True, exist_ok=True)
    with launch.log.open("ab") as log:
        child = subprocess.Popen(
            list(launch.command),
            cwd="/" if launch.user else launch.folder,
            env={**os.environ, **launch.environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=launch.user,
            group=launch.user,
            extra_groups=[] if launch.user else None,
        )
    leader = psutil.Process(child.pid)
    child.returncode = 0  # psutil waits for it from here on; Popen would warn that it outlives us, which it is meant to
    launch.record.write_text(json.dumps({"pid": leader.pid, "started": leader.create_time()}))
    return Running(launch, leader)


def find(launch: Launch) -> Running | None:
    """The process an earlier command started with this launch, if it still runs."""
    if not launch.record.exists():
        return None
    record = json.loads(launch.record.read_text())
    try:
        leader = psutil.Process(record["pid"])
        same = abs(leader.create_time() - record["started"]) < 1
    except psutil.NoSuchProcess:
        return None
    running = Running(launch, leader)
    return running if same and running.alive else None


def wait_until(ready: Callable[[], bool], running: Running, seconds: float, clock: Clock | None = None) -> None:
    """Return when `ready()`; raise `Unavailable`, with the end of the log, if the process ends or time is up."""
    clock = clock or SystemClock()
    deadline = clock.monotonic() + seconds
    while not ready():
        name = running.launch.name
        if not running.alive:
            raise Unavailable(f"{name} ended while starting; {running.launch.log} ends with:\n{running.tail()}")
        if clock.monotonic() > deadline:
            raise Unavailable(f"{name} was not ready after {seconds:.0f} s; its log ends with:\n{running.tail()}")
        clock.sleep(0.1)


def accepts_connections(port: int) -> bool:
    """Whether something listens on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0
