"""Who may enter the review app: password sessions, bearer tokens, and requests that other sites forge."""

import hashlib
import hmac
from collections import deque
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, quote, urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from latentwatch.domain.clock import Clock
from latentwatch.review.config import ReviewConfig, is_loopback
from latentwatch.review.templating import render

COOKIE = "latentwatch_session"
SESSION_SECONDS = 14 * 86_400
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_OPEN_PATHS = {"/login", "/api/healthz", "/static/review.css", "/favicon.ico"}
_MAX_FAILURES_PER_MINUTE = 20
_MAX_LOGIN_BYTES = 4096
# Styles and scripts inline and evaluated are how NiceGUI works; everything from or to another site stays forbidden.
_HEADERS = {
    b"content-security-policy": b"default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; frame-ancestors 'none'; "
    b"form-action 'self'; base-uri 'self'; object-src 'none'",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"same-origin",
}


class Sessions:
    """Signed session cookies. The key comes from the secret itself: sessions outlive restarts, and end when it changes."""

    def __init__(self, config: ReviewConfig, clock: Clock) -> None:
        secret = f"{config.password or ''}\0{config.token or ''}".encode()
        self._key = hashlib.scrypt(secret, salt=b"latentwatch review session", n=2**13, r=8, p=1)
        self._clock = clock

    def issue(self) -> str:
        """A cookie value that is good for two weeks."""
        expires = str(int(self._clock.now().timestamp()) + SESSION_SECONDS)
        return f"{expires}.{self._sign(expires)}"

    def valid(self, cookie: str) -> bool:
        """Whether this app issued the cookie and it has not expired."""
        expires, _, signature = cookie.partition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(expires).encode()):
            return False
        return expires.isdigit() and int(expires) > self._clock.now().timestamp()

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


class Access:
    """Lets a request through, asks for a login, or refuses; also guards the pages' websocket."""

    def __init__(self, app: ASGIApp, config: ReviewConfig, clock: Clock) -> None:
        self.app = app
        self.config = config
        self._clock = clock
        self._sessions = Sessions(config, clock)
        self._failures: deque[float] = deque(maxlen=_MAX_FAILURES_PER_MINUTE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refuse(scope, headers)
        if scope["type"] == "websocket":
            if refusal is None:
                await self.app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 4403})
            return
        if refusal is None and scope["path"] == "/login" and self.config.guarded:
            refusal = await self._login(Request(scope, receive))
        target = self.app if refusal is None else refusal
        await target(scope, receive, _with_headers(send))

    def _refuse(self, scope: Scope, headers: Headers) -> Response | None:
        host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        if not self.config.guarded and not is_loopback(host):
            # A page of another site whose name was pointed at 127.0.0.1 would otherwise count as the same site.
            return _problem(421, f"this app answers only to localhost while it has no password, not to {host!r}")
        bearer = self._bearer(headers)
        method = scope.get("method", "GET")
        if not bearer and (method not in _SAFE_METHODS or scope["type"] == "websocket") and _from_elsewhere(headers):
            return _problem(403, "this request was sent by a page of another site; open the review app itself")
        if not self.config.guarded or bearer or scope["path"] in _OPEN_PATHS:
            return None
        if self._sessions.valid(_cookies(headers).get(COOKIE, "")):
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

    def _bearer(self, headers: Headers) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        return bool(self.config.token) and kind.lower() == "bearer" and _same(given.strip(), self.config.token or "")

    async def _login(self, request: Request) -> Response:
        target = _own_path(request.query_params.get("next", "/"))
        if request.method != "POST":
            return HTMLResponse(render("login.html", next=target, problem=""))
        now = self._clock.monotonic()
        if len(self._failures) == _MAX_FAILURES_PER_MINUTE and now - self._failures[0] < 60:
            problem = "Too many wrong passwords. Wait a minute and try again."
            return HTMLResponse(render("login.html", next=target, problem=problem), 429)
        form = parse_qs((await _body(request)).decode("utf-8", "replace"))
        given = form.get("password", [""])[0]
        if not any(_same(given, secret) for secret in (self.config.password, self.config.token) if secret):
            self._failures.append(now)
            return HTMLResponse(render("login.html", next=target, problem="That is not the password."), 401)
        response = RedirectResponse(target, 303)
        response.set_cookie(
            COOKIE,
            self._sessions.issue(),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return response


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
    return origin is not None and urlsplit(origin).netloc != headers.get("host", "")


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
