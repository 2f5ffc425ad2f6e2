"""The review app put together: HTTP API, pages, who may enter, static files.

Engine + ReviewConfig + bundles root + Clock → FastAPI
"""

import logging
import socket
from collections.abc import Awaitable, Callable

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from nicegui import app as pages_app
from nicegui import ui
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

import latentwatch.review.pages  # noqa: F401 - registers the pages
from latentwatch.alerts.database import Engine
from latentwatch.domain.clock import Clock, SystemClock
from latentwatch.domain.errors import BundleRefused, InvalidInput, NotFound, Unavailable
from latentwatch.review.access import Access
from latentwatch.review.api import router
from latentwatch.review.config import ReviewConfig, check_exposure
from latentwatch.review.connections import MAX_HEADER_BYTES, BoundedProtocol
from latentwatch.review.frame import STATIC
from latentwatch.review.incident_api import incident_router
from latentwatch.review.limits import MAX_BODY_BYTES, Limits
from latentwatch.review.openapi import describe
from latentwatch.review.room import CarryRoom, Room
from latentwatch.review.templating import render

_MARK = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#0a6c86"/>'
    '<path d="M2 9h2.500l1.500-4 2.500 7L10 7l1.500 2H14" fill="none" stroke="#fff" stroke-width="1.500"/></svg>'
)
_STATUS = {NotFound: 404, InvalidInput: 422, OverflowError: 422, BundleRefused: 409, Unavailable: 503}
_DESCRIPTION = "Monitors, alerts, labels and models of Latentwatch, as JSON. Times are UTC; surprise is -log10 p."


@pages_app.exception_handler(404)
async def _no_page(_: Request, __: Exception) -> Response:
    """Addresses that no page has; what the API lacks it says itself."""
    return HTMLResponse(render("missing.html"), 404)


def create_api(
    engine: Engine, config: ReviewConfig | None = None, bundles: str = "bundles", clock: Clock | None = None
) -> FastAPI:
    """The HTTP API alone, guarded like the whole app."""
    return _guarded(_api(), engine, config or ReviewConfig(), bundles, clock or SystemClock())


def create_app(
    engine: Engine, config: ReviewConfig | None = None, bundles: str = "bundles", clock: Clock | None = None
) -> FastAPI:
    """The whole app over one database. `bundles` is the folder or address that holds trained models.

    NiceGUI keeps its state in its module, so that one process can start one such app. Raises InvalidInput when the
    configured address would be open to others without a password or token.
    """
    app = _api()
    ui.run_with(
        app,
        title="Latentwatch",
        favicon=_MARK,
        dark=None,
        tailwind=False,
        show_welcome_message=False,
        reconnect_timeout=10.0,
    )
    return _guarded(app, engine, config or ReviewConfig(), bundles, clock or SystemClock())


def _api() -> FastAPI:
    app = FastAPI(
        title="Latentwatch",
        description=_DESCRIPTION,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    for error, status in _STATUS.items():
        app.add_exception_handler(error, _answer(status))
    app.include_router(incident_router)
    app.include_router(router)
    describe(app)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


def _guarded(app: FastAPI, engine: Engine, config: ReviewConfig, bundles: str, clock: Clock) -> FastAPI:
    check_exposure(config)
    app.add_middleware(CarryRoom, room=Room(engine, config, bundles, clock))
    app.add_middleware(Access, engine=engine, config=config, clock=clock)
    app.add_middleware(Limits)
    if config.proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(config.proxies))
    return app


def serve(
    engine: Engine,
    config: ReviewConfig | None = None,
    bundles: str = "bundles",
    clock: Clock | None = None,
    listening: Callable[[], None] = lambda: None,
) -> None:
    """Run the app until it is told to stop (SIGINT, SIGTERM); calls `listening` once it answers."""
    config = config or ReviewConfig()
    server(create_app(engine, config, bundles, clock), config, listening).run()


class _Server(uvicorn.Server):
    """Says when it answers: an address announced before that is refused to whoever is quick."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._listening()


def server(app: FastAPI, config: ReviewConfig, listening: Callable[[], None] = lambda: None) -> uvicorn.Server:
    """A server for the app, for whoever runs it beside other things: `run()` blocks, `should_exit = True` ends it."""
    logging.getLogger("nicegui").setLevel(logging.ERROR)
    return _Server(
        uvicorn.Config(
            app,
            host=config.host,
            port=config.port,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # uvicorn's own habit is to believe whoever connects from this machine
            http=BoundedProtocol,
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            ws_max_size=MAX_BODY_BYTES,
            timeout_graceful_shutdown=3,
        ),
        listening,
    )


def _answer(status: int) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status, {"Retry-After": "2"} if status == 503 else None)

    return answer
