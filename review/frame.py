"""What every page shares: styles, the bar on top, the words when there is nothing to show."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nicegui import ui

from latentwatch.alerts.reading import open_incidents
from latentwatch.review.fragment import PageQueries, fragment, show
from latentwatch.review.room import Room
from latentwatch.review.templating import render

STATIC = Path(__file__).parent / "static"
PAGES = (("/", "Overview"), ("/alerts", "Alerts"), ("/live", "Live"), ("/map", "Map"), ("/models", "Models"))
_EDITION = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(STATIC.iterdir()))).hexdigest()[:12]
"""Changes with the static files, so that a browser never mixes old styles with new pages."""
_HEAD = (
    f'<link rel="stylesheet" href="/static/review.css?{_EDITION}">'
    f'<script src="/static/review.js?{_EDITION}"></script>'
    '<meta name="theme-color" content="#f7f7f5" media="(prefers-color-scheme: light)">'
    '<meta name="theme-color" content="#121517" media="(prefers-color-scheme: dark)">'
)
_COUNT_SECONDS = 15.0
PATIENCE_SECONDS = 30.0
"""How long a page may take to be built; a slow database is waited for, not an error."""


def page_at(address: str) -> ui.page:
    """Decorates the function that builds the page at an address."""
    return ui.page(address, response_timeout=PATIENCE_SECONDS)


@contextmanager
def frame(room: Room, title: str, here: str, monitor: str | None = None) -> Iterator[PageQueries]:
    """A page with its bar; inside the block goes its body. Yields what the page asks its questions through."""
    ui.page_title(f"{title} · Latentwatch")
    ui.add_head_html(_HEAD)
    guarded = room.config.guarded
    bar = fragment(render("top.html", pages=PAGES, here=here, monitor=monitor, waiting=None, guarded=guarded))
    with ui.element("div").classes("page"):
        queries = PageQueries(room.clock)
        yield queries

    async def count() -> None:
        waiting = await queries.ask(open_incidents, room.engine)
        if waiting is not None:
            show(bar, render("top.html", pages=PAGES, here=here, monitor=monitor, waiting=waiting, guarded=guarded))

    ui.timer(_COUNT_SECONDS, count, immediate=True)
