"""The table of people's logins to the review app."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from latentwatch.alerts.columns import BigKey, Row


class LoginSessionRow(Row):
    """One browser that is logged in. Whoever reads this table cannot log in with what it holds."""

    __tablename__ = "login_sessions"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    """Keyed hash of the random token in its cookie; the key comes from the password, so that a new one ends it."""
    created: Mapped[datetime]
    expires: Mapped[datetime]
    seen: Mapped[datetime]
    """Its latest request, to within a few minutes."""
    address: Mapped[str]
    """Of the browser, as the proxy that is trusted or the connection says."""
    browser: Mapped[str]
    """What it calls itself."""
