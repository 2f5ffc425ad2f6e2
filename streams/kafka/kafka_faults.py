"""What kafka-python's errors mean for us: wait, or give up because waiting cannot help."""

import ssl
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from weakref import WeakSet

from kafka.errors import (
    KafkaConfigurationError,
    KafkaError,
    SaslAuthenticationFailedError,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)
from kafka.net.compat import KafkaNetClient

from latentwatch.domain.errors import InvalidInput, Unavailable
from latentwatch.streams.kafka.access import CORRECT_ACCESS
from latentwatch.streams.kafka.client_patches import tell_loss


class CertificateRefused(KafkaError):  # type: ignore[misc]
    """The broker wants a certificate of ours that it trusts, and has none."""


HOPELESS = (
    CertificateRefused,
    KafkaConfigurationError,
    SaslAuthenticationFailedError,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
    ssl.SSLCertVerificationError,
)
"""Errors that last until somebody corrects a setting."""
_CERTIFICATE_ALERTS = (
    "CERTIFICATE_REQUIRED",
    "BAD_CERTIFICATE",
    "CERTIFICATE_UNKNOWN",
    "CERTIFICATE_EXPIRED",
    "UNKNOWN_CA",
)
"""Of TLS, as OpenSSL spells them."""


class RefusalReportingClient(KafkaNetClient):  # type: ignore[misc]
    """A client that reports why a broker refuses us; consumers take it as `kafka_client`.

    The client (3.0.12) logs what ended a connection, tries on, and then reports that it took too long. And it throws away
    what arrives together with a connection's end: mostly that is the broker's refusal.
    """

    def __init__(self, **configs: Any) -> None:
        super().__init__(**configs)
        manager: Any = getattr(self, "_manager", None)
        if not all(hasattr(manager, part) for part in ("get_connection", "bootstrapped")):
            self._tell_loss()
            return
        connect, refusals, watched = manager.get_connection, list[BaseException](), WeakSet[Any]()

        def note(error: Exception) -> None:
            refusals.extend(refusal for each in _within(error) if (refusal := _as_refusal(each)) is not None)

        def connect_reporting(*place: Any, **options: Any) -> Any:
            if refusals and not manager.bootstrapped:
                raise refusals[-1]
            connection = connect(*place, **options)
            if connection not in watched:
                watched.add(connection)
                if not all(hasattr(connection, part) for part in ("close_future", "connection_made")):
                    self._tell_loss()
                    return connection
                connection.close_future.add_errback(note)
                connection.connection_made = partial(_read_to_the_end, connection.connection_made)
            return connection

        manager.get_connection = connect_reporting

    def _tell_loss(self) -> None:
        tell_loss("saying why a broker refuses us", "wrong credentials or certificates look like a broker that is away")


def _within(error: BaseException) -> Iterator[BaseException]:
    """An error and what it wraps: a failed handshake is the context of a connection's error, a failed read its argument."""
    yield error
    yield from (each for each in (error.__context__, *error.args) if isinstance(each, BaseException))


def _as_refusal(error: BaseException) -> BaseException | None:
    """The error to give up with; None where it is worth trying again."""
    if isinstance(error, HOPELESS):
        return error
    # With TLS 1.3 the client's handshake is over before the broker has looked at our certificate: its alert is read later.
    if isinstance(error, ssl.SSLError) and any(word in (error.reason or "") for word in _CERTIFICATE_ALERTS):
        return CertificateRefused(f"it wants a certificate of ours that it trusts: {error.reason}")
    return None


def _read_to_the_end(connection_made: Callable[[Any], None], transport: Any) -> None:
    """Begin a connection whose last bytes are read before its end is noticed, which the next look finds again."""
    receive = getattr(transport, "_sock_recv", None)
    if receive is None:
        tell_loss(
            "reading what comes with a connection's end", "a refused certificate looks like a broker that is away"
        )
        connection_made(transport)
        return

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
        return InvalidInput(f"Kafka at {servers} refuses us ({reason}); {CORRECT_ACCESS}")
    while_doing = f" while {doing}" if doing else ""
    return Unavailable(f"Kafka at {servers} does not answer{while_doing} ({reason}); start it, or set its address")
