"""The heartbeat of a scoring process: when it is written, with what rate, and without a database."""

import shutil
from dataclasses import replace
from pathlib import Path

from latentwatch.alerts.database import migrate, open_database
from latentwatch.alerts.heartbeats import heartbeats
from latentwatch.domain.clock import ManualClock
from latentwatch.heartbeat import HeartbeatWriter


def test_a_beat_every_few_seconds_tells_the_rate(tmp_path: Path) -> None:
    """What comes within two seconds of a beat is not written; the rate counts the records since the last beat."""
    engine, clock = open_database(f"sqlite:///{tmp_path / 'latentwatch.db'}"), ManualClock()
    migrate(engine)
    writer, seen = HeartbeatWriter(engine, "pump", clock), []
    for records, seconds in ((0, 1.0), (50, 3.0), (200, 0.0)):
        writer.scoring(records, lambda beat: seen.append(beat) or replace(beat, state="scoring"))
        clock.advance(seconds)
    assert [(beat.records, beat.records_per_second) for beat in seen] == [(0, 0.0), (200, 50.0)]
    (stored,) = heartbeats(engine, "pump")
    assert (stored.records, stored.state, stored.stopped) == (200, "scoring", False)
    writer.end()
    assert heartbeats(engine, "pump")[0].stopped


def test_a_database_that_is_away_costs_a_beat_only(tmp_path: Path) -> None:
    """Nothing is raised where nothing can be written."""
    folder = tmp_path / "gone"
    folder.mkdir()
    engine = open_database(f"sqlite:///{folder / 'latentwatch.db'}")
    engine.dispose()
    shutil.rmtree(folder)
    writer = HeartbeatWriter(engine, "pump", ManualClock())
    writer.waiting("no model yet")
    writer.end()
