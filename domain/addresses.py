"""Addresses as they may be shown: in logs, errors and pages."""

import re

_NAMED = re.compile(r"([?&;][^=&;]*(?:passw|pwd|passphrase|secret|token|key)[^=&;]*=)[^&;]*", re.IGNORECASE)
"""A secret given by name behind the question mark, as `?password=...` or `&sslpassword=...`."""
_BEFORE_HOST = re.compile(r"(://[^:/@]*):.*@", re.DOTALL)
"""A password between user and host. It may itself hold an @, so that everything up to the last one is taken for it."""


def without_secrets(address: str) -> str:
    """An address without its passwords, wherever it has them.

    >>> without_secrets("postgresql+psycopg://watch:secret@db:5432/watch")
    'postgresql+psycopg://watch:***@db:5432/watch'
    >>> without_secrets("postgresql://db/watch?user=watch&password=secret&sslmode=require")
    'postgresql://db/watch?user=watch&password=***&sslmode=require'
    >>> without_secrets("sqlite:///me@home.db")
    'sqlite:///me@home.db'
    """
    return _BEFORE_HOST.sub(r"\1:***@", _NAMED.sub(r"\1***", address))
