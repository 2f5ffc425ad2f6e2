"""Channels through Apprise, against a real web server on this machine."""

import json
import socketserver
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from email import message_from_string
from email.header import decode_header, make_header
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from latentwatch.alerts.channels import open_channels
from latentwatch.alerts.outbox import Notification
from latentwatch.domain.alert import Severity
from latentwatch.domain.errors import InvalidInput, Unavailable
from tests.alerts.build import START

# Apprise's e-mail plugin imports it on Pythons that still have it.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

MESSAGE = Notification(
    1, "pump", 42, "oncall", "alert-42-opened-oncall", Severity.HIGH, "[high] pump: not normal", "Alert 42", 1, START
)


@dataclass
class Webhook:
    """A receiver of JSON messages that answers with the status it is told to."""

    address: str = ""
    status: int = 200
    received: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A running receiver."""
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    hook.address = f"json://127.0.0.1:{server.server_port}/"
    yield hook
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class Mail:
    """A mail server that keeps what it is given."""

    address: str = ""
    received: list[str] = field(default_factory=list)


@pytest.fixture
def mail() -> Iterator[Mail]:
    """A running server that speaks as much SMTP as it takes to be given a message."""
    box = Mail()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 ready\r\n")
            while line := self.rfile.readline():
                word = line.split()[0].upper() if line.split() else b""
                if word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = list(iter(self.rfile.readline, b".\r\n"))
                    box.received.append(b"".join(lines).decode())
                self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
                if word == b"QUIT":
                    return

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.server_address[1]
        box.address = f"mailto://127.0.0.1:{port}/?to=night@example.org&from=watch@example.org&mode=insecure"
        yield box
        server.shutdown()
        thread.join()


def test_a_message_arrives(webhook: Webhook) -> None:
    """Title, body, link and dedupe key reach the receiver."""
    open_channels({"oncall": webhook.address}, "http://127.0.0.1:8484/")["oncall"].send(MESSAGE)
    (received,) = webhook.received
    assert received["title"] == MESSAGE.title
    assert received["message"].splitlines() == [
        "Alert 42",
        "http://127.0.0.1:8484/alerts/42",
        f"({MESSAGE.dedupe_key})",
    ]


def test_a_message_about_a_model_leads_to_the_models(webhook: Webhook) -> None:
    """Without an alert there is no alert's page to open."""
    open_channels({"oncall": webhook.address}, "http://127.0.0.1:8484/")["oncall"].send(replace(MESSAGE, alert=None))
    assert "http://127.0.0.1:8484/models" in webhook.received[0]["message"].splitlines()


def test_severity_decides_the_kind_of_message(webhook: Webhook) -> None:
    """What Apprise colours by, or wakes people by, follows the alert's severity."""
    (channel,) = open_channels({"oncall": webhook.address}).values()
    for severity in Severity:
        channel.send(replace(MESSAGE, severity=severity))
    assert [received["type"] for received in webhook.received] == ["info", "warning", "failure", "failure"]


def test_a_webhook_gets_the_key_and_the_occasion(webhook: Webhook) -> None:
    """As fields of their own: one key from open to over, and what is said now."""
    channel = open_channels({"oncall": webhook.address + "?:team=night"}, "http://127.0.0.1:8484/")["oncall"]
    for occasion in ("opened", "over"):
        channel.send(replace(MESSAGE, key="alert-pump-plant.pump[0]@7 & more", occasion=occasion))
    opened, over = webhook.received
    assert (opened["key"], opened["occasion"], opened["team"]) == (
        "alert-pump-plant.pump[0]@7 & more",
        "opened",
        "night",
    )
    assert (over["key"], over["occasion"], over["severity"]) == (opened["key"], "over", "high")
    assert (opened["id"], opened["link"]) == (MESSAGE.dedupe_key, "http://127.0.0.1:8484/alerts/42")


def test_mails_of_one_incident_are_one_thread(mail: Mail) -> None:
    """They refer to one message, and say the key in a header."""
    channel = open_channels({"oncall": mail.address})["oncall"]
    for occasion in ("opened", "over"):
        channel.send(replace(MESSAGE, key="alert-pump-plant.pump[0]@7", occasion=occasion))
    opened, over = (message_from_string(text) for text in mail.received)
    assert opened["References"] == over["References"]
    assert str(opened["References"]).endswith("@latentwatch>")
    assert opened["X-Latentwatch-Key"] == "alert-pump-plant.pump[0]@7"
    assert MESSAGE.title in str(make_header(decode_header(str(opened["Subject"]))))


def test_a_refusal_is_a_passing_fault(webhook: Webhook) -> None:
    """A receiver that answers with an error makes the message be tried again."""
    webhook.status = 503
    with pytest.raises(Unavailable, match="'oncall' did not take"):
        open_channels({"oncall": webhook.address})["oncall"].send(MESSAGE)
    assert len(webhook.received) == 1


def test_an_address_of_no_known_kind_is_refused() -> None:
    """A mistyped address is named when channels are opened, without its secrets."""
    with pytest.raises(InvalidInput, match=r"'oncall'.*'slakc://'") as refused:
        open_channels({"oncall": "slakc://token-a/token-b"})
    assert "token" not in str(refused.value)


def test_absent_apprise_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Apprise is not installed, opening a channel says what to install."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(InvalidInput, match=r"latentwatch\[notify\]"):
        open_channels({"oncall": "json://127.0.0.1"})
