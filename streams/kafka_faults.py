"""What kafka-python's errors mean for us: wait, or give up because waiting cannot help."""

import ssl
from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import WeakSet

from kafka.errors import (
    KafkaConfigurationError,
    SaslAuthenticationFailedError,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)
from kafka.net.compat import KafkaNetClient

from domain.errors import InvalidInput, Unavailable

HOPELESS = (
    KafkaConfigurationError,
    SaslAuthenticationFailedError,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
    ssl.SSLCertVerificationError,
)
"""Errors that last until somebody corrects a setting."""


class FrankClient(KafkaNetClient):  # type: ignore[misc]
    """Says why a broker refuses us, to be given to consumers as `kafka_client`.

    The client (3.0.12) logs what ended a connection, tries on, and then reports that it took too long. And it throws away
    what arrives together with a connection's end: mostly that is the broker's refusal.
    """

    def __init__(self, **configs: Any) -> None:
        super().__init__(**configs)
        manager = self._manager
        connect, refusals, watched = manager.get_connection, list[BaseException](), WeakSet[Any]()

        def note(error: Exception) -> None:
            # A failed TLS handshake comes as a connection error that was raised while handling the true one.
            refusals.extend(each for each in (error, error.__context__) if isinstance(each, HOPELESS))

        def connect_frankly(*place: Any, **options: Any) -> Any:
            if refusals and not manager.bootstrapped:
                raise refusals[-1]
            connection = connect(*place, **options)
            if connection not in watched:
                watched.add(connection)
                connection.close_future.add_errback(note)
                connection.connection_made = partial(_read_to_the_end, connection.connection_made)
            return connection

        manager.get_connection = connect_frankly


def _read_to_the_end(connection_made: Callable[[Any], None], transport: Any) -> None:
    """Begin a connection whose last bytes are read before its end is noticed, which the next look finds again."""
    receive = transport._sock_recv

    def receive_first() -> tuple[bytes, Exception | None]:
        data, error = receive()
        return data, None if data else error

    transport._sock_recv = receive_first
    connection_made(transport)


def out_of_reach(servers: str, error: Exception, doing: str = "") -> InvalidInput | Unavailable:
    """The error to raise: InvalidInput where the broker refuses us, Unavailable where it may yet answer."""
    name = type(error).__name__
    reason = f"{name}: {str(error).removeprefix(f'{name}: ')}"  # the client's own errors begin with their name
    if isinstance(error, HOPELESS):
        return InvalidInput(
            f"Kafka at {servers} refuses us ({reason}); correct LATENTWATCH_KAFKA_SECURITY, _MECHANISM, _USER, _PASSWORD"
            " or the certificates"
        )
    while_doing = f" while {doing}" if doing else ""
    return Unavailable(f"Kafka at {servers} does not answer{while_doing} ({reason}); start it, or set its address")
