"""People's logins to the review app: opened, found again, listed and ended. A token itself is never stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, delete, select, update

from latentwatch.alerts.login_session_table import LoginSessionRow
from latentwatch.alerts.session import reading, transaction
from latentwatch.domain.errors import NotFound

_SEEN_STEP = timedelta(minutes=5)
"""How stale `seen` may grow before it is written anew: a page asks every few seconds."""
_LONGEST_BROWSER = 200
MOST = 1_000
"""Sessions kept at once; a new login ends the one that was unused for longest."""


@dataclass(frozen=True, slots=True)
class LoginSession:
    """One browser that is logged in."""

    id: int
    created: datetime
    expires: datetime
    seen: datetime
    address: str
    browser: str


def open_login(engine: Engine, digest: str, address: str, browser: str, now: datetime, lifetime: timedelta) -> None:
    """Store a login by the digest of its token; those that have expired go. Raises Unavailable."""
    row = LoginSessionRow(
        digest=digest,
        created=now,
        expires=now + lifetime,
        seen=now,
        address=address,
        browser=browser[:_LONGEST_BROWSER],
    )
    newest = select(LoginSessionRow.id).order_by(LoginSessionRow.seen.desc(), LoginSessionRow.id.desc())
    with transaction(engine) as session:
        session.execute(delete(LoginSessionRow).where(LoginSessionRow.expires <= now))
        beyond = session.scalars(newest.offset(MOST - 1)).all()
        session.execute(delete(LoginSessionRow).where(LoginSessionRow.id.in_(beyond)))
        session.add(row)


def find_login(engine: Engine, digest: str, now: datetime) -> LoginSession | None:
    """The login of a token's digest, None where there is none, it was ended, or it has expired. Raises Unavailable."""
    with reading(engine) as session:
        row = session.scalar(select(LoginSessionRow).where(LoginSessionRow.digest == digest))
        found = _of(row) if row is not None and row.expires > now else None
    if found is not None and now - found.seen >= _SEEN_STEP:
        with transaction(engine, durable=False) as session:
            session.execute(update(LoginSessionRow).where(LoginSessionRow.id == found.id).values(seen=now))
    return found


def logins(engine: Engine, now: datetime) -> tuple[LoginSession, ...]:
    """Every login that has not expired, the one used last first. Raises Unavailable."""
    query = select(LoginSessionRow).where(LoginSessionRow.expires > now).order_by(LoginSessionRow.seen.desc())
    with reading(engine) as session:
        return tuple(_of(row) for row in session.scalars(query))


def end_login(engine: Engine, digest: str) -> None:
    """Log out whoever has this token; harmless where nobody has. Raises Unavailable."""
    with transaction(engine) as session:
        session.execute(delete(LoginSessionRow).where(LoginSessionRow.digest == digest))


def revoke_logins(engine: Engine, ids: Sequence[int] | None) -> int:
    """End logins by their numbers, or all of them for None; returns how many. Raises NotFound for a number that is none."""
    with transaction(engine) as session:
        known = set(session.scalars(select(LoginSessionRow.id)))
        missing = sorted(set(ids or ()) - known)
        if missing:
            raise NotFound(f"there is no session {missing[0]}; 'latentwatch sessions list' shows those there are")
        ended = known if ids is None else set(ids)
        session.execute(delete(LoginSessionRow).where(LoginSessionRow.id.in_(ended)))
    return len(ended)


def _of(row: LoginSessionRow) -> LoginSession:
    return LoginSession(row.id, row.created, row.expires, row.seen, row.address, row.browser)
