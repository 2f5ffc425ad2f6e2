"""Late records through the loop: in the end the verdicts are those of the stream in event time, whatever happens."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from latentwatch.domain.alert import Amendment, Arrival
from latentwatch.streams.failpoints import Step
from latentwatch.streams.sources.slice_source import SliceSource
from latentwatch.streams.testing import FakeDetector
from tests.streams.stage import START, Stage

ALLOWED = 20


@dataclass(frozen=True)
class Sent:
    """One record: who, when, what, and how many seconds later it arrives."""

    rig: int
    time: int
    value: float
    delay: int = 0

    @property
    def payload(self) -> bytes:
        return json.dumps(
            {"at": START + self.time, "rig": f"rig-{self.rig}", "a": self.value, "b": self.time / 1000}
        ).encode()


SENT = st.lists(
    st.builds(
        Sent, st.integers(0, 2), st.integers(0, 90), st.sampled_from([0.5, 0.7, 3.3, 3.6, 4.0, 9.0]), st.integers(0, ALLOWED)
    ),
    min_size=1,
    max_size=60,
)  # fmt: skip


def arriving(records: Iterable[Sent]) -> list[Sent]:
    """In the order of arrival."""
    return sorted(records, key=lambda sent: sent.time + sent.delay)


def produce(stage: Stage, records: Iterable[Sent]) -> None:
    """Each rig's records into one partition."""
    for sent in records:
        stage.broker.produce(sent.payload, sent.rig % len(stage.broker.logs))


def found(stage: Stage) -> tuple[Counter[tuple[str, float, float, float]], dict[object, tuple[int, ...]]]:
    """What the store says in the end: every flagged record with its surprise, and the counts that are not 0."""
    verdicts = Counter(
        (record.entity, record.time.timestamp(), float(str(record.values["a"])), round(record.surprise, 4))
        for record in stage.store.decisions.values()
    )
    return verdicts, {minute: count for minute, count in stage.store.minutes.items() if any(count)}


def in_order(records: list[Sent], partitions: int = 1) -> Stage:
    """The same records in event time, those of one time as they arrived, through a scorer that knows of no lateness."""
    stage = Stage(partitions=partitions)
    produce(stage, sorted(arriving(records), key=lambda sent: sent.time))
    stage.run()
    return stage


@settings(max_examples=60)
@given(SENT, st.integers(1, 40), st.integers(1, 2))
def test_final_verdicts_are_those_of_the_stream_in_event_time(records: list[Sent], size: int, partitions: int) -> None:
    """Verdicts and counts are the same as if nothing had come late, wherever batches are cut."""
    stage = Stage(partitions=partitions, late_seconds=ALLOWED)
    produce(stage, arriving(records))
    stage.run(records=size)
    assert found(stage) == found(in_order(records, partitions))


@settings(max_examples=30)
@given(SENT, st.integers(1, 25))
def test_a_stream_cut_into_stretches_ends_in_the_same_verdicts(records: list[Sent], size: int) -> None:
    """Each stretch scored by a loop of its own, which knows the past from the database alone, as tasks of Spark's are."""
    stage = Stage(late_seconds=ALLOWED)
    produce(stage, arriving(records))
    everything = stage.broker.join()
    everything.seek(0, 0)
    messages = everything.poll(len(records), 0.0)
    everything.close()
    for first in range(0, len(records), size):
        stretch = messages.take((messages.offsets >= first) & (messages.offsets < first + size))
        stage.run(source=SliceSource(stretch, {0: first}, {0: 0}, clock=stage.clock))
    assert found(stage) == found(in_order(records))


class Crash(BaseException):
    """The process dies."""


@settings(max_examples=60)
@given(
    SENT,
    st.lists(st.tuples(st.integers(1, 40), st.sampled_from(Step.__args__)), max_size=4),  # type: ignore[attr-defined]
    st.sampled_from([0.0, 0.4, 1e6]),
    st.integers(1, 12),
)
def test_a_crash_changes_nothing(
    records: list[Sent], crashes: list[tuple[int, Step]], snapshot_seconds: float, size: int
) -> None:
    """Amendments happen once: after crashes at any step, verdicts and counts are those of an uninterrupted run."""
    stage = Stage(late_seconds=ALLOWED)
    produce(stage, arriving(records))
    for after, where in crashes:
        left = after

        def reach(step: Step, where: Step = where) -> None:
            nonlocal left
            stage.clock.advance(0.05)
            left -= 1
            if left <= 0 and step == where:
                raise Crash

        scorer = stage.scorer(records=size, snapshot_seconds=snapshot_seconds, reach=reach)
        try:
            scorer.run(stage.stop)
        except Crash:
            continue
    stage.run(records=size, snapshot_seconds=snapshot_seconds)
    assert found(stage) == found(in_order(records))
    assert stage.accounted() == len(records)


