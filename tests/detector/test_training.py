"""Training cuts history in each entity's own time, so that nothing is judged on what it was fitted on."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from latentwatch.detector.bundle import decode_bundle, encode_bundle, load_bundle, load_fitted, save_bundle
from latentwatch.detector.running_context import RunningContext
from latentwatch.detector.training import CalibrationSet, FitSet, calibrate, fit, learn, split
from latentwatch.domain.errors import BundleRefused, InvalidHistory
from latentwatch.domain.model_choice import ModelChoice
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.schema import RecordSchema

SCHEMA = RecordSchema.model_validate({"time": "t", "entity": "e", "features": {"x": "numeric"}})


def history(entities: list[str], times: np.ndarray) -> Batch:
    """One feature; its value is the row's number."""
    return batch_from_columns(
        SCHEMA, {"x": np.arange(len(times))}, entities=entities, times=times.astype(np.int64) * 1_000_000
    )


@pytest.mark.parametrize("window", [1, 40])
def test_every_entity_is_in_every_part_even_when_they_come_one_after_another(window: int):
    """Ten runs, each after the last: all of them are fitted on and all of them are held out."""
    parts = split(history([f"run{n // 600}" for n in range(6000)], np.arange(6000)), window)
    assert len(set(parts.fit.batch.entities)) == len(set(parts.holdout.batch.entities)) == 10


@pytest.mark.parametrize("window", [1, 40])
def test_parts_follow_each_other_in_each_entitys_time_with_a_gap(window: int):
    """Of one entity, what calibrates comes after what is fitted, and what is held out after both."""
    random = np.random.default_rng(0)
    parts = split(history(["a", "b"] * 3000, random.permutation(6000)), window)
    for entity in ("a", "b"):
        spans = [
            part.batch.times[part.batch.entities == entity]
            for part in (parts.fit, parts.calibration, parts.holdout)
            if len(part.batch)
        ]
        assert all(earlier.max() < later.min() for earlier, later in pairwise(spans))
    used = len(parts.fit.batch) + len(parts.calibration.batch) + len(parts.holdout.batch)
    assert 5700 < used < 6000


@pytest.mark.parametrize("window", [1, 40])
def test_entities_of_a_record_each_are_cut_as_one(window: int):
    """Payments that are entities each leave a fifth to be judged by, the last in time, beside an entity with a history."""
    names = [f"tx{n}" for n in range(1000)] + ["terminal"] * 1000
    parts = split(history(names, np.tile(np.arange(1000), 2)), window)
    held = parts.holdout.batch
    assert [int((held.entities == "terminal").sum()), int((held.entities != "terminal").sum())] == [200, 200]
    assert held.times.min() >= 800 * 1_000_000


@pytest.mark.parametrize("window", [1, 40])
def test_what_was_called_normal_is_fitted_on_wherever_it_lies(window: int):
    """The newest records, which would be held out, and some of those that would calibrate; the others are cut as without."""
    records = history(["a"] * 9000, np.arange(9000))
    normal = np.zeros(9000, bool)
    normal[[*range(5800, 5830), *range(8900, 9000)]] = True
    parts = split(records, window, normal)
    fitted = parts.fit.batch
    assert np.isin(records.offsets[normal], fitted.offsets).all()
    assert (np.diff(fitted.times) > 0).all()
    for part in (parts.calibration, parts.holdout):
        assert not np.isin(part.batch.offsets, records.offsets[normal]).any()
    rest = split(records.take(~normal), window)
    assert len(parts.holdout.batch) == len(rest.holdout.batch)
    assert len(fitted) == len(rest.fit.batch) + 130


def test_too_short_a_history_is_refused_with_its_size():
    """A handful of records cannot be cut."""
    with pytest.raises(InvalidHistory, match="holds 5 usable records"):
        split(history(["a"] * 5, np.arange(5)), 1)


