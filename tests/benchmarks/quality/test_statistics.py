"""From results per set to a comparison."""

import numpy as np
import pytest

from benchmarks.quality.cases import Case, CaseResult
from benchmarks.quality.statistics import bootstrap, duel, standings, table


def _outcomes(values):
    return [
        CaseResult(Case("tables", dataset, method, seed), {"auroc": value})
        for method, sets in values.items()
        for dataset, seeds in sets.items()
        for seed, value in seeds.items()
    ]


def test_ranks_count_only_sets_that_every_method_has():
    """A method that failed on a set does not gain a rank by it."""
    values = table(
        _outcomes({"a": {"x": {0: 0.9}, "y": {0: 0.1}}, "b": {"x": {0: 0.8}}}),
        "tables",
        "auroc",
    )
    ranks = {standing.method: standing.rank for standing in standings(values)}
    assert ranks == {"a": 1.0, "b": 2.0}


def test_a_duel_compares_the_seeds_both_have():
    """With one seed against three, only the shared seed enters the difference."""
    values = table(_outcomes({"a": {"x": {0: 0.9, 1: 0.1, 2: 0.1}}, "b": {"x": {0: 0.8}}}), "tables", "auroc")
    found = duel(values, "a", "b")
    assert found.difference == pytest.approx(0.1)
    assert (found.wins, found.losses) == (1, 0)


def test_a_consistent_lead_over_sets_is_significant():
    """Ten sets all won give a small p, none won or lost gives 1."""
    sets = [f"s{number}" for number in range(10)]
    values = table(
        _outcomes(
            {
                "a": {name: {0: 0.8 + number / 99} for number, name in enumerate(sets)},
                "b": {name: {0: 0.7} for name in sets},
            }
        ),
        "tables",
        "auroc",
    )
    assert duel(values, "a", "b").p < 0.01
    assert duel(values, "a", "a").p == 1.0


def test_the_bootstrap_interval_holds_the_mean():
    """The interval over sets lies around their mean and shrinks with their spread."""
    low, high = bootstrap([0.7, 0.8, 0.9])
    assert low < 0.8 < high
    assert np.allclose(bootstrap([0.5, 0.5]), 0.5)
