"""The pages in a real browser: keys, labels, charts, a phone, a database that goes away and comes back."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import text

from latentwatch.alerts.database import open_database
from latentwatch.alerts.tables import MonitorRow, Row
from latentwatch.domain.clock import SystemClock
from tests.review.sketch import draw
from tests.services.review_app import serving


@dataclass(frozen=True)
class Review:
    """A running review app."""

    address: str
    database: Path

    def asks(self, question: str) -> list[tuple[object, ...]]:
        """Rows of the app's database."""
        engine = open_database(f"sqlite:///{self.database}")
        with engine.connect() as connection:
            rows = [tuple(row) for row in connection.execute(text(question))]
        engine.dispose()
        return rows


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Review]:
    """The app in a process of its own."""
    tmp_path = tmp_path_factory.mktemp("review")
    with serving("tests.review.sketch", tmp_path) as address:
        yield Review(address, tmp_path / "review.db")


@pytest.fixture
def review(running: Review) -> Review:
    """The app over a database drawn anew."""
    engine = open_database(f"sqlite:///{running.database}")
    with engine.begin() as connection:
        connection.execute(MonitorRow.__table__.delete())  # or the database keeps what people said
        for table in reversed(Row.metadata.sorted_tables):
            connection.execute(table.delete())
    draw(engine, SystemClock())
    engine.dispose()
    return running


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """What the page writes to the browser's console as an error or warning."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    return said


def test_the_inbox_works_from_the_keyboard(review: Review, page: Page, complaints: list[str]):
    """j moves, a acknowledges, f labels, Enter opens, Escape goes back; every key lands in the database."""
    page.goto(f"{review.address}/alerts")
    rows = page.locator(".inbox tbody tr")
    expect(rows).to_have_count(3)
    page.keyboard.press("j")
    expect(rows.nth(0)).to_have_class("now")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(rows.nth(0)).to_have_class("now")
    page.keyboard.press("a")
    expect(page.get_by_text("Alert 3 acknowledged.")).to_be_visible()
    expect(rows.nth(0)).to_contain_text("acknowledged")
    page.keyboard.press("j")
    page.keyboard.press("f")
    expect(rows).to_have_count(2)
    assert review.asks("SELECT alert_id, verdict, author FROM labels") == [(2, "false", "unnamed")]
    assert review.asks("SELECT status FROM alerts ORDER BY id") == [("open",), ("closed",), ("acknowledged",)]
    page.keyboard.press("j")
    expect(rows.nth(1)).to_have_class("now")  # the one that took the place of the labelled one
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.locator("[data-alert-page]")).to_be_visible()
    page.keyboard.press("Escape")
    expect(rows).to_have_count(2)
    page.keyboard.press("?")
    expect(page.locator("dialog#keys")).to_be_visible()
    page.keyboard.press("?")
    expect(page.locator("dialog#keys")).to_be_hidden()
    assert complaints == []


def test_an_incident_is_put_off_assigned_and_commented(review: Review, page: Page, complaints: list[str]):
    """s and a number, m and a name, c and a text; z takes back what can be; on a phone by touch alone."""
    page.goto(f"{review.address}/alerts")
    rows = page.locator(".inbox tbody tr")
    expect(rows).to_have_count(3)
    page.keyboard.press("j")
    page.keyboard.press("s")
    expect(page.get_by_role("dialog", name="Snooze")).to_be_visible()
    page.keyboard.press("2")
    expect(page.get_by_text("Alert 3 snoozed until")).to_be_visible()
    expect(rows).to_have_count(2)
    page.keyboard.press("z")
    expect(rows).to_have_count(3)
    page.keyboard.press("m")
    page.get_by_label("To", exact=True).fill("Bo")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Alert 3 assigned to Bo.")).to_be_visible()
    expect(rows.nth(0)).to_contain_text("open, Bo")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{review.address}/alerts/3")
    page.get_by_role("button", name="Comment").click()
    page.get_by_label("What the next one should know").fill("a new valve")
    page.get_by_role("dialog").get_by_role("button", name="Comment").click()
    expect(page.locator(".timeline").filter(has_text="a new valve")).to_be_visible()
    page.get_by_role("button", name="Snooze").click()
    page.get_by_role("button", name="1 hour").click()
    expect(page.get_by_text("snoozed until").first).to_be_visible()
    assert review.asks("SELECT status, assignee FROM alerts WHERE id = 3") == [("snoozed", "Bo")]
    assert complaints == []


def test_several_incidents_are_labelled_at_once_and_taken_back(review: Review, page: Page, complaints: list[str]):
    """x chooses two, one button labels both, z takes it back; then they are put together and one is split off again."""
    page.goto(f"{review.address}/alerts")
    rows = page.locator(".inbox tbody tr")
    for _ in range(2):
        page.keyboard.press("j")
        page.keyboard.press("x")
    expect(page.locator("[data-chosen]")).to_have_text("2")
    page.get_by_role("button", name="False alarm").click()
    expect(page.get_by_text("2 alerts labelled as false alarm")).to_be_visible()
    expect(rows).to_have_count(1)
    page.keyboard.press("z")
    expect(page.get_by_text("Taken back: 2 alerts are as before.")).to_be_visible()
    expect(rows).to_have_count(3)
    boxes = page.locator(".inbox .pick input")
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_role("button", name="Put together").click()
    expect(rows).to_have_count(2)
    page.locator("tr[data-href^='/incidents/'] a").first.click()
    expect(page.locator("[data-incident-page]")).to_be_visible()
    expect(rows).to_have_count(2)
    boxes.nth(0).check()
    page.get_by_role("button", name="They do not belong here").click()
    expect(page.get_by_text("1 of the alerts are now incident")).to_be_visible()
    assert complaints == []


def test_the_way_back_keeps_the_filters(review: Review, page: Page):
    """From an alert, 'Alerts' leads to the list as it was left, and to the whole list where there is none."""
    page.goto(f"{review.address}/alerts?status=any")
    page.locator("[data-href='/alerts/1']").first.click()
    page.locator("a[data-back]").click()
    expect(page).to_have_url(f"{review.address}/alerts?status=any")
    page.goto(f"{review.address}/alerts/1")
    page.locator("a[data-back]").click()
    expect(page).to_have_url(f"{review.address}/alerts")


def test_filters_live_in_the_address(review: Review, page: Page):
    """Choosing a filter changes list and address, and the address alone gives the same list again."""
    page.goto(f"{review.address}/alerts")
    rows = page.locator(".inbox tbody tr")
    expect(rows).to_have_count(3)
    page.get_by_label("Severity").select_option("critical")
    expect(rows).to_have_count(1)
    page.wait_for_url("**/alerts?severity=critical")
    page.reload()
    expect(rows).to_have_count(1)
    expect(page.get_by_label("Severity")).to_have_value("critical")
    page.get_by_label("Entity").fill("nobody")
    expect(page.get_by_text("No alert matches these filters.")).to_be_visible()


def test_a_verdict_with_cause_and_note_lands(review: Review, page: Page, complaints: list[str]):
    """The form writes verdict, author, cause and note; the page shows them; a hostile note stays text."""
    page.goto(f"{review.address}/alerts/3")
    expect(page.locator(".nicegui-echart canvas").first).to_be_visible()
    form = page.locator("form[data-label]")
    form.get_by_label("Cause").fill("valve")
    form.get_by_label("Note").fill("<b onclick=alert(1)>stuck</b>")
    form.get_by_label("Your name").fill("Ada")
    page.get_by_role("button", name="True").click()
    expect(page.get_by_text("stays out of the next training data")).to_be_visible()
    expect(page.get_by_text("<b onclick=alert(1)>stuck</b>").first).to_be_visible()
    rows = review.asks("SELECT verdict, author, cause, note FROM labels WHERE alert_id = 3")
    assert rows == [("true", "Ada", "valve", "<b onclick=alert(1)>stuck</b>")]
    assert page.title() == "Alert 3 · Latentwatch"
    assert complaints == []


def test_a_long_text_leaves_the_other_columns_in_sight(review: Review, page: Page):
    """A record's text may be a page long; what was expected in its place stands beside it, not screens to the right."""
    page.goto(f"{review.address}/alerts/3")
    for table in ("evidence", "resembles"):
        cell = page.locator(f".{table} tbody tr").first.locator("td.n b").last
        cell.evaluate("cell => { cell.textContent = 'every word of it '.repeat(40) + 'x'.repeat(60); }")
        wrapper = page.locator(f".wide:has(> .{table})").first
        assert wrapper.evaluate("box => box.scrollWidth <= box.clientWidth"), table


