"""Levels that drift are followed: what drifts slowly keeps the promise, what moves fast is found."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from latentwatch.detector.bundle import decode_bundle, encode_bundle
from latentwatch.detector.sequences.channels import fit_channels
from latentwatch.detector.sequences.context import encode, fit_context
from latentwatch.detector.sequences.detector import SequenceDetector
from latentwatch.detector.sequences.followed_levels import RATE, REACH, Levels, drifts, fit_levels, growth_of_levels
from latentwatch.detector.training import learn
from latentwatch.domain.model_choice import ModelChoice
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.schema import RecordSchema
from tests.detector.checks import read

FEATURES = [f"s{number}" for number in range(6)]
SCHEMA = RecordSchema.model_validate({"features": dict.fromkeys(FEATURES, "numeric")})
TRAINED, TESTED = 4_000, 4_000
SPREADS_A_HISTORY = 2.0
"""How far a level wanders within the history, in standard deviations of what does not wander."""


def driven(count: int, seed: int = 0) -> np.ndarray:
    """[count, 6] sensors that drive each other and stay where they are."""
    random = np.random.default_rng(seed)
    drive = np.random.default_rng(9).normal(size=(6, 6))
    drive *= 0.8 / np.abs(np.linalg.eigvals(drive)).max()
    rows = random.normal(size=(count, 6))
    for row in range(1, count):
        rows[row] += drive @ rows[row - 1]
    return rows


def drifting(count: int, seed: int = 0) -> np.ndarray:
    """The same, each on a level that walks at random."""
    rows, random = driven(count, seed), np.random.default_rng(seed + 1)
    walk = np.cumsum(random.normal(size=rows.shape), axis=0) / np.sqrt(TRAINED)
    return rows + SPREADS_A_HISTORY * rows.std(axis=0) * walk


def as_batch(rows: np.ndarray) -> Batch:
    """Records of one entity, one a second."""
    return batch_from_columns(SCHEMA, dict(zip(FEATURES, rows.T, strict=True)))


def surprise(detector: SequenceDetector, rows: np.ndarray) -> np.ndarray:
    """Of a stream that goes on where the history ended."""
    batch = as_batch(rows)
    return detector.score(batch, read(detector, batch)).surprise


@pytest.fixture(scope="module")
def stream() -> np.ndarray:
    """A drifting stream: the history, then what comes after it."""
    return drifting(TRAINED + TESTED)


@pytest.fixture(scope="module")
def following(stream: np.ndarray) -> SequenceDetector:
    """Trained on the drifting history, left to decide for itself."""
    torch.set_num_threads(1)
    return learn(as_batch(stream[:TRAINED]), ModelChoice(), window=32)


def test_drift_in_the_history_is_seen_and_faults_stand_out_better(stream: np.ndarray, following: SequenceDetector):
    """Followed levels keep the promise on what comes next, and tell faults from it far better than fixed ones."""
    assert following.follows_drift
    fixed = learn(as_batch(stream[:TRAINED]), ModelChoice(follow_drift=False), window=32)
    rows, truth, sizes = stream.copy(), np.zeros(len(stream), bool), driven(TRAINED).std(axis=0)
    for turn, begin in enumerate(range(TRAINED + 100, len(rows) - 100, 250)):
        rows[begin : begin + 30, turn % 6] += 3 * sizes[turn % 6]
        truth[begin : begin + 30] = True
    tested = slice(TRAINED, None)
    areas = [roc_auc_score(truth[tested], surprise(each, rows)[tested]) for each in (following, fixed)]
    assert areas[0] > areas[1] + 0.1
    assert np.mean(surprise(following, stream)[tested] >= 2) <= 0.02


def test_a_step_of_a_drifting_sensor_is_found(stream: np.ndarray, following: SequenceDetector):
    """A step of eight deviations is flagged within ten records, and a hundred later has not become the usual."""
    rows = stream.copy()
    rows[TRAINED + 2_000 : TRAINED + 2_100, 2] += 8 * driven(TRAINED).std(axis=0)[2]
    found = surprise(following, rows)[TRAINED + 2_000 : TRAINED + 2_100] >= 2
    assert found[:10].any()
    assert found[20:].mean() > 0.5


def test_steady_histories_keep_fixed_levels():
    """Without drift nothing is followed, unless it is asked for."""
    torch.set_num_threads(1)
    history = as_batch(driven(2_000))
    assert not learn(history, ModelChoice(), window=32).follows_drift
    assert learn(history, ModelChoice(follow_drift=True), window=32).follows_drift


def test_a_course_of_the_day_is_no_drift():
    """Levels that return within the history are fixed, however far they went; a walk's grow with the time between."""
    hours = np.linspace(0, 2 * np.pi, 2_000)[:, None]
    day = (3 * np.sin(hours + np.arange(6)) + driven(2_000)).astype(np.float32)
    walk = np.cumsum(np.random.default_rng(0).normal(size=(2_000, 40)), axis=0).astype(np.float32)
    assert growth_of_levels(day, np.zeros(2_000, np.intp)) < 0.9
    assert growth_of_levels(walk, np.zeros(2_000, np.intp)) > 1.3
    assert growth_of_levels(walk[:100], np.zeros(100, np.intp)) == 0.0
    assert not learn(as_batch(day.astype(float)), ModelChoice(), window=32).follows_drift


