"""Where a monitor begins that has no position yet: in every partition at once."""

from tests.streams.stage import Stage, record


def test_a_partition_added_later_is_read_from_its_first_record() -> None:
    """A monitor that starts at the end skips what was there before it, and nothing of a partition that came after it."""
    stage = Stage(partitions=2)
    stage.broker.start = "latest"
    stage.produce(range(100))
    stage.run()
    assert stage.accounted() == 0
    assert stage.store.positions("memory") == stage.broker.ends
    added = stage.broker.add_partition()
    for number in range(30):
        stage.broker.produce(record(number), added)
    stage.run()
    assert stage.accounted() == 30
    stage.produce(range(100, 110))
    stage.run()
    assert stage.accounted() == 40


def test_the_first_scorer_begins_for_all() -> None:
    """With two scorers from the start, a partition read later than the first one's start loses nothing in between."""
    stage = Stage(partitions=2)
    stage.broker.start = "latest"
    stage.produce(range(20))
    first, second = stage.broker.join(), stage.broker.join()
    stage.run(source=first)
    stage.produce(range(20, 40))
    stage.run(source=second)
    first.close()
    stage.run(source=second)
    assert stage.accounted() == 20
