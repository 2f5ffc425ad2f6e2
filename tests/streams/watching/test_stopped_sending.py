"""Entities that stop sending are told once; a source, a database or a scorer that was away makes nobody stop."""

from collections.abc import Iterable

import numpy as np
import pytest

from latentwatch.domain.clock import ManualClock
from latentwatch.domain.outcome import Outcome
from latentwatch.domain.record import batch_from_columns
from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.context.context_store import ContextStore
from latentwatch.streams.outcomes import Serving
from latentwatch.streams.testing import FakeContext, FakeDetector
from latentwatch.streams.watching.stopped_sending import SendingWatch
from tests.streams.stage import Stage, record

SCHEMA = RecordSchema.model_validate({"entity": "e", "features": {"a": "numeric"}})
SERVING = Serving(FakeDetector(SCHEMA), 1, 3.0)


class Yard:
    """Entities that speak when told to, and the watch over them."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.contexts = ContextStore(FakeContext(1), live=True)
        self.watch = SendingWatch(self.contexts, "plant.pump", self.clock)
        self.offsets: dict[int, int] = {}

    def speak(self, names: Iterable[str], partition: int = 0) -> None:
        """Each of these sends a record."""
        listed = list(names)
        first = self.offsets.get(partition, 0)
        self.offsets[partition] = first + len(listed)
        times = np.arange(first, first + len(listed), dtype=np.int64) * 1_000_000
        columns = {"a": np.zeros(len(listed))}
        self.contexts.extend(
            batch_from_columns(SCHEMA, columns, entities=listed, times=times, partition=partition, first_offset=first)
        )

    def live(self, seconds: int, names: Iterable[str], lag: int = 0, every: int = 1) -> list[str]:
        """Time goes by, these speak every few seconds; who was said to have stopped, in order."""
        listed, stopped = list(names), list[str]()
        for second in range(seconds):
            self.clock.advance(1)
            if second % every == 0:
                self.speak(listed)
            stopped += [entity.entity for entity in self.watch.look(dict.fromkeys(self.offsets, lag), SERVING)]
        return stopped


@pytest.fixture
def yard() -> Yard:
    """Two entities whose cadence of a second is known."""
    yard = Yard()
    assert yard.live(60, ["a", "b"]) == []
    return yard


def test_who_stops_while_others_speak_is_told_once(yard: Yard) -> None:
    """Half a minute is waited for; it is told once, and again only after the entity has spoken again."""
    assert yard.live(25, ["a"]) == []
    assert yard.live(20, ["a"]) == ["b"]
    assert yard.live(500, ["a"]) == []
    assert yard.live(30, ["a", "b"]) == []
    assert yard.live(60, ["a"]) == ["b"]


def test_a_slow_entity_is_given_its_time() -> None:
    """Ten times the usual gap: one that speaks every half minute has stopped after five."""
    yard = Yard()
    for _ in range(15):
        assert yard.live(29, ["a"]) == []
        assert yard.live(1, ["a", "slow"]) == []
    assert yard.live(280, ["a"]) == []
    assert yard.live(60, ["a"]) == ["slow"]


def test_a_new_entity_is_not_missed() -> None:
    """Whose cadence is not known yet cannot be late."""
    yard = Yard()
    yard.live(30, ["a", "seldom"], every=10)
    assert yard.live(500, ["a"]) == []


@pytest.mark.parametrize("away", [60, 3600])
def test_a_source_that_was_away_makes_nobody_stop(yard: Yard, away: int) -> None:
    """While nothing comes at all nobody is late, and when it comes back everybody has time to report."""
    assert yard.live(away, []) == []
    assert yard.live(20, ["a"]) == []
    assert yard.live(20, ["a", "b"]) == []


def test_a_backlog_makes_nobody_stop(yard: Yard) -> None:
    """Far behind the end, what an entity sent last is not known."""
    assert yard.live(300, ["a"], lag=50_000) == []
    assert yard.live(20, ["a"]) == []


def test_a_partition_that_was_not_read_makes_nobody_stop(yard: Yard) -> None:
    """While a partition is held back nothing is known of its entities, and afterwards they have time to report."""
    yard.speak(["c"], partition=1)
    offsets, yard.offsets = yard.offsets, {1: yard.offsets[1]}
    for _ in range(100):
        yard.clock.advance(1)
        yard.speak(["c"], partition=1)
        yard.watch.look({1: 0}, SERVING)
    yard.offsets = {**offsets, 1: yard.offsets[1]}
    assert yard.live(20, ["a"]) == []


def test_who_speaks_in_another_partition_has_not_stopped(yard: Yard) -> None:
    """A producer may spread an entity over partitions."""
    stopped = list[str]()
    for _ in range(100):
        yard.speak(["b"], partition=1)
        stopped += yard.live(1, ["a"])
    assert stopped == []


@pytest.fixture
def halls() -> Yard:
    """Two partitions of two entities each, whose cadence of a second is known."""
    yard = Yard()
    assert both(yard, 60, ["a", "b"]) == []
    yard.watch.take_heard()
    return yard


def both(yard: Yard, seconds: int, first: list[str]) -> list[str]:
    """Time goes by in which all of partition 1 speak, and these of partition 0; who was said to have stopped."""
    stopped = list[str]()
    for _ in range(seconds):
        yard.speak(["c", "d"], partition=1)
        stopped += yard.live(1, first)
    return stopped


def test_a_partition_that_stops_is_told_as_one(halls: Yard) -> None:
    """One alert in place of one an entity, though one of them spoke last by some seconds."""
    assert both(halls, 4, ["a"]) == []
    assert both(halls, 500, []) == ["plant.pump[0]"]


def test_a_partition_speaks_again_with_its_first_record(halls: Yard) -> None:
    """It ends then, and who does not come back has stopped by a clock that began at that moment."""
    assert both(halls, 60, []) == ["plant.pump[0]"]
    assert both(halls, 1, ["a"]) == []
    assert halls.watch.take_heard().keys() == {"plant.pump[0]", "a"}
    assert both(halls, 25, ["a"]) == []
    assert both(halls, 30, ["a"]) == ["b"]


def test_who_was_told_before_its_partition_stays_told(halls: Yard) -> None:
    """The last one that speaks is told by its own name: it alone is no partition."""
    assert both(halls, 60, ["a"]) == ["b"]
    assert both(halls, 60, []) == ["a"]


def test_a_newcomer_shows_that_a_partition_has_not_stopped(halls: Yard) -> None:
    """Whose cadence is not known still shows that records of the partition arrive."""
    stopped = both(halls, 15, [])
    for _ in range(4):
        stopped += both(halls, 9, []) + both(halls, 1, ["new"])
    assert stopped == ["a", "b"]


def test_a_restart_remembers_the_cadence(yard: Yard) -> None:
    """An entity that stopped while nobody looked is missed by the next process."""
    after = Yard()
    after.offsets = dict(yard.offsets)
    shot = yard.contexts.snapshot(0, 0, "bundle")
    assert after.contexts.load(0, shot.head, list(shot.chunks.values()))
    assert after.live(60, ["a"]) == ["b"]


def test_who_may_have_stopped_is_heard_once(yard: Yard) -> None:
    """The first record after a start, and after it stopped, says that the entity was heard; others do not."""
    assert yard.contexts.take_heard().keys() == {"a", "b"}
    yard.live(60, ["a"])
    assert yard.contexts.take_heard() == {}
    yard.live(2, ["a", "b"])
    assert yard.contexts.take_heard().keys() == {"b"}


class LiveStage(Stage):
    """A stage whose records arrive as time goes by."""

    def __init__(self) -> None:
        super().__init__()
        self.rigs: set[int] = {0, 1}
        self.number = 0

    def live(self, seconds: float) -> None:
        """A new process scores for so long, then stops, or dies."""
        source = self.broker.join(finite=False)
        source.live = True
        scorer = self.scorer(source=source, snapshot_seconds=20.0)
        scorer.begin(self.stop)
        end = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end:
            for rig in sorted(self.rigs):
                self.number += 1
                self.broker.produce(record(self.number, rig=f"rig-{rig}"))
            scorer.turn(self.stop)
            self.clock.advance(1)
        self.broker.leave(source)

    def told(self) -> list[tuple[str, int]]:
        """Each entity that stopped, as it reached the store, with the offset of the entity's last record."""
        return [(entity.entity, entity.offset) for outcome in self.store.outcomes for entity in outcome.stopped]


