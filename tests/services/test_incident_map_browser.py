"""The map of incidents in a real browser: groups left out, time that plays, a selection labelled and taken back, a link that is a view;
and 100,000 dots."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from benchmarks.explorer.drawing import measure_drawing
from latentwatch.alerts.database import open_database
from latentwatch.incident_placing import place_incidents_of
from tests.services.review_app import serving

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a map of incidents."""
    folder = tmp_path_factory.mktemp("mapped")
    with serving("tests.review.sketch", folder) as address:
        engine = open_database(f"sqlite:///{folder / 'review.db'}")
        assert place_incidents_of(engine, "pump") > 2
        engine.dispose()
        yield f"{address}/map/pump"


def test_a_view_is_chosen_acted_on_and_linked_to(mapped: str, page: Page) -> None:
    """All that is done on the map is in the address, and the address shows it again."""
    page.goto(f"{mapped}?by=entity")
    groups = page.locator(".group")
    expect(groups.first).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Select all shown").click()
    selected = page.get_by_role("heading", name="selected")
    everything = _first_number(selected.inner_text())
    groups.first.click()
    expect(groups.first).to_have_attribute("aria-pressed", "false")
    left = everything - _first_number(groups.first.locator(".muted").inner_text())
    expect(selected).to_have_text(f"{left} selected")
    page.get_by_role("button", name="Nearer").click()
    page.wait_for_url(lambda url: "hide=" in url and "around=" in url and "zoom=20+80" in url)
    page.goto(page.url)
    expect(selected).to_have_text(f"{left} selected")
    expect(groups.first).to_have_attribute("aria-pressed", "false")
    page.get_by_label("Cause").fill("a loose belt")
    page.get_by_role("button", name="True").click()
    expect(page.get_by_text("labelled true")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Taken back:")).to_be_visible()
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_text("Until 20")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    page.wait_for_url(lambda url: "until=" in url)


def test_both_layers_are_moved_by_the_keyboard(mapped: str, page: Page) -> None:
    """Zoomed about the middle, moved, and shown whole again."""
    page.goto(mapped)
    for layer, name in enumerate(("states", "incidents")):
        chart = page.locator(".chart.map").nth(layer)
        expect(chart).to_have_attribute("aria-label", re.compile(f"^map of {name}"))
        expect(chart.locator("canvas").first).to_be_visible()
        chart.focus()
        page.keyboard.press("+")
        page.keyboard.press("ArrowRight")
        assert _seen(chart) == [[32, 92], [20, 80]]
        page.keyboard.press("0")
        assert _seen(chart) == [[0, 100], [0, 100]]


def _seen(chart: Locator) -> list[list[int]]:
    """Percent of the map: from, to across; from, to upwards."""
    zoom = "(map) => getElement(Number(map.id.slice(1))).chart.getOption().dataZoom.map((z) => [z.start, z.end])"
    return [[round(each) for each in axis] for axis in chart.evaluate(zoom)]


def test_a_phone_has_room_for_it(mapped: str, page: Page) -> None:
    """Nothing is wider than the screen."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(mapped)
    page.get_by_role("button", name="Select all shown").click()
    expect(page.get_by_role("heading", name="selected")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_many_are_drawn_at_once() -> None:
    """100,000, within ten times what was measured, so that a busy machine passes and tracing each dot does not."""
    found = measure_drawing()
    assert found["draw_100k_ms"] < 7_000
    assert found["zoom_100k_ms"] < 2_000


def _first_number(text: str) -> int:
    return int(text.split()[0])
