"""A level that stepped and stays: asked about on a stream, as the monitor and people say, and after a restart alike."""

import numpy as np
import pytest

from latentwatch.detector.corrected_readings import under
from latentwatch.detector.interface import Contexts
from latentwatch.detector.running_context import RunningContext
from latentwatch.detector.steps.detector import asking
from latentwatch.domain.clock import from_microseconds
from latentwatch.domain.exceptions import NO_EXCEPTIONS, Exceptions, GroupThreshold, InForce, KeepsAlarming, NormalLevel
from latentwatch.domain.groups import GroupedBy
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.schema import RecordSchema
from latentwatch.domain.steps import ASKS, AfterStep
from latentwatch.review.replay import replay
from latentwatch.streams.batch_scoring import Findings, StreamScorer
from latentwatch.streams.context.context_store import ContextStore
from latentwatch.streams.outcomes import describe
from latentwatch.streams.ports import Messages
from latentwatch.streams.testing import FakeContext, FakeDetector

SCHEMA = RecordSchema.model_validate(
    {"time": "at", "entity": "rig", "features": {"temp": {"type": "numeric", "unit": "°C"}}}
)
DAILY, DAYS, STEP = 48, 42, 20 * 48
BEGIN = 1_772_409_600_000_000


class FirmContext(FakeContext):
    """Expects 0 for ever."""

    def extend(self, states: np.ndarray, owners: np.ndarray, batch: Batch) -> Contexts:
        """Nothing is learned."""
        found = super().extend(states, owners, batch)
        return Contexts(np.zeros_like(found.features), found.seen)


def detector() -> FakeDetector:
    """Surprise is the distance from 0."""
    made = FakeDetector(SCHEMA)
    made.context, made.cadence = FirmContext(1), 1_800.0
    return made


def records() -> Batch:
    """Half-hourly ones of a rig that stands 4 higher from `STEP` on, and of one that does not."""
    values = np.random.default_rng(0).uniform(-1, 1, (DAYS * DAILY, 2))
    values[STEP:, 0] += 5.0
    times = np.repeat(BEGIN + 1_800_000_000 * np.arange(DAYS * DAILY), 2)
    names = np.tile(np.array(["rig-1", "rig-2"], object), DAYS * DAILY)
    return batch_from_columns(SCHEMA, {"temp": values.reshape(-1)}, entities=names, times=times)


def scored(after: AfterStep, exceptions: Exceptions = NO_EXCEPTIONS) -> tuple[StreamScorer, list[Findings], np.ndarray]:
    """The scorer, its findings and the flagged rows."""
    scorer = StreamScorer(detector(), AlertPolicy(after_step=after), "memory", exceptions=exceptions)
    found, flagged, batch = [], np.zeros(2 * DAYS * DAILY, bool), records()
    for start in range(0, len(batch), 500):
        rows = slice(start, start + 500)
        piece = batch.take(rows)
        messages = Messages(
            source="memory",
            partitions=piece.partitions,
            offsets=piece.offsets,
            timestamps_ms=piece.times // 1000,
            values=[b""] * len(piece),
        )
        found.append(scorer.score(piece, messages))
        flagged[rows][found[-1].flagged] = True
    return scorer, found, flagged.reshape(-1, 2)


def test_a_question_in_place_of_weeks_of_alarms() -> None:
    """Flagged for a day or two, then asked once a week; the other rig is not touched."""
    _, _, flagged = scored(AfterStep.ASK)
    asked = np.flatnonzero(flagged[STEP + 7 * DAILY :, 0])
    assert flagged[STEP : STEP + DAILY, 0].all()
    assert 1 <= len(asked) <= 3
    assert not flagged[:, 1].any()
    assert not flagged[:STEP].any()


def test_a_monitor_may_keep_alarming() -> None:
    """Every record at the new level is flagged, and none asks."""
    _, found, flagged = scored(AfterStep.KEEP)
    assert flagged[STEP:, 0].all()
    assert not any(each.scored.scores.step.any() for each in found)


