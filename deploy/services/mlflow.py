"""A real MLflow tracking server over a private folder."""

import sys
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path

from deploy.services.process import Launch, Running, accepts_connections, find, free_port, start, wait_until


class MlflowServer:
    """A server in `folder`: SQLite for runs, a folder for artifacts, one worker."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._port_file = folder / "port"
        if not self._port_file.exists():
            self._port_file.write_text(str(free_port()))
        self.port = int(self._port_file.read_text())

    @property
    def address(self) -> str:
        """The tracking address, as LATENTWATCH_MLFLOW takes it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> Running | None:
        """The process, if it runs."""
        return find(self._launch())

    def start(self) -> "MlflowServer":
        """Start and wait until it answers; nothing happens if it already runs. Raises `Unavailable`."""
        if self.running:
            return self
        runs = f"sqlite:///{self.folder.resolve() / 'runs.db'}"
        artifacts = ["--serve-artifacts", "--artifacts-destination", str(self.folder.resolve() / "artifacts")]
        where = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        command = [sys.executable, "-m", "mlflow", "server", *where, "--backend-store-uri", runs, *artifacts]
        running = start(self._launch(*command))
        wait_until(partial(accepts_connections, self.port), running, seconds=300)
        wait_until(self._answers, running, seconds=120)
        return self

    def stop(self) -> None:
        """An orderly end."""
        if running := self.running:
            running.stop()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=10) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return False

    def _launch(self, *command: str) -> Launch:
        # The job runner is for MLflow's own evaluations of language models: processes nobody here needs.
        return Launch("mlflow", command, self.folder, {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})
