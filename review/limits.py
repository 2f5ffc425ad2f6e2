"""What one request may cost: the size of its body, and the time in which it must have arrived.

Headers are bounded where connections are, in `connections.py`: an application sees a request only when they are whole.
"""

import asyncio

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 1_000_000
"""What NiceGUI's live connection may send at once; a label with its note is a few thousand."""
BODY_SECONDS = 20.0


class _Refused(HTTPException):
    """A body is too large or too slow. Of the kind that FastAPI answers with, because that is where most bodies are read."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(status, detail, {"Connection": "close"})


class Limits:
    """Refuses bodies that are too large (413) or too slow (408), and closes their connection."""

    seconds = BODY_SECONDS

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answered = False

        async def watched(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            _check_length(scope)
            await self.app(scope, self._bounded(receive), watched)
        except _Refused as refused:
            if answered:  # too late for another answer; the server closes what is not complete
                raise
            answer = JSONResponse({"detail": refused.detail}, refused.status_code, refused.headers)
            await answer(scope, receive, send)

    def _bounded(self, receive: Receive) -> Receive:
        size, whole, deadline = 0, False, 0.0

        async def bounded() -> Message:
            nonlocal size, whole, deadline
            if whole:  # what comes now is the end of the connection, however long that takes
                return await receive()
            deadline = deadline or asyncio.get_running_loop().time() + self.seconds
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise _Refused(408, f"the body did not arrive within {self.seconds:g} seconds") from None
            size += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if size > MAX_BODY_BYTES:
                raise _too_large()
            return message

        return bounded


def _check_length(scope: Scope) -> None:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > MAX_BODY_BYTES:
            raise _too_large()


def _too_large() -> _Refused:
    return _Refused(413, f"a request's body may have {MAX_BODY_BYTES:,} bytes")
