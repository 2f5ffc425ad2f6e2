"""TLS and SASL against a real broker, with either client, from the settings: in with the right words, out with the wrong."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from uuid import uuid4

import pytest
from kafka import KafkaProducer
from typer.testing import CliRunner

from deploy.services.kafka import KafkaBroker, Listener
from deploy.services.process import free_port
from latentwatch.cli import app
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.monitor import Monitor, parse_monitor
from latentwatch.settings import load_settings
from latentwatch.streams.kafka.access import Client
from latentwatch.streams.ports import Source
from latentwatch.streams.sources.opening import open_source
from tests.services.certificates import KEY_PASSWORD, Certificates, make_certificates
from tests.services.conftest import create_topic
from tests.streams.contract import await_partitions, read
from tests.streams.stage import record

TOPIC, USER, PASSWORD = "guarded", "watch", "a 'difficult' password"
_MODULE = "org.apache.kafka.common.security"


@dataclass(frozen=True)
class Guarded:
    """A broker with a listener for each way in."""

    broker: KafkaBroker
    certificates: Certificates
    ports: dict[str, int]


@pytest.fixture(scope="module")
def guarded(services_folder: Path) -> Iterator[Guarded]:
    """Listeners TLS, MUTUAL (asks for our certificate), SASL (every mechanism, within TLS) and OPEN (SASL without TLS)."""
    folder = services_folder / f"kafka-{uuid4().hex[:8]}"
    certificates = make_certificates(folder / "certificates")
    protocols = {"TLS": "SSL", "MUTUAL": "SSL", "SASL": "SASL_SSL", "OPEN": "SASL_PLAINTEXT"}
    ports = {name: free_port() for name in protocols}
    properties = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(certificates.server),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificates.authority),
        "listener.name.mutual.ssl.client.auth": "required",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
    }
    for name in ("sasl", "open"):
        plain = f'{_MODULE}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        properties[f"listener.name.{name}.plain.sasl.jaas.config"] = plain
        for mechanism in ("scram-sha-256", "scram-sha-512"):
            scram = f"{_MODULE}.scram.ScramLoginModule required;"
            properties[f"listener.name.{name}.{mechanism}.sasl.jaas.config"] = scram
    listeners = [Listener(name, ports[name], ports[name], protocol) for name, protocol in protocols.items()]
    broker = KafkaBroker(folder, listeners, properties).start()
    try:
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            secret = f"{mechanism}=[password={PASSWORD}]"
            where = ["--bootstrap-server", broker.address, "--entity-type", "users", "--entity-name", USER]
            broker.tool("kafka.admin.ConfigCommand", *where, "--alter", "--add-config", secret)
        create_topic(broker.address, TOPIC)
        producer = KafkaProducer(bootstrap_servers=broker.address)
        for number in range(20):
            producer.send(TOPIC, record(number), partition=0)
        producer.close()
        yield Guarded(broker, certificates, ports)
    finally:
        broker.kill()
        shutil.rmtree(folder)


def settle(guarded: Guarded, listener: str, monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """Set the environment of a process that is to enter by a listener."""
    monkeypatch.setenv("LATENTWATCH_KAFKA", f"127.0.0.1:{guarded.ports[listener]}")
    for name, value in variables.items():
        monkeypatch.setenv(f"LATENTWATCH_KAFKA_{name}", value)


def watched() -> Monitor:
    """A monitor of the guarded topic, in a group of its own."""
    source = f"source: {{kafka: {{topic: {TOPIC}, group: test-{uuid4().hex[:8]}}}}}\n"
    return parse_monitor(f"name: pump\n{source}record: {{features: {{a: numeric, b: numeric}}}}\n")


def enter(client: Client, patience_seconds: float = 30.0) -> Source:
    """The source as `latentwatch score` opens it."""
    kafka = load_settings().kafka_access()
    return open_source(
        watched(), SystemClock(), Event(), kafka=kafka, client=client, patience_seconds=patience_seconds
    )[0]


def ways(certificates: Certificates) -> dict[str, tuple[str, dict[str, str]]]:
    """Each way in: its listener, and what to set."""
    trusted = {"CA": str(certificates.authority)}
    known = {"USER": USER, "PASSWORD": PASSWORD}
    own = {"CERTIFICATE": str(certificates.client), "KEY": str(certificates.client_key), "KEY_PASSWORD": KEY_PASSWORD}
    sasl = {"SECURITY": "sasl_ssl", **trusted, **known}
    return {
        "tls": ("TLS", {"SECURITY": "ssl", **trusted}),
        "mutual": ("MUTUAL", {"SECURITY": "ssl", **trusted, **own}),
        "plain": ("SASL", {**sasl, "MECHANISM": "PLAIN"}),
        "scram-256": ("SASL", {**sasl, "MECHANISM": "SCRAM-SHA-256"}),
        "scram-512": ("SASL", {**sasl, "MECHANISM": "SCRAM-SHA-512"}),
        "open": ("OPEN", {"SECURITY": "sasl_plaintext", **known, "MECHANISM": "SCRAM-SHA-512"}),
    }


@pytest.mark.parametrize("client", ["kafka-python", "confluent"])
@pytest.mark.parametrize("way", ["tls", "mutual", "plain", "scram-256", "scram-512", "open"])
def test_the_right_words_let_us_in(guarded: Guarded, monkeypatch: pytest.MonkeyPatch, client: Client, way: str) -> None:
    """Records are read by every way in that the settings can name."""
    listener, variables = ways(guarded.certificates)[way]
    settle(guarded, listener, monkeypatch, **variables)
    source = enter(client)
    try:
        await_partitions(source)
        source.seek(0, 0)
        assert read(source, 20) == list(range(20))
    finally:
        source.close()


@pytest.mark.parametrize("client", ["kafka-python", "confluent"])
@pytest.mark.parametrize("way", ["plain", "scram-256", "scram-512"])
def test_a_wrong_password_is_one_clear_error(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch, client: Client, way: str
) -> None:
    """Waiting cannot help, so nobody waits; the password is not in the message."""
    listener, variables = ways(guarded.certificates)[way]
    settle(guarded, listener, monkeypatch, **{**variables, "PASSWORD": "not it"})
    clock = SystemClock()
    started = clock.monotonic()
    with pytest.raises(InvalidInput, match=r"refuses us .*LATENTWATCH_KAFKA_SECURITY, _MECHANISM, _USER") as caught:
        enter(client, patience_seconds=12.0)
    assert clock.monotonic() - started < 20.0
    assert "not it" not in str(caught.value)


@pytest.mark.parametrize("client", ["kafka-python", "confluent"])
def test_an_authority_we_do_not_trust_is_named(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    """A broker whose certificate somebody else signed is not spoken to, and the error says that it is the certificate."""
    settle(guarded, "TLS", monkeypatch, SECURITY="ssl", CA=str(guarded.certificates.stranger))
    with pytest.raises(InvalidInput, match=r"refuses us .*(?i:certificate)"):
        enter(client, patience_seconds=1.0)


@pytest.mark.parametrize("client", ["kafka-python", "confluent"])
def test_a_demand_for_our_certificate_is_named(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    """A broker that asks for a certificate which nobody gave us says so only once the handshake is done."""
    settle(guarded, "MUTUAL", monkeypatch, SECURITY="ssl", CA=str(guarded.certificates.authority))
    with pytest.raises(InvalidInput, match=r"refuses us .*certificate.* LATENTWATCH_KAFKA_CERTIFICATE"):
        enter(client, patience_seconds=12.0)


def test_doctor_goes_the_same_way(guarded: Guarded, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the credentials of the settings, the password from a file; without them it says what is refused."""
    monitor, secret = tmp_path / "pump.yaml", tmp_path / "secret"
    monitor.write_text(f"name: pump\nsource: {{kafka: {{topic: {TOPIC}}}}}\nrecord: {{features: {{a: numeric}}}}\n")
    listener, variables = ways(guarded.certificates)["scram-512"]
    settle(guarded, listener, monkeypatch, **{name: value for name, value in variables.items() if name != "PASSWORD"})

    def finding(password: str) -> dict[str, str]:
        secret.write_text(password + "\n")
        monkeypatch.setenv("LATENTWATCH_KAFKA_PASSWORD_FILE", str(secret))
        result = CliRunner().invoke(app, ["doctor", str(monitor), "--only", "kafka", "--json"])
        (found,) = json.loads(result.stdout)["findings"]
        return dict(found)

    assert finding(PASSWORD)["state"] == "fine"
    assert finding("not it")["state"] == "failure"
    assert "refuses us" in finding("not it")["detail"]
