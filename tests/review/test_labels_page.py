"""What labels say, on its page and by HTTP; names that people typed stay text."""

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from latentwatch.alerts.reading import alert_detail
from latentwatch.alerts.reviewing import label
from latentwatch.domain.alert import Verdict
from latentwatch.review.filters import View
from latentwatch.review.pages.inbox import inbox_markup
from latentwatch.review.pages.labels import labels_markup
from latentwatch.review.room import Room
from latentwatch.review.templating import render
from tests.review.sketch import EVIL


def test_the_page_counts_by_week_reviewer_and_cause(room: Room, engine: Engine):
    """Its headline, its lists, and a link to what people disagree about."""
    assert "Nobody has judged an alert yet" in labels_markup(room, "none")
    label(engine, 1, Verdict.TRUE, "ada", cause=EVIL, clock=room.clock)
    label(engine, 1, Verdict.FALSE, EVIL, clock=room.clock)
    label(engine, 2, Verdict.TRUE, "ada", clock=room.clock)
    page = labels_markup(room, "pump")
    assert "50 % of the judged alerts were real" in page
    assert "week of" in page
    assert EVIL not in page
    assert "verdict=disputed" in page


def test_a_dispute_is_shown_where_the_alert_is(room: Room, engine: Engine):
    """In the list, and on the alert's page with who says what."""
    label(engine, 1, Verdict.TRUE, "ada", clock=room.clock)
    label(engine, 1, Verdict.FALSE, "ben", clock=room.clock)
    _, table = inbox_markup(room, View(status="any", verdict="disputed"))
    assert 'href="/alerts/1"' in table
    assert "disputed" in table
    assert table.count("data-incident=") == 1
    detail = alert_detail(engine, 1)
    assert detail is not None
    side = render(
        "alert_side.html", alert=detail.alert, peak=detail.peak, previous=(), events=(), labels=detail.labels,
        opened=detail.opened, former=(),
    )  # fmt: skip
    assert "ada says it was real, ben that it was a false alarm" in side


def test_programs_read_the_same(client: TestClient, engine: Engine):
    """Of all monitors or of one; an unknown one has no alerts."""
    label(engine, 1, Verdict.TRUE, "ada")
    body = client.get("/api/precision?weeks=104").json()
    assert (body["total"]["confirmed"], body["total"]["precision"], body["recall"]) == (1, 1.0, 1.0)
    assert body["reviewers"][0]["name"] == "ada"
    assert len(body["weeks"]) == 104
    assert client.get("/api/precision?monitor=none").json()["total"]["confirmed"] == 0
    assert client.get("/api/precision?weeks=0").status_code == 422


@pytest.mark.parametrize("address", ["/api/alerts", "/api/incidents"])
def test_the_order_and_the_filter_are_asked_for_by_name(client: TestClient, address: str):
    """What teaches most first; what is disputed."""
    assert client.get(f"{address}?order=teaching").json()["total"] == 3
    assert client.get(f"{address}?verdict=disputed").json()["total"] == 0
    assert client.get(f"{address}?order=none").status_code == 422
