"""Records that stand alone have places on a map, and the next version keeps them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from latentwatch.detector.bundle import load_bundle, save_bundle
from latentwatch.detector.latent.basis import LANDMARKS
from latentwatch.detector.training import CalibrationSet, FitSet, calibrate, fit
from latentwatch.domain.errors import BundleRefused
from latentwatch.domain.model_choice import ModelChoice, ModelKind
from latentwatch.domain.record import batch_from_columns
from latentwatch.domain.schema import RecordSchema

START = datetime(2026, 1, 1, tzinfo=UTC)
FEATURES = {"speed": "numeric", "power": "numeric", "heat": "numeric", "mode": "category", "note": "text"}


def _records(count, seed, features=None):
    """A machine in one of two modes: power and heat follow speed; a heat in twenty is missing."""
    random = np.random.default_rng(seed)
    speed = random.normal(size=count)
    fast = random.random(count) < 0.4
    power = 20 * speed + np.where(fast, 60, 0) + random.normal(size=count)
    heat = 0.1 * power + random.normal(0, 0.3, count)
    heat[random.random(count) < 0.05] = np.nan
    columns = {
        "speed": speed,
        "power": power,
        "heat": heat,
        "mode": np.where(fast, "fast", "slow").tolist(),
        "note": np.where(fast, "all is well", "slow today").tolist(),
    }
    named = features or FEATURES
    schema = RecordSchema.model_validate({"time": "at", "features": named})
    begin = int((START + timedelta(days=seed)).timestamp() * 1e6)
    times = begin + np.arange(count, dtype=np.int64) * 60_000_000
    return batch_from_columns(schema, {name: columns[name] for name in named}, times=times)


def _version(records, replaced=None, **choice):
    learned, nothing = FitSet(records), CalibrationSet(records.take(slice(0, 0)))
    return calibrate(fit(learned, ModelChoice(**choice), 1, replaced=replaced), learned, nothing)


def _codes(version, records):
    past = version.context.extend(np.zeros((1, 0), np.float32), np.zeros(len(records), np.intp), records)
    return version.codes(records, past)


@pytest.fixture(scope="module")
def versions():
    first = _version(_records(1_500, 0))
    return first, _version(_records(1_500, 1), first, seed=1)


@pytest.mark.parametrize("kind", [ModelKind.VARIATIONAL, ModelKind.LINEAR])
def test_a_record_keeps_its_place_when_the_model_is_trained_again(kind):
    """Codes of records that neither version saw hardly move; without landmarks they end anywhere."""
    first = _version(_records(1_500, 0), kind=kind)
    kept, alone = (_version(_records(1_500, 1), before, kind=kind, seed=1) for before in (first, None))
    fresh = _records(500, 2)
    old = _codes(first, fresh)
    spread = np.square(old - old.mean(axis=0)).sum()
    assert np.square(_codes(kept, fresh) - old).sum() < 0.1 * spread
    assert kept.map_ground().basis == first.map_ground().basis
    assert alone.map_ground().basis != first.map_ground().basis
    if kind is ModelKind.VARIATIONAL:
        assert np.square(_codes(alone, fresh) - old).sum() > 0.5 * spread


def test_half_of_the_landmarks_stay_for_ever(versions):
    """The first half are the first version's records, the second half this one's."""
    first, second = versions
    names = ("mode", "note")
    old, new = (version.map.records.values(np.arange(LANDMARKS), version.schema) for version in versions)
    assert [[record[name] for name in names] for record in old[: LANDMARKS // 2]] == [
        [record[name] for name in names] for record in new[: LANDMARKS // 2]
    ]
    assert np.array_equal(first.map.basis.codes[: LANDMARKS // 2], second.map.basis.codes[: LANDMARKS // 2])
    assert not np.array_equal(first.map.basis.codes[LANDMARKS // 2 :], second.map.basis.codes[LANDMARKS // 2 :])


def test_short_histories_keep_their_basis():
    """With fewer records than landmarks, and fewer still in the next version."""
    first = _version(_records(120, 0))
    second = _version(_records(40, 1), first)
    third = _version(_records(200, 2), second)
    assert first.map_ground().basis == second.map_ground().basis == third.map_ground().basis
    assert len(first.map.basis.rows) == len(third.map.basis.rows) == 120


def test_other_features_begin_a_map_of_their_own(versions):
    """Landmarks that lack a feature cannot be encoded."""
    fewer = {name: kind for name, kind in FEATURES.items() if name != "heat"}
    other = _version(_records(400, 3, fewer), versions[0])
    assert other.map_ground().basis != versions[0].map_ground().basis


def test_the_contours_hold_what_they_say_of_later_records(versions):
    """80 and 95 % of normal records of another day, within some points."""
    ground, first = versions[0].map_ground(), versions[0]
    places = first.map.basis.places(_codes(first, _records(3_000, 5)))
    density = ground.density_at(places)
    assert [(density >= contour).mean() for contour in ground.contours] == pytest.approx([0.8, 0.95], abs=0.06)


def test_a_flagged_record_lies_where_its_code_does_and_off_the_surface(versions):
    """The place that is told is that of the code; a record that contradicts itself is badly reconstructed."""
    first, fresh = versions[0], _records(50, 6)
    wrong = fresh.with_numbers(fresh.numbers + np.array([0, 60, 0], fresh.numbers.dtype))
    past = first.context.extend(np.zeros((1, 0), np.float32), np.zeros(50, np.intp), wrong)
    scores = first.score(wrong, past)
    told = first.explain(wrong, past, scores)
    assert np.allclose([found.place for found in told], first.map.basis.places(_codes(first, wrong)))
    usual = first.score(fresh, past)
    assert np.median(scores.reconstruction) > np.median(usual.reconstruction) + 1


def test_a_map_is_stored_and_damage_is_refused(versions, tmp_path):
    """What is loaded shows the same map, and holds the next version to it; landmarks that lack a record are no map."""
    second = versions[1]
    again = load_bundle(str(tmp_path), save_bundle(second, str(tmp_path)))
    assert again.map_ground().basis == second.map_ground().basis
    assert np.array_equal(again.map_ground().contours, second.map_ground().contours)
    third = _version(_records(300, 4), again)
    assert third.map_ground().basis == second.map_ground().basis
    arrays, meta = second.map.arrays(), second.map.meta()
    shape = (second.model.normal.width, second.model.coded.code_size)
    meta["entities"] = meta["entities"][1:]
    with pytest.raises(BundleRefused, match="does not fit its landmarks"):
        type(second.map).from_bundle(arrays, meta, second.schema, shape)
