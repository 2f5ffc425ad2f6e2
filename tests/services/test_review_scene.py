"""A real plant, a real detector, real commits, and what the pages make of them."""

from pathlib import Path

from latentwatch.alerts.database import open_database
from latentwatch.alerts.reading import alert_detail
from latentwatch.alerts.reading.flagged import flagged_records
from latentwatch.detector.bundle import load_bundle
from latentwatch.domain.monitor import Monitor
from latentwatch.review.config import ReviewConfig
from latentwatch.review.evidence import lines
from latentwatch.review.latent_map import latent_map
from latentwatch.review.pages.alert import replay_done
from latentwatch.review.pages.overview import overview_markup
from latentwatch.review.replay import replay
from latentwatch.review.room import Room
from tests.review.scene import PLANT, full_scene


def test_every_stored_verdict_replays_and_explains_itself(tmp_path: Path):
    """Stored input through the stored bundle gives the stored score; contributions add up; the map has a ground."""
    monitor: Monitor = PLANT
    scene = full_scene(tmp_path)
    engine = open_database(scene.database)
    room = Room(engine, ReviewConfig(), scene.bundles, scene.clock)
    stored = list(flagged_records(engine, monitor.name))
    assert len(stored) > 3
    detector = load_bundle(scene.bundles, stored[0].bundle)
    assert [flagged.position for flagged in stored if not replay(detector, flagged).agrees] == []
    for flagged in stored:
        guilty, rest = lines(flagged, monitor.record)
        assert abs(sum(line.share for line in (*guilty, *rest)) - flagged.surprise) < 1e-3
        assert {line.name for line in (*guilty, *rest)} == set(monitor.record.names)
    detail = alert_detail(engine, 1)
    assert detail is not None
    assert "as stored" in replay_done(room, detail).sentence
    drawn = latent_map(room, monitor.name)
    assert drawn.ground is not None
    assert drawn.ground.density.max() > 0.5
    assert len(drawn.points) == len(stored)
    assert "plant" in overview_markup(room)
    engine.dispose()
