"""A component's part is split by what calms that component, and by nothing else."""

import numpy as np

from latentwatch.detector.interface import Contexts
from latentwatch.detector.sequences.blame import contributions, relief_by_feature, suspects

PARTS = [{"level": 3.0, "shape": 1.0, "novelty": 0.0}]


def test_each_part_goes_to_the_features_that_calm_its_component():
    """Level's 3 to the first feature, shape's 1 to the last two alike; together they are the surprise."""
    relief = {"level": np.array([[2.0, 0.0, 0.0]]), "shape": np.array([[0.0, 0.5, 0.5]]), "novelty": np.zeros((1, 3))}
    split = contributions(PARTS, relief, np.ones((1, 3), np.float32))
    np.testing.assert_allclose(split, [[3.0, 0.5, 0.5]])


def test_a_part_that_no_feature_calms_is_split_as_the_others_are():
    """Shape is calmed by none: its 1 follows level's 3. Where nothing is calmed, other evidence decides, or all share alike."""
    silent = np.zeros((1, 3), np.float32)
    split = contributions(PARTS, {"level": np.array([[1.0, 2.0, 0.0]]), "shape": silent}, np.ones((1, 3), np.float32))
    np.testing.assert_allclose(split, [[4 / 3, 8 / 3, 0.0]])
    evidence = np.array([[0.0, 0.0, 7.0]], np.float32)
    np.testing.assert_allclose(contributions(PARTS, {"level": silent}, evidence), [[0.0, 0.0, 4.0]])
    np.testing.assert_allclose(contributions(PARTS, {"level": silent}, silent), [[4 / 3, 4 / 3, 4 / 3]])


def test_relief_is_what_a_component_falls_by_without_a_feature():
    """Two components of their own columns, a feature of two channels; what is not tried, and what would rise, is 0."""
    rows = np.array([[3.0, 1.0, 2.0], [0.0, -4.0, 5.0]], np.float32)
    of_features = np.array([[True, False, False], [False, True, True]])

    def ask(features, seen):
        assert len(features) == len(seen)
        return {"first": features[:, 0], "rest": features[:, 1] + features[:, 2]}

    def without(features, left):
        return np.where(left, np.float32(0), features)

    contexts = Contexts(rows, np.array([9, 9]))
    found = relief_by_feature(ask, without, contexts, of_features, np.array([[0, 1], [1, 0]]))
    np.testing.assert_allclose(found["first"], [[3.0, 0.0], [0.0, 0.0]])
    np.testing.assert_allclose(found["rest"], [[0.0, 3.0], [0.0, 1.0]])
    only = relief_by_feature(ask, without, contexts, of_features, np.array([[1], [1]]))
    np.testing.assert_allclose(only["first"], 0.0)
    assert relief_by_feature(ask, without, contexts.take(np.arange(0)), of_features, np.zeros((0, 2), int))[
        "rest"
    ].shape == (0, 2)


def test_suspects_are_the_likeliest_by_any_evidence():
    """A feature that one kind of evidence is about goes before those that two are a little about."""
    charts, pulls = np.zeros((1, 9), np.float32), np.linspace(9, 1, 9, dtype=np.float32)[None]
    charts[0, 8] = 0.1
    assert suspects(pulls, charts).tolist() == [[8, 0, 1, 2, 3, 4]]