@pytest.mark.slow
@pytest.mark.parametrize("window", [1, 8])
@pytest.mark.parametrize("gap", [False, True])
def test_a_fitted_model_can_wait_for_its_calibration(window: int, gap: bool, tmp_path):
    """Put aside between two tasks, it gives the same bundle as calibrated at once; until then it does not serve."""
    records = history(["a", "b"] * 150, np.arange(300))
    numbers = np.random.default_rng(0).normal(size=records.numbers.shape).astype(np.float32)
    if gap:
        numbers[::7] = np.nan
    records = replace(records, numbers=numbers)
    fit_set, calibration = FitSet(records.take(slice(0, 200))), CalibrationSet(records.take(slice(200, 300)))
    fitted = fit(fit_set, ModelChoice(), window)
    name = save_bundle(fitted, str(tmp_path))
    with pytest.raises(BundleRefused, match="fitted, not calibrated"):
        load_bundle(str(tmp_path), name)
    again = load_fitted(str(tmp_path), name)
    at_once, later = (encode_bundle(calibrate(model, fit_set, calibration)) for model in (fitted, again))
    assert at_once == later


def remembering(seed: int, count: int, schema: RecordSchema) -> Batch:
    """Four numbers of two factors, each of which keeps nine tenths of itself from one record to the next."""
    random = np.random.default_rng(seed)
    factors = random.normal(size=(count, 2))
    for row in range(1, count):
        factors[row] = 0.9 * factors[row - 1] + np.sqrt(1 - 0.81) * factors[row]
    numbers = factors @ random.normal(size=(2, 4)) + 0.3 * random.normal(size=(count, 4))
    times = np.arange(count, dtype=np.int64) * 60_000_000
    return batch_from_columns(schema, dict(zip("abcd", numbers.T, strict=True)), times=times)


def share_flagged(seed: int, schema: RecordSchema) -> float:
    """Of 2,000 normal records after 400 that were learned from, how many are stranger than one in a hundred."""
    records = remembering(seed, 2400, schema)
    detector = learn(records.take(slice(0, 400)), ModelChoice(), 1)
    later = records.take(slice(400, 2400))
    return float((detector.score(later, RunningContext(detector.context).extend(later)).surprise >= 2.0).mean())


@pytest.mark.slow
def test_records_like_their_neighbours_in_time_keep_the_promise_alone():
    """A record's neighbours have taught what judges it, so that a stream's promise is taken from what was lately."""
    features = dict.fromkeys("abcd", "numeric")
    stream = RecordSchema.model_validate({"time": "t", "features": features})
    table = RecordSchema.model_validate({"features": features})
    by_lately, by_training = (np.mean([share_flagged(seed, schema) for seed in range(3)]) for schema in (stream, table))
    assert by_lately <= 0.02 < by_training


def test_a_short_history_of_records_alone_says_until_when_it_compares_with_lately():
    """Rare lately is what is flagged, strange against training stands beside it; a bundle keeps both, and a table has neither."""
    features = dict.fromkeys("abcd", "numeric")
    stream = RecordSchema.model_validate({"time": "t", "features": features})
    records = remembering(0, 600, stream)
    detector = learn(records.take(slice(0, 400)), ModelChoice(effort="light"), 1)
    later = records.take(slice(400, 600))
    name, document, weights = encode_bundle(detector)
    again = decode_bundle(document, weights, name)
    told = detector.score(later, RunningContext(detector.context).extend(later))
    read = again.score(later, RunningContext(again.context).extend(later))
    assert told.surprise.tolist() == read.surprise.tolist()
    assert told.against_training.mean() > told.surprise.mean()
    assert detector.notes == again.notes
    assert "A history of 1,300 records, which it will have on 1 January 1970" in detector.notes[0]
    table = learn(
        remembering(0, 400, RecordSchema.model_validate({"features": features})), ModelChoice(effort="light"), 1
    )
    assert not table.notes
    assert not table.context.width


def test_where_a_batch_of_records_alone_is_cut_does_not_matter():
    """What is lately goes on from batch to batch."""
    stream = RecordSchema.model_validate({"time": "t", "features": dict.fromkeys("abcd", "numeric")})
    records = remembering(1, 500, stream)
    detector = learn(records.take(slice(0, 400)), ModelChoice(effort="light"), 1)
    later, pieces = records.take(slice(400, 500)), RunningContext(detector.context)
    whole = RunningContext(detector.context).extend(later).features
    cut = [pieces.extend(later.take(slice(a, b))).features for a, b in ((0, 1), (1, 40), (40, 100))]
    np.testing.assert_allclose(np.concatenate(cut), whole, atol=1e-5)