def test_a_group_asks_by_its_own_threshold() -> None:
    """Raised above the new level, nothing of it is strange: no record is flagged and none asks; the scorer may learn of it later."""
    raised = Exceptions((InForce(1, GroupThreshold(by=GroupedBy.ENTITY, value="rig-1", shift=10.0)),))
    scorer, found, flagged = scored(AfterStep.ASK, raised)
    assert not flagged.any()
    assert not any(each.scored.scores.step.any() for each in found)
    other = GroupThreshold(by=GroupedBy.ENTITY, value="rig-2", shift=10.0)
    serving = scorer.serving.excepting(Exceptions((InForce(2, other),)))
    contexts = RunningContext(serving.detector.context).extend(records())
    step = serving.detector.score(records(), contexts).step.reshape(-1, 2)
    assert (step[:, 0] == ASKS).any()
    assert not step[:, 1].any()


def test_people_may_say_that_it_goes_on_alarming() -> None:
    """From the answer on all are flagged, by the records' own time."""
    answered = STEP + 10 * DAILY
    since = from_microseconds(BEGIN + 1_800_000_000 * answered)
    kept = Exceptions((InForce(1, KeepsAlarming(entity="rig-1", since=since)),))
    scorer, found, flagged = scored(AfterStep.ASK, kept)
    assert flagged[answered:, 0].all()
    told = [record for each in found for record in describe(each.scored.take(each.flagged), scorer.serving)]
    assert all(record.time < since for record in told if record.grounds.step)
    assert flagged[STEP + 7 * DAILY : answered, 0].mean() < 0.05


def test_the_question_says_what_changed_and_replays() -> None:
    """Since when, which feature, from what to what; stored with the record, which gives the same score again."""
    scorer, found, _ = scored(AfterStep.ASK)
    each = next(each for each in found if (each.scored.scores.step == ASKS).any())
    asks = each.scored.take(np.flatnonzero(each.scored.scores.step == ASKS))
    record = describe(asks, scorer.serving)[0]
    step = record.grounds.step
    assert step is not None
    assert step.since == from_microseconds(BEGIN + 1_800_000_000 * STEP)
    assert step.moved[0].feature == record.features[0] == "temp"
    assert "temp is " in record.grounds.in_words[-1]
    assert "°C on average" in record.grounds.in_words[-1]
    assert type(record.grounds).from_json(record.grounds.to_json()) == record.grounds
    assert replay(detector(), record).agrees


@pytest.mark.parametrize("from_plain", [False, True])
def test_what_is_known_outlasts_restarts_and_models(from_plain: bool) -> None:
    """A snapshot gives the same states to the bit; another model goes on with them, also where it is told its plain context."""
    made = asking(detector(), 3.0, AfterStep.ASK)
    store, batch = ContextStore(made.context), records()
    cut = 2 * (STEP + 5 * DAILY)
    store.extend(batch.take(slice(0, cut)))
    snapshot = store.snapshot(0, cut, "fake")
    chunks = [snapshot.chunks[number] for number in snapshot.chunks]
    rest = store.extend(batch.take(slice(cut, None))).features
    other = ContextStore(asking(detector(), 3.0, AfterStep.ASK).context)
    assert other.load(0, snapshot.head, chunks, detector().context if from_plain else None)
    np.testing.assert_array_equal(other.extend(batch.take(slice(cut, None))).features, rest)


def test_a_monitor_that_asks_no_more_goes_on_with_its_context() -> None:
    """And one that begins to ask: the detector's own states are kept to the bit."""
    plain, steps = detector().context, asking(detector(), 3.0, AfterStep.ASK).context
    piece = records().take(slice(0, 100))
    for before, after in ((plain, steps), (steps, plain)):
        one, other = ContextStore(before), ContextStore(after)
        one.extend(piece)
        snapshot = one.snapshot(0, 100, "fake")
        assert other.load(0, snapshot.head, [snapshot.chunks[number] for number in snapshot.chunks])
        whole = ContextStore(after)
        whole.extend(piece)
        rest = records().take(slice(100, 120))
        width = plain.width
        expected, found = (store.extend(rest).features[:, :width] for store in (whole, other))
        np.testing.assert_array_equal(expected, found)


def test_another_model_goes_on_where_an_exception_went_with_the_last_one() -> None:
    """A level was read as normal before, and is not any more: states go on, and what changes are known by with them."""
    steps = asking(detector(), 3.0, AfterStep.ASK)
    level = NormalLevel(entity="rig-1", feature="temp", shift=5.0, since=from_microseconds(BEGIN))
    corrected = under(steps, Exceptions((InForce(1, level),))).context
    store = ContextStore(corrected)
    store.extend(records().take(slice(0, 100)))
    assert store.swap(steps.context, SCHEMA)
    assert store.snapshot(0, 100, "fake").count == 1
