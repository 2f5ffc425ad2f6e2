"""A TCP proxy that breaks connections on purpose: resets, refusals, half-open silence, delays, and replies that get lost.

It knows no protocol. Tests put it between a client and Kafka or PostgreSQL, and tell it when to misbehave:

    with Proxy("127.0.0.1", server.port) as proxy:
        client = connect(proxy.address)
        proxy.lose_reply_to(b"COMMIT")      # the server gets it, the client never hears of it
"""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

_CHUNK = 65_536


@dataclass(eq=False)
class _Link:
    """One client's connection and the one to the server that stands for it."""

    client: socket.socket
    server: socket.socket
    deaf: bool = False
    """Whether the server's next bytes are swallowed and both connections cut."""
    stranded: bool = False
    """Whether no byte passes any more although both connections stay."""
    ends: list[threading.Thread] = field(default_factory=list)

    def cut(self) -> None:
        """Reset both connections: no farewell, and unread bytes are gone."""
        for end in (self.client, self.server):
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads from it
            end.close()


class Proxy:
    """Forwards every connection to `port` on to host and port, until told otherwise. Thread-safe."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._links: set[_Link] = set()
        self._lock = threading.Lock()
        self._flowing = threading.Event()
        self._flowing.set()
        self._closed = threading.Event()
        self._refusing = False
        self._delay_seconds = 0.0
        self._drop: bytes | None = None
        self._lose: bytes | None = None
        self._strand: bytes | None = None
        self._heard = False
        self._break_after: int | None = None
        self._unwelcome: Callable[[bytes], bool] | None = None
        self._turned_away = 0
        self._struck = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._acceptor = threading.Thread(target=self._accept, name="proxy", daemon=True)
        self._acceptor.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def cut(self) -> int:
        """Reset every connection there is; returns how many. New ones are welcome."""
        with self._lock:
            links, self._links = self._links, set()
        for link in links:
            link.cut()
        return len(links)

    def refuse(self) -> None:
        """Be away: reset every connection, and each new one at once, until `accept`."""
        self._refusing = True
        self.cut()

    def accept(self) -> None:
        """Take connections again."""
        self._refusing = False

    def stall(self) -> None:
        """Half-open: connections stay, and new ones are taken, but no byte passes until `flow`."""
        self._flowing.clear()

    def flow(self) -> None:
        """Let everything held back pass, in order."""
        self._flowing.set()

    def strand(self) -> None:
        """Half-open for good: the connections there are stay, but no byte passes on them any more; new ones flow."""
        with self._lock:
            for link in self._links:
                link.stranded = True

    def strand_at(self, containing: bytes, *, heard: bool) -> None:
        """Half-open for good, once, the connection on which a client sends these bytes; the server hears them or not."""
        self._struck.clear()
        self._strand, self._heard = containing, heard

    def delay(self, seconds: float) -> None:
        """Hold every chunk that long in each direction; 0 ends it."""
        self._delay_seconds = seconds

    def drop_request(self, containing: bytes) -> None:
        """Cut, once, the connection on which a client sends these bytes; the server never sees them."""
        self._struck.clear()
        self._drop = containing

    def lose_reply_to(self, containing: bytes) -> None:
        """Pass, once, these bytes on to the server, swallow its answer, and cut the connection."""
        self._struck.clear()
        self._lose = containing

    def break_reply(self, after_bytes: int) -> None:
        """Cut, once, a connection in the midst of a chunk of the server's longer than this, after so many bytes of it."""
        self._struck.clear()
        self._break_after = after_bytes

    def turn_away(self, unwelcome: Callable[[bytes], bool] | None) -> None:
        """Cut every connection on which a client sends a chunk of this kind, until `turn_away(None)`."""
        self._turned_away = 0
        self._unwelcome = unwelcome

    @property
    def turned_away(self) -> int:
        """How many connections were cut since `turn_away`."""
        return self._turned_away

    def struck(self) -> bool:
        """Whether the fault armed last has happened."""
        return self._struck.is_set()

    def close(self) -> None:
        """Cut everything and stop listening."""
        self._closed.set()
        self._flowing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join()
        with self._lock:
            ends = [end for link in self._links for end in link.ends]
        self.cut()
        for end in ends:
            end.join()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target, timeout=10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            link = _Link(client, server)
            if self._refusing:
                link.cut()
                continue
            link.ends = [
                threading.Thread(target=self._pump, args=(link, link.client, link.server), daemon=True),
                threading.Thread(target=self._pump, args=(link, link.server, link.client), daemon=True),
            ]
            with self._lock:
                self._links.add(link)
            for end in link.ends:
                end.start()

    def _pump(self, link: _Link, source: socket.socket, sink: socket.socket) -> None:
        """Carry bytes one way until the connection ends, or is ended."""
        with suppress(OSError):
            while chunk := source.recv(_CHUNK):
                self._closed.wait(self._delay_seconds)
                self._flowing.wait()
                if link.stranded:
                    continue  # read and forgotten, so that nobody notices
                passed = self._passed(link, chunk, from_client=source is link.client)
                sink.sendall(chunk[:passed])
                if passed < len(chunk) and not link.stranded:
                    break
        with self._lock:
            self._links.discard(link)
        link.cut()

    def _passed(self, link: _Link, chunk: bytes, *, from_client: bool) -> int:
        """How many of the bytes go through; the connection is cut where these are not all."""
        if not from_client:
            if self._break_after is not None and len(chunk) > self._break_after:
                after, self._break_after = self._break_after, None
                self._struck.set()
                return after
            return 0 if link.deaf else len(chunk)
        if self._unwelcome is not None and self._unwelcome(chunk):
            self._turned_away += 1
            return 0
        if self._drop is not None and self._drop in chunk:
            self._drop = None
            self._struck.set()
            return 0
        if self._lose is not None and self._lose in chunk:
            self._lose = None
            self._struck.set()
            link.deaf = True
        if self._strand is not None and self._strand in chunk:
            self._strand = None
            self._struck.set()
            link.stranded = True
            return len(chunk) if self._heard else 0
        return len(chunk)