def test_the_scorer_tells_who_stopped_and_hears_the_next_record() -> None:
    """The outcome that opens the alert fences its partition and carries its context; the next record ends it."""
    stage = LiveStage()
    stage.live(60)
    stage.rigs = {0}
    stage.live(60)
    opening = next(outcome for outcome in stage.store.outcomes if outcome.stopped)
    assert [entity.entity for entity in opening.stopped] == ["rig-1"]
    assert [(move.partition, move.start == move.end) for move in opening.moves] == [(0, True)]
    assert [snapshot.partition for snapshot in opening.snapshots] == [0]
    last = opening.stopped[0].offset
    stage.rigs = {0, 1}
    stage.live(5)
    after = stage.store.outcomes[stage.store.outcomes.index(opening) :]
    assert sum("rig-1" in outcome.heard for outcome in after) == 1
    assert stage.told() == [("rig-1", last)]


def test_processes_that_die_again_and_again_name_the_same_stop() -> None:
    """Each may tell it anew, always with the same last record, and none ends it before the entity speaks."""
    stage = LiveStage()
    stage.live(60)
    stage.rigs = {0}
    for _ in range(4):
        stage.live(45)
    assert len(set(stage.told())) == 1
    opened = next(number for number, outcome in enumerate(stage.store.outcomes) if outcome.stopped)
    later: list[Outcome] = stage.store.outcomes[opened:]
    assert not any("rig-1" in outcome.heard for outcome in later)


def test_a_partition_that_stopped_before_a_restart_is_the_same_after(halls: Yard) -> None:
    """The next process names it by the same last record, and the partition's first record ends it there too."""
    after = Yard()
    after.offsets = dict(halls.offsets)
    for partition in (0, 1):
        shot = halls.contexts.snapshot(partition, 0, "bundle")
        assert after.contexts.load(partition, shot.head, list(shot.chunks.values()))
    assert both(after, 60, []) == ["plant.pump[0]"]
    assert "plant.pump[0]" not in after.watch.take_heard()
    both(after, 1, ["a"])
    assert after.watch.take_heard().keys() == {"plant.pump[0]", "a"}
