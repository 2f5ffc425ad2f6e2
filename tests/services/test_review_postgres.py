"""The pages' queries give on PostgreSQL what they give on SQLite."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from latentwatch.alerts import reading
from latentwatch.alerts.database import migrate, open_database
from latentwatch.alerts.reading import AlertFilter
from latentwatch.domain.alert import Severity
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import Unavailable
from latentwatch.incident_placing import place_incidents_of
from latentwatch.review.config import ReviewConfig
from latentwatch.review.filters import View
from latentwatch.review.incident_map import incident_map
from latentwatch.review.pages.dead import dead_markup
from latentwatch.review.pages.inbox import inbox_markup
from latentwatch.review.pages.models import models_markup
from latentwatch.review.pages.overview import overview_markup
from latentwatch.review.room import Room
from tests.review.sketch import NOW, draw


@pytest.fixture
def both(postgres_url: str, tmp_path: Path) -> Iterator[tuple[Engine, Engine]]:
    """The same drawing in both databases."""
    engines = (open_database(f"sqlite:///{tmp_path}/review.db"), open_database(postgres_url))
    for engine in engines:
        migrate(engine)
        draw(engine, ManualClock(NOW))
    yield engines
    for engine in engines:
        engine.dispose()


def test_both_databases_answer_alike(both: tuple[Engine, Engine]):
    """Every reading query, and every page made of them."""
    sqlite, postgres = both
    wanted = AlertFilter(monitor="pump", at_least=Severity.LOW, verdict="none", since=NOW - timedelta(hours=3))
    assert reading.overview(sqlite, NOW) == reading.overview(postgres, NOW)
    assert reading.open_alerts(sqlite) == reading.open_alerts(postgres) == 3
    assert reading.inbox(sqlite, wanted, "severity") == reading.inbox(postgres, wanted, "severity")
    assert reading.alert_detail(sqlite, 3) == reading.alert_detail(postgres, 3)
    assert reading.trace(sqlite, "pump", "rig-a", 50) == reading.trace(postgres, "pump", "rig-a", 50)
    assert set(reading.entities(sqlite, "pump")) == set(reading.entities(postgres, "pump"))
    assert reading.dead_letters(sqlite, "pump") == reading.dead_letters(postgres, "pump")
    assert set(reading.flagged_places(sqlite, "pump", [1])) == set(reading.flagged_places(postgres, "pump", [1]))
    assert reading.surprise_counts(sqlite, "pump") == reading.surprise_counts(postgres, "pump")
    assert reading.promotions(sqlite, "pump") == reading.promotions(postgres, "pump")
    since = NOW - timedelta(hours=1)
    assert reading.minute_totals(sqlite, "pump", since) == reading.minute_totals(postgres, "pump", since)
    for engine in both:
        assert place_incidents_of(engine, "pump") == place_incidents_of(engine, "pump") > 0
    assert incident_map(sqlite, "pump") == incident_map(postgres, "pump")
    rooms = [Room(engine, ReviewConfig(), "nowhere", ManualClock(NOW)) for engine in both]
    for page in (overview_markup, lambda room: models_markup(room, "pump"), lambda room: dead_markup(room, "pump", 0)):
        assert page(rooms[0]) == page(rooms[1])
    view = replace(View(), status="any", severity="low", verdict="none", since="30d", order="recent")
    assert inbox_markup(rooms[0], view) == inbox_markup(rooms[1], view)


def test_a_server_without_tables_is_waited_for(postgres_url: str):
    """A reader that comes before the first writer is told to wait, not that the program is wrong."""
    engine = open_database(postgres_url)
    with pytest.raises(Unavailable, match="no tables yet"):
        reading.open_alerts(engine)
    engine.dispose()
