"""What the other features predict of each: standing off in usual sizes, nothing on bends, nothing of missing values."""

import numpy as np
import pytest

from latentwatch.detector.rows.features import Features, fit_features
from latentwatch.detector.rows.relations import RowRelations, fit_relations
from latentwatch.detector.tables import batch_of_array, schema_of_array
from latentwatch.domain.errors import BundleRefused

Floats = np.ndarray


def _features(values: Floats) -> tuple[Features, Floats]:
    schema = schema_of_array([f"x{column}" for column in range(values.shape[1])])
    batch = batch_of_array(values, schema, np.zeros(values.shape[1]))
    features = fit_features(batch, 0)
    return features, features.transform(batch).values


def _related(random: np.random.Generator, count: int) -> Floats:
    """Six columns of three causes and a little noise, and a seventh of its own."""
    causes = random.normal(size=(count, 3))
    mixing = np.array([[1, 0, 0, 1, 1, 0], [0, 1, 0, 1, 0, 1], [0, 0, 1, 0, 1, 1]])
    related = causes @ mixing + 0.1 * random.normal(size=(count, 6))
    return np.concatenate([related, random.normal(size=(count, 1))], axis=1)


def test_the_feature_that_breaks_a_relation_stands_off_most():
    """A column moved within its own range, but not with the others, stands off most; a normal row hardly does."""
    random = np.random.default_rng(0)
    features, rows = _features(np.concatenate([_related(random, 1_000), _related(random, 60)]))
    relations = fit_relations(rows[:1_000], features)
    normal = relations.beyond_usual(rows[1_000:], features)
    assert normal.shape == (60, 7)
    assert 0.2 < normal.mean() < 0.8
    wrong, guilty = rows[1_000:].copy(), np.arange(60) % 6
    wrong[np.arange(60), guilty] += 1.0
    assert np.mean(relations.beyond_usual(wrong, features).argmax(axis=1) == guilty) > 0.95


def test_nothing_is_learned_of_rows_on_a_bend():
    """Where the nearest rows predict far better than a straight relation does, as on a circle, there is none."""
    random = np.random.default_rng(1)
    angle = random.uniform(0, 2 * np.pi, 800)
    circle = np.stack([np.cos(angle), np.sin(angle), np.cos(2 * angle)], axis=1) + 0.03 * random.normal(size=(800, 3))
    features, rows = _features(circle)
    relations = fit_relations(rows, features)
    assert relations.weights.shape == (0, 0)
    assert not relations.beyond_usual(rows, features).any()


def test_whether_a_value_is_missing_predicts_nothing():
    """Columns that only say so have no part in the relations, however rare they are."""
    random = np.random.default_rng(2)
    values = _related(random, 1_000)
    values[::100, 2] = np.nan
    features, rows = _features(values)
    assert features.readings.tolist() == [True] * 7 + [False]
    said = rows[:50].copy()
    said[:, 7] = 1.0 - said[:, 7]
    relations = fit_relations(rows, features)
    np.testing.assert_array_equal(relations.beyond_usual(said, features), relations.beyond_usual(rows[:50], features))


@pytest.mark.parametrize("count", [1, 2, 15, 40])
def test_few_or_constant_rows_are_no_obstacle(count: int):
    """What is learned of a handful of rows, or of rows that never differ, is finite."""
    random = np.random.default_rng(3)
    for values in (_related(random, count), np.ones((count, 3))):
        features, rows = _features(values)
        assert np.isfinite(fit_relations(rows, features).beyond_usual(rows + 1.0, features)).all()


def test_relations_of_another_width_are_refused():
    """A bundle whose relations do not fit its columns is refused."""
    found = RowRelations.from_bundle(RowRelations.none().arrays(), 3)
    assert found.weights.shape == (0, 0)
    with pytest.raises(BundleRefused, match="relations"):
        RowRelations.from_bundle({"weights": np.eye(3, dtype=np.float32), "offset": np.zeros(2, np.float32)}, 3)
