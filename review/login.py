"""Sessions of people who are logged in: a random token in a cookie, its keyed hash in the database."""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from datetime import timedelta

from anyio.to_thread import run_sync

from latentwatch.alerts.database import Engine
from latentwatch.alerts.login_sessions import end_login, find_login, open_login
from latentwatch.domain.clock import Clock
from latentwatch.domain.errors import Unavailable
from latentwatch.review.config import ReviewConfig

COOKIE = "latentwatch_session"
SESSION_SECONDS = 14 * 86_400
RECHECK_SECONDS = 5.0
"""How long a session that was found is not looked up again: at most so long it outlives its revocation elsewhere."""
_REMEMBERED = 1_000
_TOKEN_LENGTH = 43


class Sessions:
    """Opens, finds and ends sessions. The hash's key comes from the secrets: a new password ends every session."""

    def __init__(self, engine: Engine, config: ReviewConfig, clock: Clock) -> None:
        secret = f"{config.password or ''}\0{config.token or ''}".encode()
        self._key = hashlib.scrypt(secret, salt=b"latentwatch review session", n=2**13, r=8, p=1)
        self._engine = engine
        self._clock = clock
        self._found: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Digest to when it was found and when it expires, of the monotonic and the wall clock."""

    async def open(self, address: str, browser: str) -> str:
        """A new token, which opens the app for two weeks. Raises Unavailable."""
        token = secrets.token_urlsafe(32)
        lifetime = timedelta(seconds=SESSION_SECONDS)
        await run_sync(open_login, self._engine, self._digest(token), address, browser, self._clock.now(), lifetime)
        return token

    async def valid(self, token: str) -> bool:
        """Whether a token's session is open. While the database is away, whoever was let in before stays in.

        Raises Unavailable where that cannot be said.
        """
        if len(token) != _TOKEN_LENGTH or not token.isascii():
            return False
        digest = self._digest(token)
        looked, expires = self._found.get(digest, (float("-inf"), 0.0))
        if expires <= self._clock.now().timestamp():
            looked = float("-inf")
        if self._clock.monotonic() - looked < RECHECK_SECONDS:
            return True
        try:
            found = await run_sync(find_login, self._engine, digest, self._clock.now())
        except Unavailable:
            if expires > self._clock.now().timestamp():
                return True
            raise
        self._found.pop(digest, None)
        if found is None:
            return False
        self._found[digest] = (self._clock.monotonic(), found.expires.timestamp())
        while len(self._found) > _REMEMBERED:
            self._found.popitem(last=False)
        return True

    async def end(self, token: str) -> None:
        """Log out. Raises Unavailable."""
        digest = self._digest(token)
        self._found.pop(digest, None)
        await run_sync(end_login, self._engine, digest)

    def _digest(self, token: str) -> str:
        return hmac.new(self._key, token.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
