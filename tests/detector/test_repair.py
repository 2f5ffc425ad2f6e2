"""Repairing one feature at a time finds the one that is wrong, and what it should have been."""

import numpy as np
import pandas as pd
import pytest

from latentwatch.detector.estimator import LatentDetector


def _ring(random, count):
    """Two numbers on a circle, a third that doubles the first, and a word that names the side."""
    angle = random.uniform(0, 2 * np.pi, count)
    first, second = np.cos(angle), np.sin(angle)
    noise = 0.03 * random.normal(size=(3, count))
    return pd.DataFrame(
        {
            "first": first + noise[0],
            "second": second + noise[1],
            "double": 2 * first + noise[2],
            "side": np.where(first > 0, "right", "left"),
        }
    )


def test_a_wrong_word_is_the_guilty_feature_and_the_right_one_is_expected():
    """A category that contradicts the numbers bears the largest part; the expected value is the other word."""
    random = np.random.default_rng(0)
    model = LatentDetector(kind="linear").fit(_ring(random, 800))
    wrong = _ring(random, 200)
    wrong = wrong[np.abs(wrong["first"]) > 0.5].head(40)
    truth = wrong["side"].to_numpy()
    wrong["side"] = np.where(truth == "right", "left", "right")
    explanations = model.explain(wrong)
    guilty = [max(found.contributions, key=found.contributions.__getitem__) for found in explanations]
    assert np.mean([name == "side" for name in guilty]) >= 0.9
    assert np.mean([found.expected["side"] == side for found, side in zip(explanations, truth, strict=True)]) >= 0.9


def test_a_missing_value_is_not_guilty_of_what_another_feature_did():
    """Where one number is missing and another is wrong, the wrong one bears the largest part."""
    random = np.random.default_rng(1)
    rows = _ring(random, 800).drop(columns="side")
    rows.loc[random.random(800) < 0.05, "second"] = np.nan
    model = LatentDetector(kind="linear").fit(rows)
    wrong = _ring(random, 30).drop(columns="side")
    wrong["second"] = np.nan
    wrong["double"] += 4.0
    guilty = [max(found.contributions, key=found.contributions.__getitem__) for found in model.explain(wrong)]
    assert np.mean([name in ("double", "first") for name in guilty]) == 1.0


@pytest.mark.parametrize("effort", ["light", "balanced"])
def test_contributions_and_parts_sum_to_the_surprise_of_any_row(effort):
    """Of features and of components, none negative, of the most normal rows and of those that were learned from too."""
    random = np.random.default_rng(2)
    learned = _ring(random, 400)
    model = LatentDetector(kind="linear", effort=effort).fit(learned)
    rows = pd.concat([_ring(random, 20), _ring(random, 20).assign(first=9.0), learned.head(20)])
    batch, contexts, scores = model._score(rows)
    for found, surprise in zip(model.detector_.explain(batch, contexts, scores), scores.surprise, strict=True):
        for told in (found.contributions, found.parts):
            added = np.array(list(told.values()))
            assert (added >= 0).all()
            assert np.isclose(added.sum(), surprise, rtol=1e-4, atol=1e-5)


def test_parts_tell_what_is_strange_of_a_row():
    """Of rows far from all others the distance adds most; of rows like a strange group that was learned from, their company."""
    random = np.random.default_rng(0)
    bulk, group = random.normal(size=(788, 6)), 3.0 + 0.3 * random.normal(size=(12, 6))
    model = LatentDetector(kind="linear").fit(np.concatenate([bulk, group]))
    far = model.explain(np.full((3, 6), -9.0) + random.normal(size=(3, 6)))
    company = model.explain(group)
    assert all(row.parts["neighbours"] + row.parts["reconstruction"] > row.parts["neighbourhood"] for row in far)
    assert np.mean([max(row.parts, key=row.parts.__getitem__) == "neighbourhood" for row in company]) > 0.7


def test_one_far_value_among_many_skewed_columns_is_named():
    """Of 25 unrelated skewed columns the one that lies far out bears the largest part, though most others have larger
    residuals than its neighbours leave it."""
    random = np.random.default_rng(3)
    model = LatentDetector().fit(random.exponential(size=(1_500, 25)))
    rows, guilty = random.exponential(size=(100, 25)), random.integers(0, 25, 100)
    rows[np.arange(100), guilty] = 9.0
    parts = np.array([list(found.contributions.values()) for found in model.explain(rows)])
    assert np.mean(parts.argmax(axis=1) == guilty) >= 0.95


def test_a_wrong_number_is_named_beside_a_missing_one():
    """Where one number is missing, which is rare, and another breaks its relation, that one is among the two largest parts, and
    the missing one bears a part."""
    random = np.random.default_rng(4)
    causes = random.normal(size=(1_540, 3))
    values = np.concatenate([causes, causes @ random.normal(size=(3, 7))], axis=1) + 0.1 * random.normal(
        size=(1_540, 10)
    )
    values[:1_500][random.random((1_500, 10)) < 0.004] = np.nan
    model = LatentDetector().fit(values[:1_500])
    wrong = values[1_500:]
    wrong[:, 4] = np.nan
    wrong[:, 6] += 1.0
    parts = np.array([list(found.contributions.values()) for found in model.explain(wrong)])
    assert np.mean([6 in top for top in np.argsort(-parts, axis=1)[:, :2]]) >= 0.9
    assert np.mean(parts[:, 4] / parts.sum(axis=1)) >= 0.15
