"""Every type of feature becomes numbers of one scale, and back."""

import numpy as np
import pytest

from latentwatch.detector.rows.features import Features, fit_features
from latentwatch.detector.rows.numbers import MOVED, fit_numbers
from latentwatch.detector.rows.words import fit_category, fit_text
from latentwatch.domain.record import batch_from_columns
from latentwatch.domain.schema import RecordSchema

SCHEMA = RecordSchema(
    features={
        "load": "numeric",
        "open": "boolean",
        "hour": {"type": "cyclic", "period": 24},
        "mode": "category",
        "note": "text",
    }
)


def _batch(count: int = 200, seed: int = 0, **replaced):
    random = np.random.default_rng(seed)
    columns = {
        "load": random.normal(50, 5, count),
        "open": random.random(count) < 0.3,
        "hour": random.uniform(0, 24, count),
        "mode": random.choice(["idle", "run", "stop"], count).tolist(),
        "note": random.choice(["all is well", "valve was moved by hand"], count).tolist(),
    }
    return batch_from_columns(SCHEMA, columns | replaced)


def test_every_type_has_about_the_same_say():
    """Each feature's columns together vary by about one, whatever the type."""
    features = fit_features(_batch(), 0)
    rows = features.transform(_batch())
    say = [rows.values[:, features.owners == at].var(axis=0).sum() for at in range(5)]
    assert rows.present is None
    assert min(say) > 0.5
    assert max(say) < 2.5


def test_values_come_back():
    """What a row says of a feature is what the record said."""
    batch = _batch()
    features = fit_features(batch, 0)
    rows = features.transform(batch)
    read = features.read(rows.values.astype(np.float64), batch.entities)
    for row in (0, 7, 11):
        was, now = batch.values(row), read[row]
        assert now["load"] == pytest.approx(was["load"], rel=1e-4)
        assert now["hour"] == pytest.approx(was["hour"], abs=1e-2)
        assert (now["open"], now["mode"], now["note"]) == (was["open"], was["mode"], None)


def test_no_records_are_no_rows():
    """A poll of a quiet topic brings no record, which any type of feature must bear."""
    features = fit_features(_batch(), 0)
    assert features.transform(_batch().take(np.arange(0))).values.shape == (0, len(features.owners))


def test_midnight_is_next_to_midnight():
    """The hours 23.9 and 0.1 are neighbours."""
    features = fit_features(_batch(), 0)
    rows = features.transform(
        _batch(2, hour=[23.9, 0.1], load=[50, 50], open=[True, True], mode=["run"] * 2, note=["x"] * 2)
    )
    assert np.abs(rows.values[0] - rows.values[1]).max() < 0.1


def test_what_is_missing_is_marked_not_invented():
    """A value that is sometimes missing is masked; one that never was has moved."""
    load = np.random.default_rng(0).normal(50, 5, 200)
    load[::4] = np.nan
    features = fit_features(_batch(load=load), 0)
    rows = features.transform(_batch(2, load=[np.nan, 50.0], open=[np.nan, 1.0]))
    assert rows.present is not None
    assert not rows.present[0, 0]
    assert rows.present[1].all()
    assert rows.values[0, 1] == MOVED


def test_words_never_seen_have_moved():
    """An unknown word, and a missing one, stand out in the category's last column alone."""
    table = fit_category(np.array(["a", "b"] * 20, object), np.zeros((40, 0)), 0)
    out = table.transform(np.array(["a", "z", None], object))
    assert out[:, -1].tolist() == [0.0, MOVED, MOVED]
    assert table.closest(out[0, :-1]) == "a"


def test_many_levels_share_few_columns_by_their_company():
    """Levels found in the same company lie nearer to each other than to others."""
    random = np.random.default_rng(0)
    level = random.integers(0, 40, 4000)
    company = np.where(level < 20, -1.0, 1.0)[:, None] + 0.1 * random.normal(size=(4000, 1))
    table = fit_category(np.array([f"l{at:02d}" for at in level], object), company, 0)
    place = {name: table.places[at] for at, name in enumerate(table.levels)}

    def apart(some: range, others: range) -> float:
        pairs = [(place[f"l{i:02d}"], place[f"l{j:02d}"]) for i in some for j in others if i != j]
        return float(np.mean([np.linalg.norm(a - b) for a, b in pairs]))

    assert table.places.shape == (40, 8)
    assert apart(range(20), range(20)) < apart(range(20), range(20, 40))


def test_texts_unlike_any_are_outside():
    """A text of other letters lies outside the known directions; none at all is marked."""
    known = fit_text(np.array(["pump runs well today", "pump rests well today"] * 50, object))
    out = known.transform(np.array(["pump runs well today", "zyx qqq jjj", None], object))
    assert out[1, -2] > out[0, -2] + 3
    assert out[2, -1] == MOVED


def test_entities_are_centred_with_shrinkage():
    """An entity with many records has its own centre; one with few, or unknown, leans on the population's."""
    random = np.random.default_rng(0)
    names = np.array(["big"] * 1000 + ["small"] * 3, object)
    values = np.where(names == "big", 10.0, 30.0)[:, None] + random.normal(size=(1003, 1))
    scale = fit_numbers(values, names)
    centres = scale.centres(np.array(["big", "small", "new"], object))[:, 0]
    assert centres[0] == pytest.approx(10.0, abs=0.2)
    assert centres[2] < centres[1] < 20.0


def test_far_values_are_drawn_in_and_come_back():
    """Beyond eight spreads only the logarithm counts, reversibly; an infinity stays finite."""
    scale = fit_numbers(np.random.default_rng(0).normal(size=(500, 1)), np.full(500, "", object))
    nobody = np.full(3, "", object)
    scores = scale.transform(np.array([[5.0], [1e6], [np.inf]]), nobody)
    assert np.isfinite(scores).all()
    assert scores[0, 0] < 8 < scores[1, 0] < 150
    assert scale.inverse(scores[:2], nobody[:2])[:, 0].tolist() == pytest.approx([5.0, 1e6], rel=1e-6)


def test_features_survive_their_bundle():
    """Features read back give the same rows."""
    features = fit_features(_batch(), 0)
    again = Features.from_bundle(features.arrays(), features.meta())
    assert np.array_equal(features.transform(_batch()).values, again.transform(_batch()).values)


def test_a_strangers_normal_is_as_wide_as_entities_differ():
    """An entity that was not in training is not strange for its own level; known ones are read as before."""
    random = np.random.default_rng(0)
    owners = random.integers(0, 40, 8000)
    levels = random.normal(0.0, 3.0, 40)
    numbers = (levels[owners] + random.standard_normal(8000))[:, None]
    names = np.array([f"e{owner}" for owner in owners], object)
    scale = fit_numbers(numbers, names)
    strangers = random.normal(0.0, 3.0, (2000, 1)) + random.standard_normal((2000, 1))
    unknown = np.full(2000, "new", object)
    assert scale.transform(numbers, names).std() == pytest.approx(1.0, abs=0.05)
    assert scale.transform(strangers, unknown).std() == pytest.approx(1.0, abs=0.15)
    assert np.allclose(scale.inverse(scale.transform(strangers, unknown), unknown), strangers, atol=1e-4)
