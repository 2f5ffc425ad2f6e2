"""A receiver of messages, as a channel's webhook is."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Pager:
    """Where messages arrive."""

    address: str
    received: list[dict[str, Any]] = field(default_factory=list)

    @property
    def titles(self) -> list[str]:
        """Of each message, in the order of arrival."""
        return [message["title"] for message in self.received]


@contextmanager
def receiving() -> Iterator[Pager]:
    """A running webhook."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    taken = Pager(f"json://127.0.0.1:{server.server_port}/")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield taken
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
