"""A model that one process cannot serve is left to the others, and tried again; only proven damage is told to all."""

import pytest

from latentwatch.domain.errors import BundleAway, BundleRefused, InvalidMonitor
from latentwatch.domain.model import VersionStatus
from latentwatch.domain.monitor import Monitor
from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.failpoints import Step
from latentwatch.streams.serving import ChampionWatch
from latentwatch.streams.testing import FakeDetector
from latentwatch.streams.watching.health import HealthRecord
from tests.streams.stage import Stage


class Watched:
    """A champion watch of its own on a stage, which every look finds later."""

    def __init__(self, stage: Stage, monitor: Monitor | None = None) -> None:
        self.refused = 0
        self.stage = stage
        self.health = HealthRecord(stage.clock)
        self.watch = ChampionWatch(
            monitor or stage.monitor, stage.registry, stage.bundles.load, stage.clock, self._count, self.health
        )

    def _count(self) -> None:
        self.refused += 1

    def look(self, times: int = 1) -> str | None:
        """Look so many times, 10 s apart; the bundle that serves then."""
        found = None
        for _ in range(times):
            self.stage.clock.advance(10)
            found = self.watch.look(None)
        return None if found is None else found.detector.bundle


def fields(*names: str) -> RecordSchema:
    """The stage's record with these numbers."""
    return RecordSchema.model_validate({"time": "at", "entity": "rig", "features": dict.fromkeys(names, "numeric")})


@pytest.mark.parametrize("kind", [BundleAway, BundleRefused])
def test_what_one_process_cannot_open_is_no_fault_of_the_bundle(kind: type[BundleRefused]) -> None:
    """A missing folder or an older program refuses nothing: it is said here, tried again, and taken up when it heals."""
    stage = Stage()
    stage.bundles.refusals["first"] = kind("bundle first cannot be read below /wrong")
    watched = Watched(stage)
    assert watched.look(5) is None
    assert "version 1 cannot be served here: bundle first cannot be read below /wrong" in watched.watch.notice
    assert watched.health.look().reasons == (watched.watch.notice,)
    assert (stage.registry.refusals, watched.refused) == ({}, 1)
    stage.bundles.refusals.clear()
    assert watched.look() == "first"
    assert watched.watch.notice == ""


def test_changed_content_is_told_to_all_when_seen_anew() -> None:
    """Read once it may be a disk of this process; read twice it is the bundle's, and the former champion serves."""
    stage = Stage()
    stage.registry.promote("corrupt")
    watched = Watched(stage)
    assert watched.look() is None
    assert stage.registry.refusals == {}
    assert watched.look() is None
    assert list(stage.registry.refusals) == [2]
    assert watched.look() == "first"


def test_the_last_version_is_never_refused() -> None:
    """A damaged bundle that nothing stands behind stays the champion, and serves when somebody has restored it."""
    stage = Stage()
    stage.bundles.detectors.clear()
    watched = Watched(stage)
    assert watched.look(5) is None
    champion = stage.registry.champion("pump")
    assert champion is not None
    assert champion.status is VersionStatus.CHAMPION
    stage.bundles.detectors["first"] = FakeDetector(stage.monitor.record, "first")
    assert watched.look() == "first"


def test_a_lost_field_is_the_monitors_fault() -> None:
    """Nothing starts with a monitor that lacks what the champion reads: the field is named, and since which version."""
    stage = Stage()
    for bundle in ("second", "third"):
        stage.bundles.detectors[bundle] = FakeDetector(fields("a", "b", "c"), bundle)
        stage.registry.promote(bundle)
    with pytest.raises(
        InvalidMonitor, match="model version 3 reads: 'c' is missing, which models read since version 2"
    ):
        Watched(stage).look()
    assert stage.registry.refusals == {}


def test_a_running_scorer_goes_on_when_a_model_needs_more_than_its_monitor_has() -> None:
    """A model of a newer monitor file is left to processes that have it; what serves here goes on."""
    stage = Stage()
    stage.produce(range(600))
    stage.bundles.detectors["wider"] = FakeDetector(fields("a", "b", "c"), "wider")

    def promote(step: Step) -> None:
        stage.clock.advance(0.3)
        if step == "committed" and len(stage.store.outcomes) == 3:
            stage.registry.promote("wider")

    scorer = stage.run(reach=promote)
    assert "'c' is missing, which models read since version 2" in scorer.state
    assert (scorer.totals.swaps, stage.accounted(), stage.registry.refusals) == (0, 600, {})


@pytest.mark.parametrize("late_seconds", [0, 30])
def test_a_field_that_was_added_waits_for_its_model(late_seconds: int) -> None:
    """The champion reads the fields it was trained on; one that reads the new field too is taken up under load."""
    stage = Stage(partitions=2, late_seconds=late_seconds)
    stage.bundles.detectors["first"] = FakeDetector(fields("a"), "first", threshold=-1)
    stage.bundles.detectors["wider"] = FakeDetector(fields("b", "a"), "wider", threshold=-1)
    stage.produce(range(600))

    def promote(step: Step) -> None:
        stage.clock.advance(0.3)
        if step == "committed" and len(stage.store.outcomes) == 3:
            stage.registry.promote("wider")

    scorer = stage.run(reach=promote)
    assert (scorer.totals.swaps, stage.accounted()) == (1, 600)
    read = {(found.bundle, tuple(found.values)) for outcome in stage.store.outcomes for found in outcome.flagged}
    assert read == {("first", ("a",)), ("wider", ("b", "a"))}


def test_alerts_go_by_the_cadence_that_the_model_learned() -> None:
    """Half-hourly records within ninety minutes are one alert; where no cadence is known, those within five."""
    for cadence, gap in ((0.0, 300.0), (1800.0, 5400.0)):
        stage = Stage()
        stage.bundles.detectors["first"].cadence = cadence
        stage.produce(range(100))
        stage.run()
        assert {outcome.group_gap_seconds for outcome in stage.store.outcomes} == {gap}
