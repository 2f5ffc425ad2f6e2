"""Who gets in: passwords, tokens, sessions, forged requests, names pointed at loopback."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from latentwatch.alerts.login_sessions import MOST, logins, open_login, revoke_logins
from latentwatch.alerts.session import reading
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import InvalidInput, NotFound
from latentwatch.review.access import Access
from latentwatch.review.app import create_api
from latentwatch.review.config import ReviewConfig, check_exposure
from latentwatch.review.guesses import Guesses
from latentwatch.review.login import COOKIE, RECHECK_SECONDS, SESSION_SECONDS

GUARDED = ReviewConfig(host="0.0.0.0", password="open sesame", token="t0ken")
HTML = {"accept": "text/html"}
SOCKET = "/_nicegui_ws/socket.io/?EIO=4"


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


def test_wrong_passwords_cost_growing_pauses(guarded: TestClient, clock: ManualClock):
    """Three guesses are free; then each wrong one doubles the pause, in which even the right one is not looked at."""
    waits = []
    for guess in range(8):
        clock.advance(waits[-1] if waits else 0)
        assert log_in(guarded, f"wrong {guess}").status_code == 401
        refused = log_in(guarded)
        if refused.status_code == 429:
            waits.append(int(refused.headers["retry-after"]))
            assert "Try again in" in refused.text
            assert guarded.get("/api/alerts").status_code == 401
        else:
            guarded.cookies.clear()
            assert log_in(guarded, f"wrong {guess}").status_code == 401  # the right one made them forgotten
            for more in ("a", "b"):
                log_in(guarded, more)
            waits.append(1)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128]
    clock.advance(128)
    assert log_in(guarded).status_code == 303


def test_one_address_keeps_no_other_out(engine: Engine, clock: ManualClock, tmp_path: Path):
    """However often one address guesses, of passwords and of tokens, another one logs in at once."""
    app = create_api(engine, GUARDED, str(tmp_path), clock)
    guesser, person = (
        TestClient(app, client=(address, 1), follow_redirects=False) for address in ("9.9.9.9", "8.8.8.8")
    )
    for guess in range(40):
        log_in(guesser, f"wrong {guess}")
        guesser.get("/api/alerts", headers={"authorization": f"Bearer wrong {guess}"})
    token = {"authorization": "Bearer t0ken"}
    assert [log_in(guesser).status_code, guesser.get("/api/alerts", headers=token).status_code] == [429, 429]
    assert [person.get("/api/alerts", headers=token).status_code, log_in(person).status_code] == [200, 303]


def test_an_old_token_sent_again_and_again_is_no_guessing(guarded: TestClient):
    """A program with a token of yesterday is refused, and pauses nobody that shares its address."""
    for _ in range(20):
        assert guarded.get("/api/alerts", headers={"authorization": "Bearer old"}).status_code == 401
    assert guarded.get("/api/alerts", headers={"authorization": "Bearer t0ken"}).status_code == 200
    assert log_in(guarded).status_code == 303


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:9.9.9.9", "9.9.9.9", True),
    ],
)
def test_an_ipv6_network_counts_as_one(clock: ManualClock, one: str, other: str, same: bool):
    """Whoever has a /64 does not guess from each of its addresses; an IPv4 address is one however it is written."""
    guesses = Guesses(clock)
    for guess in "abcd":
        guesses.wrong(one, guess)
    assert (guesses.pause(other) > 0) is same


def test_guessers_cannot_fill_the_memory(clock: ManualClock):
    """Of more addresses than can be remembered the oldest are forgotten, and an hour without a guess forgets each."""
    guesses = Guesses(clock)
    for number in range(10_050):
        for guess in "abc":
            guesses.wrong(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", guess)
    assert len(guesses._tallies) == 10_000
    assert guesses.pause("10.0.0.1") == 0
    assert guesses.pause("10.0.39.50") > 0
    clock.advance(3_601)
    guesses.wrong("10.0.39.50", "d")
    assert guesses.pause("10.0.39.50") == 0


@pytest.mark.parametrize(
    ("proxies", "forwarded", "pays"),
    [
        (("10.0.0.7",), "9.9.9.9", "9.9.9.9"),
        (("10.0.0.0/24",), "1.1.1.1, 9.9.9.9", "9.9.9.9"),
        ((), "9.9.9.9", "10.0.0.7"),
        (("10.0.0.8",), "9.9.9.9", "10.0.0.7"),
    ],
    ids=["trusted", "network, client lies", "none named", "another named"],
)
def test_forwarded_headers_are_believed_of_named_proxies_alone(
    engine: Engine, clock: ManualClock, tmp_path: Path, proxies: tuple[str, ...], forwarded: str, pays: str
):
    """Pauses count by the address a named proxy speaks for; a client that names another one itself gains nothing."""
    app = create_api(engine, replace(GUARDED, proxies=proxies), str(tmp_path), clock)
    proxy = TestClient(app, client=("10.0.0.7", 1), follow_redirects=False)
    proxy.headers.update({"x-forwarded-for": forwarded, "x-forwarded-proto": "https"})
    cookie = log_in(proxy).headers["set-cookie"].lower()
    assert ("; secure" in cookie) is (pays == "9.9.9.9")
    assert [one.address for one in logins(engine, clock.now())] == [pays]


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil.example", "/login", "x\ny"])
def test_login_never_leads_to_another_site(guarded: TestClient, target: str):
    """Only paths of this app are followed."""
    assert log_in(guarded, target=target).headers["location"] == "/"


def test_login_page_escapes_its_target(guarded: TestClient):
    """The address cannot put markup on the login page."""
    page = guarded.get("/login", params={"next": '/"><script>alert(1)</script>'})
    assert "<script>" not in page.text


def test_sessions_expire_and_cannot_be_made_up(guarded: TestClient, clock: ManualClock):
    """Another token, also one that is no text, is refused, and so is an old session."""
    log_in(guarded)
    good = guarded.cookies[COOKIE]
    guarded.cookies.clear()
    for forged in ("A" * 43, good[:-1], good + "A", "", ".", "é" * 43):
        assert guarded.get("/api/alerts", headers={"cookie": f"{COOKIE}={forged}".encode()}).status_code == 401
    assert guarded.get("/api/alerts", headers={"cookie": f"{COOKIE}={good}"}).status_code == 200
    clock.advance(SESSION_SECONDS + 1)
    assert guarded.get("/api/alerts", headers={"cookie": f"{COOKIE}={good}"}).status_code == 401


def test_a_session_is_random_and_only_its_hash_is_stored(guarded: TestClient, engine: Engine):
    """Two logins share nothing, and whoever reads the database finds no token in it."""
    tokens = []
    for _ in range(2):
        log_in(guarded)
        tokens.append(guarded.cookies[COOKIE])
        guarded.cookies.clear()
    assert len({token[:8] for token in tokens}) == 2
    with reading(engine) as session:
        stored = [[str(value) for value in row] for row in session.execute(text("SELECT * FROM login_sessions"))]
    assert len(stored) == 2
    assert not any(token in value for token in tokens for row in stored for value in row)


def test_logging_out_ends_the_session(guarded: TestClient, engine: Engine, clock: ManualClock):
    """The cookie is taken back and opens nothing any more, also where somebody has copied it; other sites cannot do that."""
    log_in(guarded)
    copied = {"cookie": f"{COOKIE}={guarded.cookies[COOKIE]}"}
    assert guarded.post("/logout", headers={"origin": "https://evil.example"}).status_code == 403
    answer = guarded.post("/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    guarded.cookies.clear()
    assert guarded.get("/api/alerts", headers=copied).status_code == 401
    assert logins(engine, clock.now()) == ()


def test_a_revoked_session_ends_within_seconds(guarded: TestClient, engine: Engine, clock: ManualClock):
    """Another process revokes it, as the command line does; the app asks again a moment later."""
    log_in(guarded)
    assert guarded.get("/api/alerts").status_code == 200
    assert revoke_logins(engine, [one.id for one in logins(engine, clock.now())]) == 1
    clock.advance(RECHECK_SECONDS)
    assert guarded.get("/api/alerts").status_code == 401
    with pytest.raises(NotFound, match="no session 77"):
        revoke_logins(engine, [77])


def test_sessions_say_when_they_were_used_and_are_bounded(guarded: TestClient, engine: Engine, clock: ManualClock):
    """The list shows use to within minutes; what has expired is not on it, nor more than a thousand."""
    log_in(guarded)
    clock.advance(600)
    guarded.get("/api/alerts")
    (used,) = logins(engine, clock.now())
    assert used.seen == clock.now()
    for number in range(MOST):
        open_login(engine, f"{number:064}", "9.9.9.9", "x" * 1_000, clock.now(), timedelta(days=1))
    found = logins(engine, clock.now())
    assert len(found) == MOST
    assert max(len(one.browser) for one in found) == 200
    clock.advance(86_401)
    assert len(logins(engine, clock.now())) <= 1


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


@pytest.mark.parametrize(
    "host", ["[::1", "a b", "[::1]:x", "localhost:99999999", "[:::::]", "evil@localhost", "localhost/x"]
)
def test_a_malformed_host_is_a_bad_request(guarded: TestClient, client: TestClient, host: str):
    """Whether or not there is a password, the sender is told, and the log has no traceback."""
    for one in (guarded, client):
        answer = one.get("/api/healthz", headers={"host": host})
        assert (answer.status_code, "Host header" in answer.json()["detail"]) == (400, True)


@pytest.mark.parametrize("origin", ["http://[::1", "http://", "evil", "http://a b", "http://localhost:x"])
def test_a_malformed_origin_is_a_bad_request(client: TestClient, origin: str):
    """An Origin that no browser sends is refused with what it should be."""
    answer = client.post("/api/alerts/1/close", json={"author": "Ada"}, headers={"origin": origin})
    assert (answer.status_code, "Origin header" in answer.json()["detail"]) == (400, True)


@pytest.mark.parametrize("headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}])
def test_the_live_connection_is_not_opened_for_other_sites(
    guarded: TestClient, client: TestClient, headers: dict[str, str]
):
    """Neither as a websocket nor by polling, which is a GET; logged in or on an app without a password."""
    log_in(guarded)
    for one, host in ((guarded, "review.example:8484"), (client, "localhost")):
        assert one.get(f"{SOCKET}&transport=polling", headers=headers).status_code == 403
        with (
            pytest.raises(WebSocketDisconnect) as refused,
            one.websocket_connect(f"ws://{host}{SOCKET}&transport=websocket", headers=headers),
        ):
            pass
        assert refused.value.code == 4403


def test_websockets_are_guarded_too(guarded: TestClient):
    """Without a session, or with a wrong token, the pages' live connection is refused."""
    for headers in ({}, {"authorization": "Bearer nope"}):
        with (
            pytest.raises(WebSocketDisconnect) as refused,
            guarded.websocket_connect(f"ws://review.example:8484{SOCKET}&transport=websocket", headers=headers),
        ):
            pass
        assert refused.value.code == 4403


def test_a_live_connection_ends_with_its_session(engine: Engine, clock: ManualClock):
    """What a page that is open shows stops once its session was revoked."""

    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        socket = WebSocket(scope, receive, send)
        await socket.accept()
        with suppress(WebSocketDisconnect):
            while True:
                await socket.send_text(await socket.receive_text())

    client = TestClient(Access(echo, engine, GUARDED, clock), "http://review.example", follow_redirects=False)
    log_in(client)
    with client.websocket_connect("ws://review.example/live") as socket:
        socket.send_text("ping")
        assert socket.receive_text() == "ping"
        revoke_logins(engine, None)
        clock.advance(RECHECK_SECONDS)
        socket.send_text("ping")
        with pytest.raises(WebSocketDisconnect) as ended:
            socket.receive_text()
    assert ended.value.code == 4403


def test_every_answer_forbids_framing_and_other_sites_code(client: TestClient):
    """Pages cannot be framed or load anything from elsewhere."""
    headers = client.get("/api/monitors").headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