def test_times_are_the_viewers(review: Review, browser: Browser):
    """Times show the viewer's zone, with UTC on hover."""
    context = browser.new_context(timezone_id="Asia/Kolkata")
    page = context.new_page()
    page.goto(f"{review.address}/alerts/3")
    time = page.locator("[data-alert-page] time").first
    expect(time).to_have_attribute("data-local", "1")
    shown, utc = time.inner_text()[-8:], (time.get_attribute("title") or "")[11:19]
    minutes = [int(clock[:2]) * 60 + int(clock[3:5]) for clock in (shown, utc)]
    assert (minutes[0] - minutes[1]) % 1440 == 330
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_never_scrolls_sideways(review: Review, browser: Browser, scheme: str):
    """At phone width every page fits, and its scripts stay silent, in light and in dark."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme, has_touch=True)  # type: ignore[arg-type]
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    for path in ("/", "/alerts", "/alerts/3", "/live/pump", "/map/pump", "/models/pump", "/dead-letters/pump"):
        page.goto(review.address + path)
        expect(page.locator("h1").first).to_be_visible()
        page.wait_for_function("document.querySelector('.pill') !== null")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
    assert said == []
    context.close()


def test_a_phone_shows_what_became_of_a_verdict(review: Review, browser: Browser):
    """The form is screens below the page's head, where nobody would read that nothing was saved."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.goto(f"{review.address}/alerts/3")
    form = page.locator("form[data-label]")
    form.get_by_role("button", name="Save beside the verdict").click()
    expect(page.get_by_text("choose true, false alarm or unsure first")).to_be_in_viewport()
    page.get_by_role("button", name="True").click()
    expect(page.get_by_text("stays out of the next training data")).to_be_in_viewport()
    form.get_by_label("Cause").fill("pump")
    form.get_by_role("button", name="Save beside the verdict").click()
    expect(page.get_by_text("pump", exact=True).first).to_be_visible()
    context.close()


