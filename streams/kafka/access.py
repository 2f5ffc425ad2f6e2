"""How to reach Kafka and prove who we are, in the words of each client."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from latentwatch.domain.errors import InvalidInput

Security = Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
Client = Literal["kafka-python", "confluent"]
CORRECT_ACCESS = (
    "correct LATENTWATCH_KAFKA_SECURITY, _MECHANISM, _USER, _PASSWORD or the certificates: LATENTWATCH_KAFKA_CERTIFICATE,"
    " _KEY and _CA"
)
"""What to do where a broker refuses us."""


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """Bootstrap servers and credentials."""

    servers: str
    """host:port, comma between them."""
    security: Security = "plaintext"
    mechanism: Mechanism = "PLAIN"
    user: str = ""
    password: str = ""
    ca: str = ""
    """Path of the certificates (PEM) to trust; the system's without it."""
    certificate: str = ""
    """Path of our own certificate (PEM), where the broker asks for one."""
    key: str = ""
    """Path of its key (PEM); empty where the certificate's file holds it."""
    key_password: str = ""

    def __post_init__(self) -> None:
        """Raises InvalidInput for what contradicts itself: a credential that would silently not be used."""
        if self._sasl and not (self.user and self.password):
            raise InvalidInput(
                f"Kafka security {self.security} needs a user and a password; set LATENTWATCH_KAFKA_USER and"
                " LATENTWATCH_KAFKA_PASSWORD_FILE"
            )
        if not self._sasl and (self.user or self.password):
            raise InvalidInput(
                f"a Kafka user or password is set, but security {self.security} does not use it; set"
                " LATENTWATCH_KAFKA_SECURITY=sasl_ssl, or unset them"
            )
        if not self._tls and (self.ca or self.certificate or self.key):
            raise InvalidInput(
                f"Kafka certificates are set, but security {self.security} does not use them; set"
                " LATENTWATCH_KAFKA_SECURITY to ssl or sasl_ssl, or unset them"
            )

    @property
    def _sasl(self) -> bool:
        return self.security.startswith("sasl")

    @property
    def _tls(self) -> bool:
        return self.security.endswith("ssl")

    def of_kafka_python(self) -> dict[str, Any]:
        """Options of kafka-python's clients, without the servers."""
        options: dict[str, Any] = {"security_protocol": self.security.upper()}
        if self._sasl:
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password,
            }
        if self._tls:
            options |= {
                "ssl_cafile": self.ca or None,
                "ssl_certfile": self.certificate or None,
                "ssl_keyfile": self.key or None,
                "ssl_password": self.key_password or None,
            }
        return options

    def of_librdkafka(self) -> dict[str, Any]:
        """Properties of confluent-kafka's clients, without the servers."""
        properties: dict[str, Any] = {"security.protocol": self.security}
        if self._sasl:
            properties |= {
                "sasl.mechanism": self.mechanism,
                "sasl.username": self.user,
                "sasl.password": self.password,
            }
        if self._tls:
            named = {
                "ssl.ca.location": self.ca,
                "ssl.certificate.location": self.certificate,
                "ssl.key.location": self.key or self.certificate,
                "ssl.key.password": self.key_password,
            }
            properties |= {name: value for name, value in named.items() if value}
        return properties

    def of_java(self) -> dict[str, str]:
        """Properties of Apache Kafka's own clients, without the servers; certificates travel as text, not as paths."""
        properties = {"security.protocol": self.security.upper()}
        if self._sasl:
            login = "plain.PlainLoginModule" if self.mechanism == "PLAIN" else "scram.ScramLoginModule"
            user, password = (text.replace("\\", "\\\\").replace('"', '\\"') for text in (self.user, self.password))
            properties |= {
                "sasl.mechanism": self.mechanism,
                "sasl.jaas.config": (
                    f'org.apache.kafka.common.security.{login} required username="{user}" password="{password}";'
                ),
            }
        if self.ca:
            properties |= {"ssl.truststore.type": "PEM", "ssl.truststore.certificates": _text(self.ca)}
        if self.certificate:
            properties |= {
                "ssl.keystore.type": "PEM",
                "ssl.keystore.certificate.chain": _text(self.certificate),
                "ssl.keystore.key": self._open_key() if self.key_password else _text(self.key or self.certificate),
            }
        return properties

    def _open_key(self) -> str:
        """The key without its password: Java reads no key that is encrypted as OpenSSL does it (PBES2)."""
        from cryptography.hazmat.primitives import serialization as pem  # with Spark only

        path = self.key or self.certificate
        try:
            key = pem.load_pem_private_key(_text(path).encode(), self.key_password.encode())
        except (ValueError, TypeError) as error:
            raise InvalidInput(f"{path}: the key does not open with LATENTWATCH_KAFKA_KEY_PASSWORD ({error})") from None
        return key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption()).decode()


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: cannot be read as PEM ({error})") from None
