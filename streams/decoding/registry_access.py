"""How to reach a schema registry and prove who we are; apart from its client, which brings the HTTP library."""

from dataclasses import dataclass

from latentwatch.domain.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """Address and credentials: user and password, or a token, or neither."""

    url: str
    user: str = ""
    password: str = ""
    token: str = ""
    """A bearer token."""
    ca: str = ""
    """Path of the certificates (PEM) to trust; the system's without it."""

    def __post_init__(self) -> None:
        """Raises InvalidInput where it is not clear which credential counts."""
        if self.token and (self.user or self.password):
            raise InvalidInput("the schema registry has a token and a user or password; unset one of them")
        if bool(self.user) != bool(self.password):
            raise InvalidInput(
                "the schema registry's user and password belong together; set LATENTWATCH_REGISTRY_USER and"
                " LATENTWATCH_REGISTRY_PASSWORD_FILE"
            )
