"""A stretch of a page that is asked for in a thread, kept fresh, and honest when the database is away."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from markupsafe import Markup
from nicegui import ui

from latentwatch.domain.clock import Clock
from latentwatch.domain.errors import Unavailable
from latentwatch.review.templating import render

Answer = TypeVar("Answer")


class PageQueries:
    """Runs one page's queries in threads; shows a notice while the database is away, and takes it back afterwards.

    What was known stays on the page meanwhile. Created inside a page, where the notice should stand.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._notice = fragment()

    async def ask(self, query: Callable[..., Answer], *given: Any) -> Answer | None:
        """The query's answer; None while the database is away."""
        try:
            answer = await asyncio.to_thread(query, *given)
        except Unavailable as error:
            self._tell(str(error))
            return None
        self._tell("")
        return answer

    def _tell(self, problem: str) -> None:
        """Put the notice up, or take it back where there is no problem."""
        notice = render("away.html", problem=problem, since=self._clock.now()) if problem else Markup("")
        show(self._notice, notice)


def fragment(content: Markup | str = "") -> ui.html:
    """A place for markup. Templates escape what they are given; the browser sanitizes it once more."""
    return ui.html(str(content), sanitize=True)


def show(place: ui.html, content: Markup) -> None:
    """Put markup there; nothing is sent when it has not changed."""
    if place.content != str(content):
        place.set_content(str(content))