@pytest.mark.parametrize(
    ("growth", "fixed", "followed", "expected"),
    [(1.5, 0.5, 0.2, True), (0.9, 0.5, 0.2, False), (1.5, 0.05, 0.0, False), (1.5, 0.5, 0.45, False)],
)
def test_the_rule_asks_for_three_things(growth: float, fixed: float, followed: float, expected: bool):
    """Levels that do not come back, blocks that look strange unseen, and following that takes a part of that off."""
    assert drifts(growth, lambda: (fixed, followed)) is expected


def test_expected_values_stand_on_the_level_of_today(stream: np.ndarray, following: SequenceDetector):
    """Of a spike the expected value is near what the drifted sensor showed before it, not near the history's level."""
    rows = stream.copy()
    last = len(rows) - 1
    size = driven(TRAINED).std(axis=0)[1]
    rows[:, 1] += np.linspace(0, 30 * size, len(rows))  # beyond anything that training saw, and slowly
    usual = rows[last, 1]
    rows[last, 1] += 8 * size
    batch = as_batch(rows)
    contexts = read(following, batch)
    picked = np.array([last])
    scores = following.score(batch, contexts)
    (why,) = following.explain(batch.take(picked), contexts.take(picked), scores.take(picked))
    assert max(why.contributions, key=why.contributions.__getitem__) == "s1"
    assert why.expected["s1"] == pytest.approx(usual, abs=4 * size)


def test_a_level_never_moves_faster_than_its_pace():
    """A record far off pulls no harder than one at REACH; a missing value and a fixed channel pull nothing."""
    levels = Levels(np.array([RATE, RATE, 0.0], np.float32), np.array([1.0, 2.0, 1.0], np.float32))
    states = np.zeros((1, 5), np.float32)
    z = np.array([[100.0, np.nan, 3.0], [100.0, -0.5, 3.0]], np.float32)
    out = levels.read(states, 2, np.zeros(2, np.intp), z)
    assert states[0, 2:].tolist() == pytest.approx([2 * RATE * REACH, -0.5 * RATE, 0.0])
    assert out[1].tolist() == pytest.approx([100.0 - RATE * REACH, -0.25, 3.0])
    assert np.isnan(out[0, 1])


def test_what_is_left_is_of_usual_size(stream: np.ndarray):
    """Spreads bring what following leaves of a drifting channel to a scale of 1."""
    z = stream[:TRAINED].astype(np.float32)
    levels = fit_levels(z, np.zeros(TRAINED, np.intp), np.ones(6, bool))
    left = levels.read(np.zeros((1, 6), np.float32), 0, np.zeros(TRAINED, np.intp), z)
    assert np.quantile(left, 0.95, axis=0) - np.quantile(left, 0.05, axis=0) == pytest.approx(3.29, rel=0.01)


def test_a_stream_may_be_cut_anywhere(stream: np.ndarray, following: SequenceDetector):
    """Contexts and states are the same for a batch and for its pieces, to the bit."""
    batch, context = as_batch(stream[:500]), following.context
    whole, pieces = context.fresh([""]), context.fresh([""])
    expected = context.extend(whole, np.zeros(500, np.intp), batch).features
    cuts = [slice(0, 1), slice(1, 200), slice(200, 500)]
    found = [context.extend(pieces, np.zeros(cut.stop - cut.start, np.intp), batch.take(cut)).features for cut in cuts]
    np.testing.assert_array_equal(np.concatenate(found), expected)
    np.testing.assert_array_equal(pieces, whole)


def test_a_level_outlasts_a_silence(stream: np.ndarray, following: SequenceDetector):
    """After a gap the averages begin again, on the level that was reached."""
    batch, context = as_batch(stream[:3_000]), following.context
    states = context.fresh([""])
    context.extend(states, np.zeros(3_000, np.intp), batch)
    reached = states.copy()
    later = replace(as_batch(stream[3_000:3_001]), times=batch.times[-1:] + 10**12)
    contexts = context.extend(states, np.zeros(1, np.intp), later)
    assert contexts.seen.tolist() == [0]
    at = slice(-2 * 6 - 1, -6 - 1)
    assert np.abs(states[0, at] - reached[0, at]).max() <= RATE * REACH * 1.001
    assert np.abs(reached[0, at]).max() > 0.1


def test_states_are_adopted_between_fixed_and_followed_levels(stream: np.ndarray):
    """A stream goes on under the next model as if that had read it: levels become levels, or go back into the values."""
    batch, more = as_batch(stream[:2_000]), as_batch(stream[2_000:2_400])
    channels = fit_channels(batch)
    fixed, followed = (fit_context(channels, batch, 16, follows=follows) for follows in (False, True))
    owners, later = np.zeros(2_000, np.intp), np.zeros(400, np.intp)
    for old, new in ((fixed, followed), (followed, fixed), (followed, followed)):
        states = old.fresh([""])
        old.extend(states, owners, batch)
        adopted = new.adopt(states, old)
        assert adopted is not None
        found = new.extend(adopted, later, more).features[300:, :6]
        whole = encode(new, as_batch(stream[:2_400])).features[2_300:, :6]
        np.testing.assert_allclose(found, whole, atol=1.0 if old is fixed else 0.05)


def test_a_bundle_keeps_its_levels(following: SequenceDetector, stream: np.ndarray):
    """Read back, the detector follows as before; without levels, as earlier versions wrote bundles, they are fixed."""
    name, document, weights = encode_bundle(following)
    again = decode_bundle(document, weights, name)
    np.testing.assert_array_equal(surprise(again, stream[:300]), surprise(following, stream[:300]))
    assert not Levels.from_bundle({}, 6).followed
    with pytest.raises(ValueError, match="do not fit the channels"):
        Levels.from_bundle({"rates": np.zeros(5, np.float32), "spreads": np.ones(5, np.float32)}, 6)
