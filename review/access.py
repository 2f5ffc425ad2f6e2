"""Who may enter the review app: password sessions, bearer tokens, and requests that other sites forge."""

import hmac
import ipaddress
import re
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from math import ceil
from urllib.parse import parse_qs, quote

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from latentwatch.alerts.database import Engine
from latentwatch.domain.clock import Clock
from latentwatch.domain.errors import Unavailable
from latentwatch.review.config import ReviewConfig, is_loopback
from latentwatch.review.guesses import Guesses
from latentwatch.review.login import COOKIE, SESSION_SECONDS, Sessions
from latentwatch.review.templating import render

_NAME = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?"
_HOST = re.compile(_NAME)
_ORIGIN = re.compile(rf"[A-Za-z][A-Za-z0-9+.-]*://{_NAME}")
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_OPEN_PATHS = {"/login", "/api/healthz", "/static/review.css", "/favicon.ico"}
_LIVE = "/_nicegui_ws"
"""The pages' live connection, which begins with a GET and shows whatever the page does."""
_MAX_LOGIN_BYTES = 4096
# Styles and scripts inline and evaluated are how NiceGUI works; everything from or to another site stays forbidden.
_HEADERS = {
    b"content-security-policy": b"default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; frame-ancestors 'none'; "
    b"form-action 'self'; base-uri 'self'; object-src 'none'",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"same-origin",
}


