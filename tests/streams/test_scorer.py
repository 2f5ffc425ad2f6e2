"""The loop: every record is accounted for once, whatever dies at whatever step."""

from collections import Counter
from threading import Event
from typing import get_args

import pytest
from structlog.testing import capture_logs

from latentwatch.domain.errors import StreamRefused
from latentwatch.domain.outcome import OffsetMove, Outcome
from latentwatch.domain.record import Position
from latentwatch.streams.failpoints import Step
from latentwatch.streams.poison import DeadLetterLimit
from latentwatch.streams.testing import FakeDetector
from tests.streams.stage import START, Stage, record


class Crash(BaseException):
    """The process dies here."""


class Bomb:
    """Lets a process die when it reaches a step for the n-th time."""

    def __init__(self, step: Step, at: int) -> None:
        self.step = step
        self.left = at
        self.went_off = False

    def __call__(self, step: Step) -> None:
        if step == self.step:
            self.left -= 1
            if self.left == 0:
                self.went_off = True
                raise Crash


@pytest.fixture
def whole() -> Stage:
    """The reference: an uninterrupted run over 500 records, some of them broken."""
    stage = Stage(partitions=2)
    fill(stage)
    stage.run()
    return stage


def fill(stage: Stage) -> None:
    """500 records with a tombstone, a truncated one and one that breaks the model among them."""
    stage.produce(range(200))
    stage.broker.produce(None, 1)
    stage.broker.produce(record(7)[:20], 0)
    stage.produce(range(200, 300))
    stage.broker.produce(record(14, a=-1), 0)
    stage.broker.skip_offsets(0, 5)
    stage.produce(range(300, 500))


def test_scores_every_record_and_explains_the_strange_ones(whole: Stage) -> None:
    """Scored and dead letters add up to what was produced, and the strange records are flagged with their reasons."""
    assert whole.accounted() == whole.produced() == 503
    assert whole.store.scored == 500
    assert sorted(reason.split(":")[0] for reason in whole.store.dead_letters.values()) == [
        "a tombstone",
        "not valid JSON",
        "the model could not score it",
    ]
    flagged = [found for outcome in whole.store.outcomes for found in outcome.flagged]
    assert Counter(found.values["b"] for found in flagged) == {9.0: 10}
    assert all(found.explanation.expected["b"] < 3 and found.bundle == "first" for found in flagged)
    assert all(found.surprise >= found.threshold == 3.0 for found in flagged)


def test_a_large_batch_is_judged_as_small_ones_are() -> None:
    """Cutting a batch of thousands into pieces, broken records among them, changes no verdict, count, letter or context."""
    small, large = Stage(partitions=2), Stage(partitions=2)
    for stage, records in ((small, 64), (large, 16_384)):
        for _ in range(12):
            fill(stage)
        scorer = stage.run(records=records)
    assert scorer.totals.batches == 2  # the last one is the context's
    assert large.accounted() == large.produced() == 12 * 503
    assert large.store.decisions == small.store.decisions
    assert large.store.minutes == small.store.minutes
    assert large.store.dead_letters == small.store.dead_letters
    assert large.contexts() == small.contexts()