@settings(max_examples=40)
@given(SENT, st.integers(1, 59), st.integers(1, 12), st.integers(1, 12))
def test_a_restart_goes_on_as_an_uninterrupted_run(records: list[Sent], cut: int, size: int, other: int) -> None:
    """The context that a restarted scorer ends with, recent records and their verdicts too, is the same to the bit."""
    whole, parts = Stage(late_seconds=ALLOWED), Stage(late_seconds=ALLOWED)
    produce(whole, arriving(records))
    whole.run(records=size)
    produce(parts, arriving(records)[:cut])
    parts.run(records=other)
    produce(parts, arriving(records)[cut:])
    parts.run(records=size)
    assert whole.contexts() == parts.contexts()


def spike(stage: Stage, *records: Sent) -> None:
    """A calm rig, then these records, each in a batch of its own."""
    produce(stage, [Sent(0, time, 0.5) for time in range(40)])
    stage.run()
    for sent in records:
        produce(stage, [sent])
        stage.run()


def amendments(stage: Stage) -> list[Amendment]:
    """All of them."""
    return [each for outcome in stage.store.outcomes for each in outcome.amendments]


def test_a_late_record_withdraws_a_verdict() -> None:
    """A jump is flagged; the record in between, come late, makes it a slope: the amendment says what was said before."""
    stage = Stage(late_seconds=ALLOWED)
    spike(stage, Sent(0, 50, 4.0), Sent(0, 45, 3.3))
    (change,) = amendments(stage)
    assert change.formerly_flagged
    assert change.flagged is None
    assert change.former_surprise > 3.0 > change.surprise
    assert change.cause.offset == 41
    assert stage.store.decisions == {}
    point = next(o for o in stage.store.outcomes if o.amendments).trace[-1]
    assert (point.offset, point.flagged) == (40, False)


def test_a_late_record_raises_a_verdict() -> None:
    """A record passed for normal until a late one showed that its entity had come from elsewhere."""
    stage = Stage(late_seconds=ALLOWED)
    spike(stage, Sent(0, 50, 3.8), Sent(0, 45, -3.0))
    (change,) = amendments(stage)
    assert not change.formerly_flagged
    assert change.flagged is not None
    assert {record.arrival for record in stage.store.decisions.values()} == {Arrival.LATE, Arrival.IN_ORDER}


def test_a_record_that_is_too_late_stands_alone() -> None:
    """It is scored as of an entity never heard of, and changes nobody's past."""
    stage, calm = Stage(late_seconds=ALLOWED), Stage(late_seconds=ALLOWED)
    spike(stage, Sent(0, 5, 9.0), Sent(0, 50, 4.0))
    spike(calm, Sent(0, 50, 4.0))
    assert amendments(stage) == []
    late, jump = sorted(stage.store.decisions.values(), key=lambda record: record.position)
    assert (late.arrival, late.seen, late.warming) == (Arrival.TOO_LATE, 0, True)
    assert jump.surprise == next(iter(calm.store.decisions.values())).surprise


def test_no_model_amends_the_verdict_of_another() -> None:
    """After a promotion late records find their place, and the former model's verdicts stay as they are."""
    stage = Stage(late_seconds=ALLOWED)
    stage.bundles.detectors["second"] = FakeDetector(stage.monitor.record, "second", gain=0.9)
    spike(stage, Sent(0, 50, 4.0))
    stage.registry.promote("second")
    produce(stage, [Sent(0, 45, 3.3)])
    stage.run()
    assert amendments(stage) == []
    assert [record.model_version for record in stage.store.decisions.values()] == [1]


def test_without_lateness_records_count_in_the_order_they_arrive() -> None:
    """The default: nothing is amended, and nothing is kept for it."""
    stage = Stage()
    spike(stage, Sent(0, 50, 4.0), Sent(0, 45, 3.3))
    assert amendments(stage) == []
    assert len(stage.store.decisions) == 1


def test_a_late_record_counts_though_the_same_batch_leaves_its_place_behind() -> None:
    """What a late record moved is judged anew even where the batch's newest record makes it too old to be kept."""
    records = [Sent(0, 0, 3.3), Sent(0, 1, 3.3), Sent(0, 0, 9.0, 1), Sent(0, 22, 0.5)]
    stage = Stage(late_seconds=ALLOWED)
    produce(stage, arriving(records))
    stage.run(records=2)
    assert found(stage) == found(in_order(records))
