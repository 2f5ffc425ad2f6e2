"""Where the review app listens, and who may enter."""

import ipaddress
from dataclasses import dataclass, field

from latentwatch.domain.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class ReviewConfig:
    """Settings of the review app; the command line fills them from the environment.

    Without a password or a token everybody who reaches the address may read and label, so only loopback is allowed.
    """

    host: str = "127.0.0.1"
    port: int = 8484
    password: str | None = field(default=None, repr=False)
    """What people type on the login page."""
    token: str | None = field(default=None, repr=False)
    """What programs send as `Authorization: Bearer …`."""

    proxies: tuple[str, ...] = ()
    """Addresses and networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, and nobody else's."""

    @property
    def guarded(self) -> bool:
        """Whether entering needs a secret."""
        return bool(self.password or self.token)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_exposure(config: ReviewConfig) -> None:
    """Raises InvalidInput when the app would be open to other machines without a secret."""
    if not is_loopback(config.host) and not config.guarded:
        raise InvalidInput(
            f"review app: refusing to listen on {config.host}:{config.port} without a password or a token, because "
            "anybody who reaches it could read records and change labels; set LATENTWATCH_PASSWORD (for people) or "
            "LATENTWATCH_TOKEN (for programs), or keep the address 127.0.0.1"
        )
