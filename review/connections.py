"""Connections that send their headers slowly or never: each has a moment to be done, and together they have a bound.

uvicorn has limits for the size of headers, for idle connections between two requests and for all requests at once, but none
for a request that was begun and is never completed: whoever opens some hundred of them keeps everybody else out.
"""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0
"""In which a request's headers must have arrived, from its connection or from its first byte on."""
MOST_WAITING = 256
"""Connections whose headers are incomplete; one more ends the one that has waited longest. A real one waits milliseconds."""
MAX_HEADER_BYTES = 32_768


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, with a bound on the time and the number of incomplete requests."""

    _waiting: dict["BoundedProtocol", asyncio.TimerHandle]
    """Of the server, in the order in which they began to wait."""
    header_seconds = HEADER_SECONDS
    most_waiting = MOST_WAITING

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._waiting = self.server_state.__dict__.setdefault("latentwatch_waiting", {})
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.transport.get_protocol() is not self or not self._idle():  # a websocket now, with bounds of its own
            self._stop_waiting()
        elif self not in self._waiting and self.timeout_keep_alive_task is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _idle(self) -> bool:
        """Whether no request is under way whose headers have arrived."""
        return self.cycle is None or self.cycle.response_complete

    def _wait(self) -> None:
        self._waiting[self] = self.loop.call_later(self.header_seconds, self._give_up)
        if len(self._waiting) > self.most_waiting:
            next(iter(self._waiting))._give_up()

    def _stop_waiting(self) -> None:
        timer = self._waiting.pop(self, None)
        if timer is not None:
            timer.cancel()

    def _give_up(self) -> None:
        self._stop_waiting()
        if not self.transport.is_closing():
            self.transport.close()