def test_live_moves_and_pauses(review: Review, page: Page, complaints: list[str]):
    """A new record appears by itself; while paused none does."""
    page.goto(f"{review.address}/live/pump?entity=rig-a")
    expect(page.locator(".nicegui-echart canvas").first).to_be_visible()
    expect(page.get_by_text("300 sampled records")).to_be_visible()
    newest = page.locator("time").last
    before = newest.get_attribute("datetime")
    _add_record(review)
    expect(newest).not_to_have_attribute("datetime", before or "")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("this picture does not")).to_be_visible()
    assert complaints == []


def _add_record(review: Review) -> None:
    engine = open_database(f"sqlite:///{review.database}")
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE trace SET time = (SELECT datetime(max(time), '+5 seconds') || '.000000' FROM trace)"
                " WHERE time = (SELECT min(time) FROM trace)"
            )
        )
    engine.dispose()


def test_a_selection_on_the_map_lists_its_records(review: Review, page: Page, complaints: list[str]):
    """Drawing a box over the flagged records lists them with links to their alerts."""
    page.goto(f"{review.address}/map/pump")
    chart = page.locator(".chart.map")
    expect(chart.locator("canvas").first).to_be_visible()
    box = chart.bounding_box()
    assert box is not None
    for step in range(200):  # the brush is in hand once the cursor over the map says so
        page.mouse.move(box["x"] + 10, box["y"] + 50 + step % 2)
        if page.evaluate("document.querySelector('.chart.map canvas').parentElement.style.cursor") == "crosshair":
            break
        page.wait_for_timeout(50)
    page.mouse.move(box["x"] + 10, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 10, box["y"] + box["height"] - 10, steps=5)
    page.mouse.up()
    expect(page.get_by_text("22 selected records")).to_be_visible()
    page.get_by_role("link", name="alert 2").click()
    expect(page.locator("[data-alert-page='2']")).to_be_visible()
    assert complaints == []


def test_a_database_that_goes_away_is_said_and_survived(review: Review, page: Page):
    """The page says so, keeps what it knew, and recovers by itself without a reload."""
    page.goto(f"{review.address}/")
    expect(page.get_by_text("3 incidents wait for you")).to_be_visible()
    engine = open_database(f"sqlite:///{review.database}")
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE monitors RENAME TO hidden"))
    notice = page.get_by_text("The database does not answer.")
    expect(notice).to_be_visible()
    expect(page.get_by_text("3 incidents wait for you")).to_be_visible()
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE hidden RENAME TO monitors"))
    engine.dispose()
    expect(notice).to_have_count(0)
