"""The scorer's port: /metrics for Prometheus, /healthz and /readyz for whoever starts and replaces processes.

/healthz answers 503 where only a new process helps, /readyz where records are not scored now, with the reasons in JSON.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from latentwatch.domain.errors import InvalidInput
from latentwatch.streams.watching.health import HealthRecord

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def serve_health(host: str, port: int, registry: CollectorRegistry, health: HealthRecord) -> WSGIServer:
    """Answer on a thread of its own until the process ends, or `shutdown`. Raises InvalidInput where nothing can listen."""
    kind = _MetricsServerV6 if ":" in host else _MetricsServer
    try:
        server = make_server(host, port, application(registry, health), kind, _Quiet)
    except OSError as error:
        raise InvalidInput(
            f"LATENTWATCH_METRICS_PORT={port}: cannot be listened on ({error.strerror}); give another port"
        ) from None
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server


def application(registry: CollectorRegistry, health: HealthRecord) -> Application:
    """What answers: metrics on every path but the two."""
    metrics: Any = make_wsgi_app(registry)

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if path not in ("/healthz", "/readyz"):
            found: Iterable[bytes] = metrics(environ, start_response)
            return found
        now = health.look()
        good = now.alive if path == "/healthz" else now.ready
        body = {
            "alive": now.alive,
            "ready": now.ready,
            "reasons": now.reasons,
            "model_version": now.model_version,
            "partitions": now.partitions,
        }
        start_response("200 OK" if good else "503 Service Unavailable", [("Content-Type", "application/json")])
        return [json.dumps(body).encode()]

    return answer


class _MetricsServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without asking DNS for a name of ours, as the base class would."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()


class _MetricsServerV6(_MetricsServer):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Being asked every few seconds is not worth a line."""
