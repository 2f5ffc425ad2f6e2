"""A topic deleted and made anew, and offsets moved by hand: noticed at the start and under a running loop, never passed over."""

import pytest

from latentwatch.domain.errors import StreamRefused, TopicRecreated
from latentwatch.domain.record import Position, first_name, later_name
from latentwatch.streams.ports import Gap
from tests.streams.stage import Stage

LATER = later_name("memory", "memory-1'")


def test_a_name_goes_there_and_back() -> None:
    """What continues a stream is known by its name, and nothing else is."""
    assert first_name(LATER) == "memory"
    assert first_name("plant.pump/records") == "plant.pump/records"
    assert first_name("day #1.csv") == "day #1.csv"


@pytest.mark.parametrize("count", [150, 40])
def test_a_scorer_that_starts_finds_another_topic(count: int) -> None:
    """It stops, whether or not the new topic is longer than the old one was, moves nothing and says what to do."""
    stage = Stage(partitions=2)
    stage.produce(range(100))
    stage.run()
    before = dict(stage.store.offsets)
    stage.broker.recreate()
    stage.produce(range(count))
    with pytest.raises(
        StreamRefused, match=r"its id was memory-1 and is memory-1' now.*latentwatch offsets reset pump"
    ):
        stage.run()
    assert stage.store.offsets == before
    assert [entry.kind for entry in stage.store.outcomes[-1].audit] == ["stream_refused"]


def test_a_restart_reads_the_new_topic_whole_and_keeps_the_old_results() -> None:
    """Every record of both topics is scored once, each under its own stream's name, and one row of audit says so."""
    stage = Stage(partitions=2, on_recreated="restart")
    stage.produce(range(100))
    stage.run()
    stage.broker.recreate()
    stage.produce(range(1_000, 1_150))
    stage.run()
    stage.produce(range(1_150, 1_200))
    stage.run()
    assert stage.store.scored == 300
    assert stage.store.topics == {"memory": "memory-1", LATER: "memory-1'"}
    assert [note.kind for note in stage.store.notes] == ["topic_recreated"]
    flagged = {position.source for position in stage.store.surprises}
    assert flagged == {"memory", LATER}
    assert Position(LATER, 1, stage.store.offsets[LATER, 1]) not in stage.store.surprises


def test_a_new_start_at_the_latest_skips_nothing_of_a_new_topic() -> None:
    """`start: latest` is about what was there before the monitor; of a topic made anew nothing was."""
    stage = Stage(on_recreated="restart")
    stage.broker.start = "latest"
    stage.run()
    stage.produce(range(10))
    stage.run()
    stage.broker.recreate()
    stage.produce(range(20))
    stage.run()
    assert stage.store.scored == 30


@pytest.mark.parametrize("policy", ["stop", "restart"])
def test_a_running_scorer_reads_no_further(policy: str) -> None:
    """Records of the topic that took the name are not taken for the old one's, however many there are."""
    stage = Stage(on_recreated=policy)
    stage.produce(range(100))
    scorer = stage.scorer(source=stage.broker.join(finite=False))
    scorer.begin(stage.stop)
    for _ in range(5):
        scorer.turn(stage.stop)
    stage.broker.recreate()
    stage.produce(range(1_000, 1_200))
    with pytest.raises(StreamRefused if policy == "stop" else TopicRecreated):
        scorer.turn(stage.stop)
    assert stage.store.scored == 100
    stage.broker.leave(scorer._source)  # type: ignore[arg-type]
    if policy == "restart":
        stage.run()
        assert stage.store.scored == 300


def test_positions_from_before_topics_were_told_apart_learn_theirs() -> None:
    """A database of an earlier version goes on without a word, and knows a topic made anew the next time."""
    stage = Stage()
    stage.produce(range(100))
    stage.run()
    stage.store.topics["memory"] = None
    stage.produce(range(100, 150))
    stage.run()
    assert stage.store.scored == 150
    stage.broker.recreate()
    with pytest.raises(StreamRefused, match="made anew"):
        stage.run()


def test_a_topic_without_an_id_is_read_as_before() -> None:
    """A broker that numbers no topics leaves nothing to compare."""
    stage = Stage()
    stage.broker.topic_id = None
    stage.produce(range(100))
    stage.run()
    stage.produce(range(100, 150))
    stage.run()
    assert stage.store.scored == 150


def test_offsets_moved_by_hand_are_noticed_at_the_end_of_a_partition() -> None:
    """A scorer that has nothing to commit looks now and then, and goes on from where the database says."""
    stage = Stage(partitions=2)
    stage.produce(range(100))
    scorer = stage.scorer(source=stage.broker.join(finite=False))
    scorer.begin(stage.stop)
    for _ in range(8):
        scorer.turn(stage.stop)
    assert stage.store.scored == 100
    again = stage.store.offsets["memory", 1] - 10
    stage.store.offsets["memory", 1] = 10
    stage.store.latest.clear()
    for _ in range(30):
        scorer.turn(stage.stop)
    scorer.finish(stage.stop)
    assert stage.store.offsets["memory", 1] == again + 10
    assert stage.store.scored == 100 + again


def test_a_log_that_lost_only_what_was_not_stored_is_read_on() -> None:
    """A truncation behind the position of the database loses nothing that was scored: what took its place is read."""
    stage = Stage()
    stage.produce(range(50))
    source = stage.broker.join(finite=False)
    scorer = stage.scorer(source=source)
    scorer.begin(stage.stop)
    for _ in range(4):
        scorer.turn(stage.stop)
    source._gaps.append(Gap(0, 55, 50))
    source.hold(0)
    stage.produce(range(50, 60))
    for _ in range(4):
        scorer.turn(stage.stop)
    scorer.finish(stage.stop)
    assert stage.store.scored == 60