class Access:
    """Lets a request through, asks for a login, or refuses; also guards the pages' websocket."""

    def __init__(self, app: ASGIApp, engine: Engine, config: ReviewConfig, clock: Clock) -> None:
        self.app = app
        self.config = config
        self._sessions = Sessions(engine, config, clock)
        self._passwords = Guesses(clock)
        self._tokens = Guesses(clock)  # apart, so that a program with an old token keeps no person out

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            refusal = await self._refuse(scope, headers)
            if refusal is None and scope["type"] == "http" and self.config.guarded:
                refusal = await self._at_the_door(Request(scope, receive))
        except Unavailable as error:
            refusal = _problem(503, str(error), {"Retry-After": "2"})
        if scope["type"] == "websocket":
            if refusal is None:
                await self.app(scope, self._while_logged_in(scope, headers, receive, send), send)
            else:
                await send({"type": "websocket.close", "code": 4403})
            return
        target = self.app if refusal is None else refusal
        await target(scope, receive, _with_headers(send))

    async def _refuse(self, scope: Scope, headers: Headers) -> Response | None:
        malformed = _malformed(headers)
        if malformed:
            return _problem(400, malformed)
        if not self.config.guarded and not is_loopback(_host_name(headers.get("host", ""))):
            # A page of another site whose name was pointed at 127.0.0.1 would otherwise count as the same site.
            host = headers.get("host", "")
            return _problem(421, f"this app answers only to localhost while it has no password, not to {host!r}")
        bearer = self._bearer(scope, headers)
        if isinstance(bearer, Response):
            return bearer
        method = scope.get("method", "GET")
        acts = method not in _SAFE_METHODS or scope["type"] == "websocket" or scope["path"].startswith(_LIVE)
        if not bearer and acts and _from_elsewhere(headers):
            return _problem(403, "this request was sent by a page of another site; open the review app itself")
        if not self.config.guarded or bearer or scope["path"] in _OPEN_PATHS:
            return None
        if await self._sessions.valid(_cookies(headers).get(COOKIE, "")):
            return None
        if (
            method in _SAFE_METHODS
            and "text/html" in headers.get("accept", "")
            and not scope["path"].startswith("/api")
        ):
            query = scope.get("query_string", b"").decode("latin-1")
            return RedirectResponse(f"/login?next={quote(scope['path'] + ('?' + query if query else ''))}", 303)
        return _problem(
            401, "log in at /login, or send 'Authorization: Bearer <token>'", {"WWW-Authenticate": "Bearer"}
        )

    def _bearer(self, scope: Scope, headers: Headers) -> bool | Response:
        """Whether the right token came; a refusal while its sender has to wait."""
        kind, _, given = headers.get("authorization", "").partition(" ")
        if not self.config.token or kind.lower() != "bearer" or not given.strip():
            return False
        address = _address(scope)
        pause = self._tokens.pause(address)
        if pause:
            wait = {"Retry-After": str(ceil(pause))}
            return _problem(429, f"too many wrong tokens from {address}; wait {_seconds(pause)}", wait)
        if _same(given.strip(), self.config.token):
            self._tokens.right(address)
            return True
        self._tokens.wrong(address, given)
        return False

    async def _at_the_door(self, request: Request) -> Response | None:
        if request.url.path == "/login":
            return await self._login(request)
        if request.url.path == "/logout" and request.method == "POST":
            await self._sessions.end(_cookies(request.headers).get(COOKIE, ""))
            response = RedirectResponse("/login", 303)
            response.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=_is_secure(request))
            return response
        return None

    async def _login(self, request: Request) -> Response:
        target = _own_path(request.query_params.get("next", "/"))
        if request.method != "POST":
            return _login_page(target, "", 200)
        address = _address(request.scope)
        form = parse_qs((await _body(request)).decode("utf-8", "replace"))
        # From here to the verdict nothing waits: of a hundred guesses sent at once, three are looked at.
        pause = self._passwords.pause(address)
        if pause:
            problem = f"Too many wrong passwords from your address. Try again in {_seconds(pause)}."
            return _login_page(target, problem, 429, {"Retry-After": str(ceil(pause))})
        given = form.get("password", [""])[0]
        if not any(_same(given, secret) for secret in (self.config.password, self.config.token) if secret):
            self._passwords.wrong(address, given)
            pause = self._passwords.pause(address)
            wait = f" Wait {_seconds(pause)} before the next try." if pause else ""
            return _login_page(target, f"That is not the password.{wait}", 401)
        self._passwords.right(address)
        token = await self._sessions.open(address, request.headers.get("user-agent", ""))
        response = RedirectResponse(target, 303)
        response.set_cookie(
            COOKIE, token, max_age=SESSION_SECONDS, httponly=True, samesite="lax", secure=_is_secure(request)
        )
        return response

    def _while_logged_in(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> Receive:
        """Ends a live connection soon after its session: browsers answer a ping every half minute."""
        if not self.config.guarded or self._bearer(scope, headers) is True:
            return receive
        token = _cookies(headers).get(COOKIE, "")

        async def checked() -> Message:
            message = await receive()
            try:
                ended = message["type"] == "websocket.receive" and not await self._sessions.valid(token)
            except Unavailable:
                ended = False
            if not ended:
                return message
            await send({"type": "websocket.close", "code": 4403})
            return {"type": "websocket.disconnect", "code": 4403}

        return checked


def _login_page(target: str, problem: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return HTMLResponse(render("login.html", next=target, problem=problem), status, headers)


def _address(scope: Scope) -> str:
    """Whom guesses are counted by: the other end of the connection, or whom a trusted proxy speaks for."""
    client = scope.get("client")
    return str(client[0])[:64] if client else ""


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _seconds(pause: float) -> str:
    whole = ceil(pause)
    return f"{whole} second{'s' * (whole != 1)}" if whole < 120 else f"{ceil(whole / 60)} minutes"


def _malformed(headers: Headers) -> str:
    """What is wrong with the headers that say who speaks to whom; empty where nothing is."""
    host = headers.get("host", "localhost")
    if not _HOST.fullmatch(host) or (host.startswith("[") and not _is_ipv6(_host_name(host))):
        return "the Host header is not a host; send the name and port of the review app"
    origin = headers.get("origin", "null")
    if origin != "null" and not _ORIGIN.fullmatch(origin):
        return "the Origin header is not an origin; send scheme, name and port, such as https://watch.example.org"
    return ""


def _is_ipv6(name: str) -> bool:
    try:
        return bool(ipaddress.IPv6Address(name))
    except ValueError:
        return False


def _host_name(host: str) -> str:
    """A Host header's name without its port."""
    return host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(), secret.encode())


def _own_path(target: str) -> str:
    """A path of this app; anything that could lead to another site becomes the first page."""
    plain = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if plain and not target.startswith("/login") else "/"


def _from_elsewhere(headers: Headers) -> bool:
    """Whether a browser says that another site's page sent this; programs send neither header."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2].lower() != headers.get("host", "").lower()


def _cookies(headers: Headers) -> Mapping[str, str]:
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(headers.get("cookie", ""))
    except CookieError:
        return {}
    return {name: morsel.value for name, morsel in jar.items()}


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_LOGIN_BYTES:
            return b""
    return body


def _problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"detail": detail}, status, headers)


def _with_headers(send: Send) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *((k, v) for k, v in _HEADERS.items() if k not in present)]
        await send(message)

    return wrapped
