"""How long a browser without a graphics card takes to draw 100,000 incidents, and to zoom.

`python -m benchmarks.explorer.drawing PORT` serves the page that is measured: the product's chart, script and framework.
"""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import uvicorn
from fastapi import FastAPI
from nicegui import ui

from deploy.services.process import free_port
from deploy.services.programs import CHROMIUM
from latentwatch.alerts.incident_places import IncidentDot
from latentwatch.domain.alert import Severity
from latentwatch.domain.clock import SystemClock
from latentwatch.review.charts.incidents import Option, groups_of, incidents_option
from latentwatch.review.frame import STATIC
from latentwatch.review.incident_map import MappedIncident

_MANY = 100_000
_TIMES = 5
_SECONDS = 60.0
_NOW = datetime(2026, 3, 1, tzinfo=UTC)
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
_PAINTED = """
  const painted = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const chart = getElement(Number(document.querySelector(".incidents").id.slice(1))).chart;
"""
_DRAW = (
    "async () => {" + _PAINTED + " const begun = performance.now(); document.querySelector('#draw').click();"
    " while (!(chart.getOption().series || []).length) await new Promise((done) => setTimeout(done, 5));"
    " await painted(); return performance.now() - begun; }"
)
_ZOOM = (
    "async (at) => {" + _PAINTED + " const begun = performance.now();"
    " chart.dispatchAction({type: 'dataZoom', dataZoomIndex: 0, start: at, end: 100 - at}); await painted();"
    " return performance.now() - begun; }"
)


def measure_drawing() -> dict[str, float]:
    """Milliseconds from asking for the drawing to its being painted, the way from the server included, and of one step of the
    zoom; the median of five. Raises PartMissing without a Chromium."""
    from playwright.sync_api import sync_playwright

    path, port = CHROMIUM.require(), free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.explorer.drawing", str(port)], stdout=subprocess.DEVNULL
    )
    drawn, zoomed = [], []
    try:
        _wait_for(f"http://127.0.0.1:{port}/")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=_FLAGS)
            for _ in range(_TIMES):
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                page.goto(f"http://127.0.0.1:{port}/")
                page.wait_for_function("document.querySelector('.incidents canvas') !== null")
                drawn.append(page.evaluate(_DRAW))
                zoomed += [page.evaluate(_ZOOM, at) for at in (10, 20, 30)]
                page.close()
            browser.close()
    finally:
        process.terminate()
        process.wait(timeout=30)
    return {"draw_100k_ms": float(np.median(drawn)), "zoom_100k_ms": float(np.median(zoomed))}


def option_of_many(count: int) -> Option:
    """The drawing of so many incidents of ten kinds, each a cloud."""
    random = np.random.default_rng(0)
    kinds = random.integers(0, 10, count)
    middles = random.random((10, 2))
    places = np.clip(middles[kinds] + random.normal(0, 0.05, (count, 2)), 0, 1).tolist()
    all_of_them = [
        _incident(at, f"kind {kind}", (x, y)) for at, (kind, (x, y)) in enumerate(zip(kinds, places, strict=True))
    ]
    return incidents_option(groups_of(all_of_them, "cause", _NOW))


def _incident(number: int, cause: str, place: tuple[float, float]) -> MappedIncident:
    begun = _NOW - timedelta(minutes=number)
    dot = IncidentDot(number, "rig-1", 1, begun, begun, Severity.LOW, None, cause, (), b"", place)
    return MappedIncident(dot, place, since_placed=False)


def _wait_for(address: str) -> None:
    clock = SystemClock()
    deadline = clock.monotonic() + _SECONDS
    while clock.monotonic() < deadline:
        try:
            if httpx.get(address, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            clock.sleep(0.2)
    raise TimeoutError(f"{address} did not answer in {_SECONDS:.0f} s")


def _serve(port: int) -> None:
    option = option_of_many(_MANY)

    @ui.page("/")
    def page() -> None:
        ui.add_head_html(f"<style>{(STATIC / 'review.css').read_text()}</style>")
        ui.add_head_html(f"<script>{(STATIC / 'review.js').read_text()}</script>")
        chart = ui.echart(incidents_option(())).classes("chart map incidents")

        def draw() -> None:
            chart.options.update(option)
            chart.update()

        ui.button("Draw", on_click=draw).props("id=draw")

    app = FastAPI()
    ui.run_with(app)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
