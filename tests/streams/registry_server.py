"""A small schema registry that conforms to the interface our client uses; schemas in memory, on the loopback address."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote


class RegistryServer:
    """`url` answers while it runs; `register` gives a schema its id."""

    def __init__(self, user: str = "", password: str = "", token: str = "") -> None:
        self.requests: list[str] = []
        self.failing = 0
        """How many requests to come are answered with 503."""
        self._schemas: dict[int, dict[str, Any]] = {}
        self._subjects: dict[tuple[str, int], int] = {}
        self._expected = f"Bearer {token}" if token else ""
        if user:
            self._expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        registry = self

        class Handler(BaseHTTPRequestHandler):
            """Answers one request."""

            def do_GET(self) -> None:
                """Everything our client asks is a GET."""
                registry.requests.append(self.path)
                status, body = registry._answer(unquote(self.path), self.headers.get("Authorization", ""))
                payload = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, format: str, *args: Any) -> None:
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def register(self, number: int, schema: Any, subject: str = "", references: Any = (), kind: str = "AVRO") -> None:
        """Give a schema an id, and the next version of a subject."""
        # As the original does: Avro's type and an empty list of references are left out.
        answer: dict[str, Any] = {"schema": schema if isinstance(schema, str) else json.dumps(schema)}
        if kind != "AVRO":
            answer["schemaType"] = kind
        if references:
            answer["references"] = list(references)
        self._schemas[number] = answer
        if subject:
            self._subjects[subject, 1 + sum(name == subject for name, _ in self._subjects)] = number

    def _answer(self, path: str, authorization: str) -> tuple[int, Any]:
        if self.failing:
            self.failing -= 1
            return 503, {"error_code": 50003, "message": "no master"}
        if authorization != self._expected:
            return 401, {"error_code": 401, "message": "Unauthorized"}
        match path.strip("/").split("/"):
            case ["schemas", "types"]:
                return 200, ["AVRO"]
            case ["schemas", "ids", number]:
                found = self._schemas.get(int(number))
                return (200, found) if found else (404, {"error_code": 40403, "message": "Schema not found"})
            case ["subjects", *subject, "versions", version]:
                known = self._subjects.get(("/".join(subject), int(version)))
                if known is None:
                    return 404, {"error_code": 40401, "message": "Subject not found"}
                return 200, {"id": known, "subject": "/".join(subject), **self._schemas[known]}
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}

    @contextmanager
    def running(self) -> Iterator["RegistryServer"]:
        """Answer requests until the end of the block."""
        thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()