def test_minute_counts_are_exact(whole: Stage) -> None:
    """Each event-time minute counts its own records, flagged ones and exceedances."""
    scored: Counter[float] = Counter()
    flagged: Counter[float] = Counter()
    for outcome in whole.store.outcomes:
        for count in outcome.counts:
            scored[count.minute.timestamp()] += count.scored
            flagged[count.minute.timestamp()] += count.flagged
            assert count.scored >= count.exceeding[0] >= count.exceeding[3] >= count.flagged * (count.exceeding[3] > 0)
    expected = Counter(float((START + number) // 60 * 60) for number in range(500))
    strange = Counter(float((START + number) // 60 * 60) for number in range(500) if number % 50 == 33)
    assert scored == expected
    assert +flagged == strange


@pytest.mark.parametrize(
    ("step", "at"), [(step, at) for step in get_args(Step) for at in (1, 2, 5) if step != "swapped" or at == 1]
)
def test_a_crash_at_any_step_changes_nothing(whole: Stage, step: Step, at: int) -> None:
    """After a crash at any step a new process ends with the same verdicts and, to the bit, the same context."""
    stage = Stage(partitions=2)
    fill(stage)
    bomb = Bomb(step, at)

    def promote_late(reached: Step) -> None:
        if reached == "committed" and step == "swapped" and len(stage.registry.known) == 1:
            stage.bundles.detectors["same"] = FakeDetector(stage.monitor.record, "same")
            stage.registry.promote("same")
        stage.clock.advance(0.4)
        bomb(reached)

    scorer = stage.scorer(reach=promote_late, records=32)
    with pytest.raises(Crash):
        scorer.run(stage.stop)
    assert bomb.went_off
    stage.run(records=48)
    assert stage.accounted() == stage.produced()
    assert stage.store.surprises == whole.store.surprises
    assert stage.store.dead_letters == whole.store.dead_letters
    assert stage.contexts() == whole.contexts()


def test_crash_after_crash_still_ends_well(whole: Stage) -> None:
    """A process that dies every few steps, over and over, still gets through without loss or doubling."""
    stage = Stage(partitions=2)
    fill(stage)
    steps = [step for step in get_args(Step) if step not in ("swapped", "acknowledged")]
    deaths = 0
    for attempt in range(400):
        bomb = Bomb(steps[attempt % len(steps)], 1 + attempt % 3)
        try:
            every = 0.0 if bomb.step == "snapshotted" else attempt % 3
            stage.scorer(reach=bomb, records=8, snapshot_seconds=every).run(stage.stop)
            break
        except Crash:
            deaths += 1
            stage.clock.advance(1)
    stage.run()
    assert deaths > 10
    assert stage.store.surprises == whole.store.surprises
    assert stage.accounted() == stage.produced()
    assert stage.contexts() == whole.contexts()


def test_rereads_from_the_snapshot_without_scoring(whole: Stage) -> None:
    """A snapshot older than the position is the starting point, and re-read records are not scored."""
    stage = Stage(partitions=2)
    fill(stage)
    stop = Event()

    def halfway(step: Step) -> None:
        if step == "committed" and len(stage.store.outcomes) == 3:
            stop.set()

    stage.scorer(reach=halfway, records=32).run(stop)
    kept = dict(stage.store.latest)
    bomb = Bomb("committed", 4)
    with pytest.raises(Crash):
        stage.scorer(reach=bomb, records=32, snapshot_seconds=1e9).run(stage.stop)
    assert stage.store.latest == kept
    scorer = stage.run()
    reread = scorer.metrics.registry.get_sample_value("latentwatch_reread_records_total", {"monitor": "pump"})
    assert reread == pytest.approx(4 * 32, abs=32)
    assert stage.store.surprises == whole.store.surprises
    assert stage.contexts() == whole.contexts()


def test_database_away_pauses_and_goes_on(whole: Stage) -> None:
    """While the database is away nothing is lost: the stream waits and goes on."""
    stage = Stage(partitions=2)
    fill(stage)

    def storm(step: Step) -> None:
        if step == "before commit" and len(stage.store.outcomes) in (1, 3):
            stage.store.away = 7

    stage.run(reach=storm)
    assert stage.store.surprises == whole.store.surprises
    assert stage.accounted() == stage.produced()
    assert stage.contexts() == whole.contexts()


def test_database_away_at_the_start_is_waited_for() -> None:
    """A scorer that starts before its database takes its partitions up once it is there."""
    stage = Stage(away=9)
    stage.produce(range(100))
    stage.run(snapshot_seconds=5.0)
    assert stage.accounted() == 100


def test_lost_acknowledgement_is_not_written_twice(whole: Stage) -> None:
    """A commit that happened although its acknowledgement was lost is found by its positions, not repeated."""
    stage = Stage(partitions=2)
    fill(stage)

    def lose(step: Step) -> None:
        if step == "before commit" and len(stage.store.outcomes) == 2:
            stage.store.lose_acknowledgement = True

    stage.run(reach=lose)
    assert stage.store.surprises == whole.store.surprises
    assert stage.accounted() == stage.produced()


def test_stop_while_the_database_is_away_ends_at_once() -> None:
    """A stop request is heard during an outage; what was not written is read by the next process."""
    stage = Stage()
    stage.produce(range(200))
    stop = Event()

    def outage(step: Step) -> None:
        if step == "before commit" and stage.store.outcomes:
            stage.store.away = 10**9
            stop.set()

    stage.scorer(reach=outage).run(stop)
    stage.store.away = 0
    written = stage.accounted()
    assert 0 < written < 200
    stage.run()
    assert stage.accounted() == 200


def test_a_zombie_cannot_write() -> None:
    """A process whose partition another one took over meanwhile writes nothing, drops it and takes it up anew."""
    stage = Stage()
    stage.produce(range(200))
    source = stage.broker.join()

    def overtaken(step: Step) -> None:
        stage.clock.advance(0.5)
        if step == "before commit" and len(stage.store.outcomes) == 1:
            # Another process scored the next 64 records while this one slept.
            start = stage.store.offsets["memory", 0]
            stage.store.commit(Outcome("pump", "memory", (OffsetMove(0, start, start + 64),)))

    scorer = stage.scorer(source=source, reach=overtaken)
    scorer.run(stage.stop)
    lost = scorer.metrics.registry.get_sample_value("latentwatch_partitions_lost_total", {"monitor": "pump"})
    assert lost == 1
    assert stage.store.scored == 200 - 64
    assert stage.store.offsets["memory", 0] == 200


def test_partitions_move_between_two_scorers(whole: Stage) -> None:
    """Members come and go between batches; every record is scored once, with the context of an uninterrupted run."""
    stage = Stage(partitions=2)
    fill(stage)
    first = stage.scorer(records=32)
    first.begin(stage.stop)
    for _ in range(3):
        first.turn(stage.stop)
    second = stage.scorer(records=32)
    second.begin(stage.stop)
    for _ in range(3):
        first.turn(stage.stop)
        second.turn(stage.stop)
    assert second.totals.records > 0
    second.run(stage.stop)
    first.run(stage.stop)
    assert stage.accounted() == stage.produced()
    assert stage.store.surprises == whole.store.surprises
    assert stage.contexts() == whole.contexts()


def test_a_promoted_model_is_taken_up_between_batches() -> None:
    """Every flagged record carries the version that scored it, and no batch mixes two."""
    stage = Stage()
    stage.produce(range(600))
    stage.bundles.detectors["second"] = FakeDetector(stage.monitor.record, "second", gain=2.0)

    def promote(step: Step) -> None:
        stage.clock.advance(0.3)
        if step == "committed" and len(stage.store.outcomes) == 3:
            stage.registry.promote("second")

    scorer = stage.run(reach=promote)
    assert scorer.totals.swaps == 1
    assert stage.accounted() == 600
    for outcome in stage.store.outcomes:
        assert len({count.model_version for count in outcome.counts}) <= 1
        for found in outcome.flagged:
            assert found.bundle == {1: "first", 2: "second"}[found.model_version]
    by_version = Counter(found.model_version for outcome in stage.store.outcomes for found in outcome.flagged)
    assert by_version[1] > 0
    assert by_version[2] > 0


def test_a_corrupt_bundle_is_refused_and_the_old_model_serves_on() -> None:
    """A promoted bundle whose content changed is reported when that was seen anew; scoring never stops."""
    stage = Stage()
    stage.produce(range(1200))

    def promote(step: Step) -> None:
        stage.clock.advance(0.3)
        if step == "committed" and len(stage.store.outcomes) == 3:
            stage.registry.promote("corrupt")

    scorer = stage.run(reach=promote)
    assert "corrupt" in stage.registry.refusals[2]
    assert scorer.totals.swaps == 0
    assert stage.accounted() == 1200
    assert {found.model_version for outcome in stage.store.outcomes for found in outcome.flagged} == {1}


def test_a_stream_that_is_not_the_monitors_is_refused() -> None:
    """Above the ratio the scorer stops with its reason in the audit table, instead of dead-lettering the stream."""
    stage = Stage()
    stage.produce(range(150))
    for number in range(400):
        stage.broker.produce(b'{"another": "stream"}' if number % 10 else record(number))
    with pytest.raises(StreamRefused, match=r"of the last \d+ messages.*time field 'at' is missing"):
        stage.run(limit=DeadLetterLimit(0.5, 200, 100))
    audit = [entry for outcome in stage.store.outcomes for entry in outcome.audit]
    assert [entry.kind for entry in audit] == ["stream_refused"]
    assert len(stage.store.dead_letters) <= 150
    assert stage.accounted() == stage.store.offsets["memory", 0] < stage.produced()


def test_a_retention_gap_stops_by_default() -> None:
    """Records deleted before they were scored are never passed over in silence."""
    stage = Stage()
    stage.produce(range(100))
    stage.run()
    stage.produce(range(100, 200))
    stage.broker.delete_before(0, 150)
    with pytest.raises(StreamRefused, match=r"50 offsets \(100 to 149\) were deleted before they were scored"):
        stage.run()
    assert stage.store.offsets["memory", 0] == 100


def test_a_retention_gap_is_skipped_with_an_audit_row_where_the_monitor_says_so() -> None:
    """With on_retention_gap: skip the scorer goes on behind the gap and the audit table says what is missing."""
    stage = Stage(on_gap="skip")
    stage.produce(range(100))
    stage.run()
    stage.produce(range(100, 200))
    stage.broker.delete_before(0, 150)
    stage.run()
    audit = [entry for outcome in stage.store.outcomes for entry in outcome.audit]
    assert [(entry.kind, entry.partition) for entry in audit] == [("retention_gap", 0)]
    assert "100 to 149" in audit[0].message
    assert stage.accounted() == 150
    assert stage.store.offsets["memory", 0] == 200


def test_a_topic_made_anew_is_refused() -> None:
    """A stored position beyond the topic's end stops the scorer: its offsets would be used a second time."""
    stage = Stage(on_gap="skip")
    stage.produce(range(100))
    stage.run()
    stage.broker.logs[0].clear()
    stage.broker.ends[0] = 0
    stage.produce(range(10))
    with pytest.raises(StreamRefused, match="made anew"):
        stage.run()


def test_poison_alone_first_and_last_harms_no_neighbour() -> None:
    """Records that break the model become dead letters with their payload, wherever they stand in a batch; the log tells
    of each batch's first."""
    stage = Stage()
    stage.broker.produce(record(0, a=-1))
    stage.produce(range(1, 63))
    stage.broker.produce(record(63, b=-1))
    stage.broker.produce(record(64, a=-1))
    with capture_logs() as logs:
        stage.run(records=64)
    told = [(each["count"], each["partition"], each["offset"]) for each in logs if "reason" in each]
    assert told == [(2, 0, 0), (1, 0, 64)]
    assert stage.store.scored == 62
    assert set(stage.store.dead_letters) == {Position("memory", 0, offset) for offset in (0, 63, 64)}
    letters = [letter for outcome in stage.store.outcomes for letter in outcome.dead_letters]
    assert letters[0].payload == record(0, a=-1)


def test_tells_the_source_how_far_the_database_is() -> None:
    """Positions are passed on for the source's own lag tools after they are committed."""
    stage = Stage()
    stage.produce(range(100))
    source = stage.broker.join()

    stage.run(source=source, reach=lambda step: stage.clock.advance(0.5))
    assert source.acknowledged == {0: 100}
    assert source.closed
