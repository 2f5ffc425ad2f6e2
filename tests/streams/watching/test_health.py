"""What a scorer says of its health follows what happens to it."""

from typing import Any

from latentwatch.domain.clock import ManualClock
from latentwatch.streams.failpoints import Step
from latentwatch.streams.ports import Messages
from latentwatch.streams.sources.memory_broker import MemorySource
from latentwatch.streams.watching.health import SILENT_SECONDS, Health, HealthRecord
from tests.streams.stage import Stage


class Watched:
    """A source that looks at the scorer's health whenever it is polled."""

    def __init__(self, source: MemorySource, health: HealthRecord) -> None:
        self._source = source
        self._health = health
        self.seen: list[Health] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def poll(self, max_records: int, timeout_seconds: float) -> Messages:
        """Look, then poll."""
        self.seen.append(self._health.look())
        return self._source.poll(max_records, timeout_seconds)


def test_before_the_source_is_open_it_is_alive_and_not_ready() -> None:
    """A process that waits for its broker needs no replacing, however long that takes."""
    clock = ManualClock()
    health = HealthRecord(clock)
    clock.advance(10 * SILENT_SECONDS)
    assert health.look() == Health(True, ("the source is not open yet; see the log for what it waits for",), None, ())


def test_ready_with_a_model_and_its_partitions() -> None:
    """A scorer that has taken up its partitions is ready, and says which model serves."""
    stage = Stage(partitions=2)
    stage.produce(range(200))
    health = HealthRecord(stage.clock)
    stage.run(health=health)
    assert health.look() == Health(True, (), 1, (0, 1))
    assert health.look().ready


def test_not_ready_without_a_model() -> None:
    """A scorer whose monitor has no model yet is alive and says what is missing."""
    stage = Stage()
    stage.registry.known.clear()
    health = HealthRecord(stage.clock)
    scorer = stage.scorer(health=health)
    stage.stop.set()
    scorer.run(stage.stop)
    assert health.look().alive
    assert health.look().reasons == ("no model serves this monitor yet; train one, it is taken up at once",)


def test_not_ready_while_the_database_is_away() -> None:
    """During an outage the scorer is alive and not ready; when the database answers again it is ready again."""
    stage = Stage()
    stage.produce(range(200))
    health = HealthRecord(stage.clock)

    def outage(step: Step) -> None:
        if step == "before commit" and len(stage.store.outcomes) == 1:
            stage.store.away = 40

    source = Watched(stage.broker.join(), health)
    stage.run(health=health, reach=outage, source=source)
    unready = [each for each in source.seen if not each.ready]
    assert all(each.alive for each in source.seen)
    assert any("the database has not answered for" in each.reasons[0] for each in unready)
    assert health.look().ready
    assert stage.accounted() == 200


def test_partitions_that_cannot_be_taken_up_are_named() -> None:
    """While a partition's position is not known, the scorer is not ready."""
    clock = ManualClock()
    health = HealthRecord(clock)
    health.source_open()
    health.turned(3, {1}, {2, 0})
    assert health.look().reasons == ("partitions [0, 2] are not taken up yet: their positions are not known",)


def test_a_loop_without_a_sign_is_not_alive() -> None:
    """A loop that hangs longer than Kafka waits for a member is said to need replacing."""
    clock = ManualClock()
    health = HealthRecord(clock)
    health.source_open()
    health.turned(3, {0}, ())
    clock.advance(SILENT_SECONDS + 1)
    health.database_answered()
    assert not health.look().alive
    assert "replace this process" in health.look().reasons[0]
