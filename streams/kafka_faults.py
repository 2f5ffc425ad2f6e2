"""What kafka-python's errors mean for us: wait, or give up because waiting cannot help."""

from kafka.errors import (
    KafkaConfigurationError,
    SaslAuthenticationFailedError,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)

from domain.errors import InvalidInput, Unavailable

HOPELESS = (
    KafkaConfigurationError,
    SaslAuthenticationFailedError,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)
"""Errors that last until somebody corrects a setting."""


def out_of_reach(servers: str, error: Exception, doing: str = "") -> InvalidInput | Unavailable:
    """The error to raise: InvalidInput where the broker refuses us, Unavailable where it may yet answer."""
    reason = f"{type(error).__name__}: {error}"
    if isinstance(error, HOPELESS):
        return InvalidInput(
            f"Kafka at {servers} refuses us ({reason}); correct LATENTWATCH_KAFKA_SECURITY, _MECHANISM, _USER, _PASSWORD"
            " or the certificates"
        )
    while_doing = f" while {doing}" if doing else ""
    return Unavailable(f"Kafka at {servers} does not answer{while_doing} ({reason}); start it, or set its address")
