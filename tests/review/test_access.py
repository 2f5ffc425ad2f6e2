"""Who gets in: passwords, tokens, sessions, forged requests, names pointed at loopback."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import InvalidInput
from latentwatch.review.access import COOKIE, SESSION_SECONDS
from latentwatch.review.app import create_api
from latentwatch.review.config import ReviewConfig, check_exposure

GUARDED = ReviewConfig(host="0.0.0.0", password="open sesame", token="t0ken")
HTML = {"accept": "text/html"}


@pytest.fixture
def guarded(engine: Engine, client_of: Callable[..., TestClient]) -> TestClient:
    """A client of an app that asks for a password or token."""
    return client_of(engine, GUARDED, "http://review.example:8484")


def log_in(client: TestClient, password: str = "open sesame", target: str = "/alerts?status=any"):
    """Send the login form as a browser does."""
    return client.post(
        "/login",
        params={"next": target},
        content=f"password={password.replace(' ', '+')}",
        headers={"content-type": "application/x-www-form-urlencoded"},
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "review.example"])
def test_other_addresses_need_a_secret(engine: Engine, host: str):
    """Without password or token only loopback is allowed, and the refusal says what to set."""
    with pytest.raises(InvalidInput, match="LATENTWATCH_PASSWORD"):
        create_api(engine, ReviewConfig(host=host))


@pytest.mark.parametrize("config", [ReviewConfig(), ReviewConfig(host="::1"), ReviewConfig(host="0.0.0.0", token="x")])
def test_loopback_or_a_secret_is_enough(config: ReviewConfig):
    """The default needs nothing; elsewhere one secret will do."""
    check_exposure(config)


def test_secrets_stay_out_of_messages():
    """A config may be printed."""
    assert "sesame" not in repr(GUARDED)
    assert "t0ken" not in repr(GUARDED)


def test_without_login_pages_lead_to_it_and_the_api_refuses(guarded: TestClient):
    """A browser is sent to the login and back afterwards; a program gets 401 with a hint."""
    page = guarded.get("/alerts?status=any", headers=HTML)
    assert page.status_code == 303
    assert page.headers["location"] == "/login?next=/alerts%3Fstatus%3Dany"
    api = guarded.get("/api/alerts")
    assert api.status_code == 401
    assert api.headers["www-authenticate"] == "Bearer"
    assert guarded.get("/static/review.js").status_code == 401
    assert guarded.get("/api/healthz").status_code == 200


def test_login_opens_the_app(guarded: TestClient):
    """The right password sets a cookie that scripts cannot read and other sites do not send, and leads on."""
    answer = log_in(guarded)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/alerts?status=any"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert guarded.get("/api/alerts").status_code == 200


def test_wrong_passwords_are_refused_and_slowed(guarded: TestClient, clock: ManualClock):
    """A wrong password opens nothing; after twenty a minute even the right one has to wait."""
    for _ in range(20):
        assert log_in(guarded, "wrong").status_code == 401
    assert guarded.get("/api/alerts").status_code == 401
    assert log_in(guarded).status_code == 429
    clock.advance(61)
    assert log_in(guarded).status_code == 303


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil.example", "/login", "x\ny"])
def test_login_never_leads_to_another_site(guarded: TestClient, target: str):
    """Only paths of this app are followed."""
    assert log_in(guarded, target=target).headers["location"] == "/"


def test_login_page_escapes_its_target(guarded: TestClient):
    """The address cannot put markup on the login page."""
    page = guarded.get("/login", params={"next": '/"><script>alert(1)</script>'})
    assert "<script>" not in page.text


def test_sessions_expire_and_cannot_be_made_up(guarded: TestClient, clock: ManualClock):
    """A changed expiry or signature is refused, and so is an old session."""
    log_in(guarded)
    good = guarded.cookies[COOKIE]
    expires, _, signature = good.partition(".")
    guarded.cookies.clear()
    for forged in (f"{int(expires) + 1}.{signature}", f"{expires}.{'0' * 64}", "", ".", "é.x"):
        assert guarded.get("/api/alerts", headers={"cookie": f"{COOKIE}={forged}".encode()}).status_code == 401
    clock.advance(SESSION_SECONDS + 1)
    assert guarded.get("/api/alerts", headers={"cookie": f"{COOKIE}={good}"}).status_code == 401


def test_sessions_end_with_the_password(engine: Engine, guarded: TestClient, client_of: Callable[..., TestClient]):
    """They outlive a restart, but not a new password."""
    log_in(guarded)
    cookie = {"cookie": f"{COOKIE}={guarded.cookies[COOKIE]}"}
    same = client_of(engine, GUARDED, "http://review.example:8484")
    assert same.get("/api/alerts", headers=cookie).status_code == 200
    other = client_of(engine, ReviewConfig(host="0.0.0.0", password="new", token="t0ken"), "http://review.example:8484")
    assert other.get("/api/alerts", headers=cookie).status_code == 401


def test_bearer_tokens(guarded: TestClient):
    """The token opens the API; another one, an empty one or the password do not."""
    assert guarded.get("/api/alerts", headers={"authorization": "Bearer t0ken"}).status_code == 200
    for wrong in ("Bearer", "Bearer ", "Bearer nope", "Basic t0ken", "Bearer open sesame"):
        assert guarded.get("/api/alerts", headers={"authorization": wrong}).status_code == 401


def test_without_a_token_no_bearer_gets_in(engine: Engine, client_of: Callable[..., TestClient]):
    """An app with a password alone has no token that could be guessed, not even an empty one."""
    client = client_of(engine, ReviewConfig(host="0.0.0.0", password="p"), "http://review.example")
    assert client.get("/api/alerts", headers={"authorization": "Bearer "}).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_other_sites_cannot_act(client: TestClient, engine: Engine, headers: dict[str, str]):
    """A request that a page of another site sent changes nothing, even where no password is set."""
    answer = client.post("/api/alerts/1/close", json={"author": "Mallory"}, headers=headers)
    assert answer.status_code == 403
    assert client.get("/api/alerts/1").json()["alert"]["status"] == "open"


def test_own_pages_and_programs_can_act(client: TestClient):
    """The app's own pages say where they come from, programs say nothing; both may act."""
    own = {"origin": "http://localhost", "sec-fetch-site": "same-origin"}
    assert client.post("/api/alerts/1/acknowledge", json={"author": "Ada"}, headers=own).status_code == 200
    assert client.post("/api/alerts/1/close", json={"author": "Ada"}).status_code == 200


def test_a_name_pointed_at_loopback_is_not_this_app(engine: Engine, client_of: Callable[..., TestClient]):
    """Without a password, a site whose name resolves to 127.0.0.1 reads nothing."""
    assert client_of(engine, None, "http://evil.example:8484").get("/api/alerts").status_code == 421
    for name in ("127.0.0.1:8484", "localhost:8484", "[::1]:8484"):
        assert client_of(engine, None, f"http://{name}").get("/api/alerts").status_code == 200


def test_websockets_are_guarded_too(guarded: TestClient):
    """Without a session, or from another site, the pages' live connection is refused."""
    for headers in ({}, {"origin": "https://evil.example", "authorization": "Bearer nope"}):
        with (
            pytest.raises(WebSocketDisconnect) as refused,
            guarded.websocket_connect("/_nicegui_ws/socket.io/?EIO=4&transport=websocket", headers=headers),
        ):
            pass
        assert refused.value.code == 4403


def test_every_answer_forbids_framing_and_other_sites_code(client: TestClient):
    """Pages cannot be framed or load anything from elsewhere."""
    headers = client.get("/api/monitors").headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
