"""The measures of a latent space say what they should of spaces that are known."""

import json

import numpy as np
import pytest

from benchmarks.latent.__main__ import main
from benchmarks.latent.aims import AIMS, as_table
from benchmarks.latent.decoding import told_apart
from benchmarks.latent.factors import information_gap
from benchmarks.latent.generation import nearest_ratio
from benchmarks.latent.halves import without_halves
from benchmarks.latent.places import neighbours_kept, unexplained


def _codes(seed: int, count: int = 400) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)


def test_codes_that_stayed_are_explained_and_keep_their_neighbours():
    """Codes that did not move, and others that have nothing to do with them."""
    codes = _codes(0)
    assert unexplained(codes, codes) == 0.0
    assert neighbours_kept(codes, codes) == 1.0
    assert unexplained(codes, _codes(1)) == pytest.approx(2.0, abs=0.2)
    assert neighbours_kept(codes, _codes(1)) < 0.1


def test_the_gap_is_one_where_a_single_factor_tells_all():
    """And nothing where two tell it alike."""
    cause = np.random.default_rng(0).integers(0, 3, 4000)
    alone = np.stack([cause.astype(float), np.random.default_rng(1).normal(size=4000)], axis=1)
    assert information_gap(alone, cause) > 0.98
    assert information_gap(np.stack([cause, -cause], axis=1).astype(float), cause) == pytest.approx(0.0, abs=1e-9)


def test_trees_tell_what_differs_and_nothing_else():
    """Rows of one distribution, and of one twice as wide; rows sorted by what they are give no hint."""
    one, same = (codes[np.argsort(codes[:, 0])] for codes in (_codes(0), _codes(1)))
    assert told_apart(one, same, 0) == pytest.approx(0.5, abs=0.1)
    assert told_apart(_codes(0), 3 * _codes(1), 0) > 0.8


def test_copies_lie_nearer_than_fresh_rows_do():
    """Training rows themselves have no distance, rows like them that of others."""
    trained, real = _codes(0), _codes(1)
    assert nearest_ratio(trained, real, trained) == 0.0
    assert nearest_ratio(trained, real, _codes(2)) == pytest.approx(1.0, abs=0.15)


def test_without_both_halves_the_others_are_weighed_anew():
    """Two components of one surprise say that surprise, whatever the halves say."""
    one = np.ones(5, np.float32)
    parts = {"now": one, "level": one, "reconstruction": 7 * one, "density": 9 * one}
    parts |= {"novelty": 0 * one, "fused": 3 * one}
    assert without_halves(parts).tolist() == [1.0] * 5


def test_what_was_not_measured_is_null_and_said_so(monkeypatch, capsys):
    """Every key is there."""
    monkeypatch.setitem(main.__globals__["PLANT_PARTS"], "map", lambda plant: {"trust": 0.9, "mig": [0.1, 0.2]})
    monkeypatch.setitem(main.__globals__, "trained", lambda history, seed: None)
    assert main(["--only", "map", "--seeds", "2", "--json"]) == 0
    out, err = capsys.readouterr()
    numbers = json.loads(out.splitlines()[-1])
    assert list(numbers) == [aim.name for aim in AIMS]
    assert numbers["trust"] == pytest.approx(0.9)
    assert numbers["mig"] == pytest.approx([0.1, 0.2])
    assert numbers["contour_80"] is None
    assert "not measured: loss_without_latent_auroc" in err
    assert "not measured" in as_table(numbers)
