"""The sequence detector keeps its contract: pure, calibrated, explaining, the same from its bundle."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from latentwatch.detector.bundle import decode_bundle, encode_bundle
from latentwatch.detector.evaluation import evaluate
from latentwatch.detector.faults import FaultKind
from latentwatch.detector.interface import Contexts
from latentwatch.detector.recipes import SEQUENCE
from latentwatch.detector.sequences.context import encode
from latentwatch.detector.sequences.promise import as_if_fresh, drift_allowance
from latentwatch.detector.training import learn
from latentwatch.domain.errors import InvalidHistory
from latentwatch.domain.model_choice import ModelChoice, ModelKind
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.schema import RecordSchema
from latentwatch.domain.scores import Scores
from tests.detector.sequences.conftest import PLANT

pytestmark = pytest.mark.slow


def scored(detector, batch: Batch) -> tuple[Contexts, Scores]:
    """Contexts and scores of a batch whose entities start fresh."""
    contexts = encode(detector.context, batch)
    return contexts, detector.score(batch, contexts)


def channels(numbers: np.ndarray) -> Batch:
    """A batch of unnamed sensors of one entity."""
    schema = RecordSchema.model_validate({"features": {f"x{k}": "numeric" for k in range(numbers.shape[1])}})
    return batch_from_columns(schema, {f"x{k}": column for k, column in enumerate(numbers.T)})


def test_a_row_s_score_depends_on_that_row_alone(detector, holdout):
    """Single rows, and rows in another order, score as they do in the batch."""
    part = holdout.take(slice(0, 300))
    contexts, scores = scored(detector, part)
    order = np.random.default_rng(0).permutation(300)
    shuffled = detector.score(part.take(order), contexts.take(order))
    np.testing.assert_allclose(shuffled.surprise, scores.surprise[order], atol=1e-3)
    one = detector.score(part.take(np.array([7])), contexts.take(np.array([7])))
    assert one.surprise[0] == pytest.approx(scores.surprise[7], abs=1e-3)
    assert one.density[0] == pytest.approx(scores.density[7], abs=1e-3)


def test_the_promise_holds_on_unseen_normal_records(detector, holdout):
    """At most two records in a hundred reach surprise 2, and some do; a day and a half of history realises far fewer than one."""
    evaluation = evaluate(detector, holdout, AlertPolicy(false_alarm_rate=0.01))
    assert 0 < evaluation.realised_rate <= 0.02
    assert evaluation.realised_interval[0] <= evaluation.realised_rate <= evaluation.realised_interval[1]
    assert evaluation.faults_found >= 0.6 * evaluation.faults_planted


def test_faults_stand_out_and_name_their_sensor(detector):
    """Most planted faults are flagged, and the guilty sensor is among the first two."""
    kinds = [FaultKind.SPIKE, FaultKind.CORRELATION_BREAK, FaultKind.CAVITATION, FaultKind.CONSTANT_MOVES]
    batch, faults = PLANT.stream(datetime(2026, 2, 1, tzinfo=UTC), 8000, faults=kinds, spacing_records=800)
    contexts, scores = scored(detector, batch)
    peaks = np.array([fault.rows[np.argmax(scores.surprise[fault.rows])] for fault in faults])
    assert np.mean(scores.surprise[peaks] >= 2) > 0.85
    few = scores.take(peaks)
    named = 0
    for fault, explanation in zip(faults, detector.explain(batch.take(peaks), contexts.take(peaks), few), strict=True):
        top = sorted(explanation.contributions, key=lambda name: -explanation.contributions[name])[:2]
        named += bool(set(top) & set(fault.guilty))
    assert named / len(faults) >= 0.85


def test_expected_values_are_such_as_normal_records_have(detector, history):
    """However strange a record is, what it should have shown lies where training did, and nearer to the truth than it."""
    start, sensors = datetime(2026, 1, 6, tzinfo=UTC), history.schema.numbers
    batch, faults = PLANT.stream(start, 3000, [FaultKind.VALVE_CLOSING, FaultKind.SPIKE], 300)
    unharmed = PLANT.history(start, 3000)
    contexts, scores = scored(detector, batch)
    worst = np.array([fault.rows[np.argmax(scores.surprise[fault.rows])] for fault in faults])
    few = scores.take(worst)
    lowest, highest = np.nanmin(history.numbers, axis=0), np.nanmax(history.numbers, axis=0)
    off = []
    for row, fault, why in zip(
        worst, faults, detector.explain(batch.take(worst), contexts.take(worst), few), strict=True
    ):
        expected = np.array([why.expected[name] for name in sensors], float)
        assert (expected >= lowest - 1e-4).all()
        assert (expected <= highest + 1e-4).all()
        guilty = [sensors.index(name) for name in fault.guilty]
        off.append(
            np.abs(np.array([expected, batch.numbers[row]]) - unharmed.numbers[row])[:, guilty]
            / np.nanstd(history.numbers[:, guilty], axis=0)
        )
    of_expected, of_actual = np.nanmean(np.concatenate(off, axis=1), axis=1)
    assert of_expected < of_actual / 2


def test_contributions_and_parts_sum_to_the_surprise(detector, holdout):
    """Of features and of components, none negative; the rest of an explanation is complete."""
    rows = np.arange(40, 44)
    contexts, scores = scored(detector, holdout.take(slice(0, 100)))
    few = scores.take(rows)
    for row, explanation in enumerate(detector.explain(holdout.take(rows), contexts.take(rows), few)):
        assert min(explanation.contributions.values()) >= 0
        assert sum(explanation.contributions.values()) == pytest.approx(float(few.surprise[row]), rel=1e-4)
        assert sum(explanation.parts.values()) == pytest.approx(float(few.surprise[row]), rel=1e-4)
        assert min(explanation.parts.values()) >= 0
        assert {*explanation.parts} == {*SEQUENCE.weights, "novelty"}
        assert set(explanation.expected) == set(holdout.schema.names)
        distances = [neighbour.distance for neighbour in explanation.neighbours]
        assert distances == sorted(distances)
        assert len(explanation.place) == 2


def test_the_bundle_scores_bit_for_bit_the_same(detector, holdout):
    """Saved and loaded, the detector gives identical scores, and saves to the same hash again."""
    name, document, weights = encode_bundle(detector)
    again = decode_bundle(document, weights, name)
    part = holdout.take(slice(0, 200))
    contexts, scores = scored(detector, part)
    np.testing.assert_array_equal(again.score(part, contexts).surprise, scores.surprise)
    assert again.bundle == name
    assert encode_bundle(again)[0] == name


def test_a_budget_per_day_counts_episodes(detector):
    """Fewer alarms a day need a higher threshold; a share of records is its own surprise."""
    assert detector.threshold(AlertPolicy(false_alarm_rate=0.001)) == pytest.approx(3.0)
    strict = detector.threshold(AlertPolicy(false_alarms_per_day=1))
    generous = detector.threshold(AlertPolicy(false_alarms_per_day=50))
    assert strict > generous
    assert detector.pace.records_per_day == pytest.approx(2 * 2880, rel=0.01)


def test_the_map_has_its_ground(detector, holdout):
    """Most normal records lie where the ground says that normal is."""
    ground = detector.map_ground()
    assert ground.density.shape == (len(ground.y), len(ground.x))
    assert ground.density.max() == pytest.approx(1.0)
    inside = (ground.sample[:, 0] > ground.x[0]) & (ground.sample[:, 0] < ground.x[-1])
    assert inside.mean() > 0.9


@pytest.mark.parametrize(
    ("rows", "columns", "constant"), [(400, 1, 0), (400, 8, 0), (300, 55, 50), (60, 3, 0), (200, 2, 2)]
)
def test_every_shape_of_stream_gets_one_surprise_a_row(rows, columns, constant):
    """One channel, short trains, wide telemetry mostly constant, nothing but constants: all train and score."""
    rng = np.random.default_rng(columns)
    numbers = np.cumsum(rng.normal(size=(2 * rows, columns)), axis=0) * 0.05 + rng.normal(size=(2 * rows, columns))
    numbers[:, :constant] = 3.0
    trained = learn(channels(numbers[:rows]), ModelChoice(), window=32)
    _, scores = scored(trained, channels(numbers[rows:]))
    assert scores.surprise.shape == (rows,)
    assert np.isfinite(scores.surprise).all()
    assert (scores.surprise >= 0).all()


@pytest.mark.parametrize("kind", [ModelKind.WINDOWED, ModelKind.LINEAR, ModelKind.VARIATIONAL])
def test_other_kinds_serve_through_the_same_bundle(kind, history):
    """Each kind trains, scores what is strange higher than what is not, and comes back from its bundle."""
    part = history.take(slice(0, 600))
    trained = learn(part, ModelChoice(kind=kind), window=16)
    name, document, weights = encode_bundle(trained)
    again = decode_bundle(document, weights, name)
    assert again.kind == kind.value
    numbers = part.numbers.copy()
    numbers[400:460, 2] += 500
    contexts, scores = scored(again, replace(part, numbers=numbers))
    assert np.median(scores.surprise[400:460]) > 2 > np.median(scores.surprise[:400])
    few = np.arange(2)
    assert len(again.explain(part.take(few), contexts.take(few), scores.take(few))) == 2


def test_first_rows_do_not_blow_up(detector, holdout):
    """Records before the context is full score like the others, and are marked."""
    _, scores = scored(detector, holdout)
    assert scores.warming[: 2 * detector.context.warm_after].all()
    assert not scores.warming[2 * detector.context.warm_after :].any()
    assert np.mean(scores.surprise[scores.warming]) < 2 * np.mean(scores.surprise)


def test_training_twice_gives_the_same_bundle(history):
    """Everything follows from the records and the seed."""
    part = history.take(slice(0, 300))
    first, second = (encode_bundle(learn(part, ModelChoice(seed=3), window=16))[0] for _ in range(2))
    assert first == second


def test_a_level_that_drifts_is_allowed_for():
    """Blocks that differ by more than their autocorrelation explains raise the bar; alike ones do not."""
    rng = np.random.default_rng(0)
    blocks = np.repeat(np.arange(3), 1000)
    calm = rng.normal(size=3000).astype(np.float32)
    assert drift_allowance(calm, blocks) < 0.15
    drifting = calm + np.repeat([0.0, 1.0, 2.0], 1000).astype(np.float32)
    assert drift_allowance(drifting, blocks) == pytest.approx(3.4, abs=0.2)


def test_what_a_fold_s_scores_lacked_is_taken_off():
    """A fifth of the way from out of fold to in the sample, most of it for the state model."""
    learned = {name: component.learned for component, _ in SEQUENCE.weighted for name in component.scores}
    learned = {name: learned[name] for name in ("now", "reconstruction")}
    out_of_fold = {name: np.full(3, 2.0, np.float32) for name in learned}
    in_sample = {name: np.full(3, 1.0, np.float32) for name in learned}
    for brevity, trust in ((0.0, 1.0), (0.025, 0.5), (0.05, 0.0), (3.0, 0.0)):
        fresh = as_if_fresh(out_of_fold, in_sample, learned, brevity)
        assert fresh["now"] == pytest.approx(2.0 - 0.2 * trust)
        assert fresh["reconstruction"] == pytest.approx(2.0 - 0.8 * trust)


def test_too_few_records_are_refused(history):
    """The error says how many are needed."""
    with pytest.raises(InvalidHistory, match="at least"):
        learn(history.take(slice(0, 10)), ModelChoice(), window=32)


def test_a_missing_sensor_does_not_stop_scoring(detector, holdout):
    """A sensor that falls silent is scored, not refused."""
    part = holdout.take(slice(0, 400))
    numbers = part.numbers.copy()
    numbers[100:, 2] = np.nan
    _, scores = scored(detector, replace(part, numbers=numbers))
    assert np.isfinite(scores.surprise).all()


def test_serving_needs_no_torch():
    """Importing what a bundle is served by imports no torch and no scikit-learn."""
    code = (
        "import sys, latentwatch.detector.sequences.detector, latentwatch.detector.bundle;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'sklearn')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
