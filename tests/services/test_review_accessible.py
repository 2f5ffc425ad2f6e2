"""Every page by axe-core: light and dark, at a desk and on a phone, with data and empty."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from latentwatch.alerts.database import open_database
from latentwatch.alerts.reading import AlertFilter, incident_inbox
from latentwatch.domain.clock import SystemClock
from tests.review.scene import ODD_ENTITY, PLANT, decisions, empty_scene, full_scene
from tests.services.review_app import serving

pytestmark = pytest.mark.long

GRAVE = ("serious", "critical")
SIZES = ({"width": 1280, "height": 900}, {"width": 390, "height": 844})
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WITH_DATA = {
    "/": "table.overview",
    "/alerts": ".inbox tbody tr",
    "/alerts?status=any&severity=critical&entity=nobody": ".empty",
    "/alerts/{alert}": "h2:text('Seen before')",
    "/incidents/{incident}": ".members",
    "/compare/{alert}/{other}": "svg.compared",
    "/compare/incidents/{incident}/{other_incident}": "svg.compared",
    "/exceptions": "table.stack",
    "/silences": "table.stack",
    "/labels": "h1",
    "/live/plant": "canvas",
    "/live/plant?entity={odd}": "canvas",
    "/models/plant": "table",
    "/models/kiln": ".empty",
    "/map/plant": ".sliders",
    "/map/kiln": ".empty",
    "/segments/plant": "table.plain",
    "/segments/kiln": ".empty",
    "/dead-letters/plant": "table.stack",
    "/dead-letters/kiln": ".empty",
}
"""What is there once a page is drawn, by the page's address."""
EMPTY = {
    "/": "h1",
    "/alerts": ".empty",
    "/alerts/1": ".empty",
    "/incidents/1": ".empty",
    "/compare/1/2": ".empty",
    "/compare/incidents/1/2": ".empty",
    "/exceptions": ".empty",
    "/silences": ".empty",
    "/labels": "h1",
    "/live": ".empty",
    "/models": ".empty",
    "/map": ".empty",
    "/segments": ".empty",
    "/dead-letters/plant": ".empty",
}


@dataclass(frozen=True)
class Scenes:
    """Two review apps, one with data and one without."""

    filled: str
    empty: str
    places: dict[str, str]
    """What stands for the names in the addresses of WITH_DATA."""


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenes]:
    """Both in processes of their own."""
    folder, bare = tmp_path_factory.mktemp("filled"), tmp_path_factory.mktemp("empty")
    now = SystemClock().now()
    empty_scene(bare, now)
    places = _drawn(folder)
    with serving("tests.review.scene", folder) as filled, serving("tests.review.scene", bare) as empty:
        yield Scenes(filled, empty, places)


def _drawn(folder: Path) -> dict[str, str]:
    scene = full_scene(folder, SystemClock().now())
    decisions(scene)
    engine = open_database(scene.database)
    several, single = incident_inbox(engine, AlertFilter(monitor=PLANT.name)).incidents[:2]
    engine.dispose()
    return {
        "alert": str(several.alerts[0].id),
        "other": str(single.alerts[0].id),
        "incident": str(several.id),
        "other_incident": str(single.id),
        "odd": quote(ODD_ENTITY),
    }


@pytest.fixture(scope="module", params=SCHEMES)
def reader(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """One page for all addresses, in one scheme: what is loaded once need not be loaded again."""
    context = browser.new_context(color_scheme=request.param)
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("address", WITH_DATA)
def test_a_page_with_data_bars_nobody(scenes: Scenes, reader: Page, address: str) -> None:
    """No violation that is serious or critical."""
    assert _violations(reader, scenes.filled + address.format_map(scenes.places), WITH_DATA[address]) == []


@pytest.mark.parametrize("address", EMPTY)
def test_an_empty_page_bars_nobody(scenes: Scenes, reader: Page, address: str) -> None:
    """No violation that is serious or critical."""
    assert _violations(reader, scenes.empty + address, EMPTY[address]) == []


def test_a_violation_would_be_found(scenes: Scenes, reader: Page) -> None:
    """A button without a name and grey words on grey are found at both sizes."""
    reader.goto(scenes.empty)
    bad = '<button></button><p style="color:#777;background:#888">hard to read</p>'
    reader.locator(".page").evaluate("(page, bad) => page.insertAdjacentHTML('beforeend', bad)", bad)
    found = " ".join(_seen_at_all_sizes(reader))
    assert found.count("button-name") == len(SIZES)
    assert found.count("color-contrast") == len(SIZES)


def _violations(page: Page, address: str, drawn: str) -> list[str]:
    page.goto(address)
    page.locator(drawn).first.wait_for()
    return _seen_at_all_sizes(page)


def _seen_at_all_sizes(page: Page) -> list[str]:
    found = []
    for size in SIZES:
        page.set_viewport_size(size)  # type: ignore[arg-type]
        for violation in Axe().run(page).response["violations"]:
            if violation["impact"] in GRAVE:
                nodes = "; ".join(node["html"][:160] for node in violation["nodes"][:3])
                found.append(f"{size['width']} wide: {violation['id']}: {violation['help']}: {nodes}")
    return found
