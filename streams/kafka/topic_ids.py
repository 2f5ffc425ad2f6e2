"""What the broker calls a topic: an id that a topic made anew under the same name does not have (KIP-516, Kafka 2.8).

Asked on a connection of its own: on the consumer's, an answer waits behind a fetch that waits for records.
"""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from kafka.admin import KafkaAdminClient
from kafka.errors import for_code

_CALL_MS = 5_000


class TopicIds:
    """Asks brokers for ids, with kafka-python. Connects when first asked; used by one thread."""

    def __init__(self, servers: str, options: Mapping[str, Any]) -> None:
        """`options` are a consumer's; those that are not about the connection are left out."""
        known = KafkaAdminClient.DEFAULT_CONFIG
        self._options = {
            "bootstrap_servers": servers.split(","),
            "request_timeout_ms": _CALL_MS,
            **{name: value for name, value in options.items() if name in known},
        }
        self._admin: KafkaAdminClient | None = None

    def ask(self, topic: str) -> str | None:
        """The id as the broker has it now; None where its topics have none.

        Raises KafkaError where no broker answers, or there is no such topic.
        """
        if self._admin is None:
            self._admin = KafkaAdminClient(**self._options)
        (found,) = self._admin.describe_topics([topic])
        if found["error_code"]:
            raise for_code(found["error_code"])(topic)
        number = UUID(str(found.get("topic_id") or UUID(int=0)))
        return in_words(number) if number.int else None

    def close(self) -> None:
        """Let go of the connection."""
        if self._admin is not None:
            admin, self._admin = self._admin, None
            admin.close()


def in_words(number: UUID) -> str:
    """22 characters, as Kafka's own tools and confluent-kafka print it: base64 for addresses, without its padding.

    >>> in_words(UUID("765f096c-04fa-43c4-b263-5853d2a55956"))
    'dl8JbAT6Q8SyY1hT0qVZVg'
    """
    return urlsafe_b64encode(number.bytes).decode().rstrip("=")
