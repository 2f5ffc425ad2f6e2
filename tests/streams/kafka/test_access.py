"""Credentials in the words of Apache Kafka's own clients, as Spark takes them."""

from pathlib import Path

import pytest

from latentwatch.domain.errors import InvalidInput
from latentwatch.streams.kafka.access import KafkaAccess
from tests.services.certificates import KEY_PASSWORD, make_certificates


def test_a_password_is_quoted() -> None:
    """Quotes and backslashes of a password stay what they are."""
    access = KafkaAccess("h:1", security="sasl_plaintext", mechanism="SCRAM-SHA-256", user="u", password='a"\\b')
    told = access.of_java()
    assert told["security.protocol"] == "SASL_PLAINTEXT"
    assert told["sasl.mechanism"] == "SCRAM-SHA-256"
    assert told["sasl.jaas.config"] == (
        'org.apache.kafka.common.security.scram.ScramLoginModule required username="u" password="a\\"\\\\b";'
    )


def test_certificates_travel_as_text(tmp_path: Path) -> None:
    """A worker on another machine does not have our files."""
    ours = tmp_path / "ours.pem"
    ours.write_text("-----BEGIN THINGS-----")
    told = KafkaAccess("h:1", security="ssl", ca=str(ours), certificate=str(ours)).of_java()
    assert told["ssl.truststore.certificates"] == told["ssl.keystore.key"] == "-----BEGIN THINGS-----"
    with pytest.raises(InvalidInput, match="cannot be read as PEM"):
        KafkaAccess("h:1", security="ssl", ca=str(tmp_path / "none.pem")).of_java()


def test_a_locked_key_is_opened(tmp_path: Path) -> None:
    """Java cannot read what OpenSSL encrypts; with the wrong password that is said, not left to Java."""
    made = make_certificates(tmp_path)
    files = {"certificate": str(made.client), "key": str(made.client_key)}
    told = KafkaAccess("h:1", security="ssl", **files, key_password=KEY_PASSWORD).of_java()
    assert told["ssl.keystore.key"].startswith("-----BEGIN PRIVATE KEY-----")
    with pytest.raises(InvalidInput, match="does not open with LATENTWATCH_KAFKA_KEY_PASSWORD"):
        KafkaAccess("h:1", security="ssl", **files, key_password="another").of_java()
