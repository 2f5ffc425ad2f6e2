"""Fingerprints of alerts: short, comparable whatever the order of features, and about shares alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentwatch.domain.fingerprint import MOST_FEATURES, fingerprint, vectors


def likeness(one: dict[str, float], other: dict[str, float]) -> float:
    """The cosine of two fingerprints."""
    first, second = vectors([fingerprint(one), fingerprint(other)])
    return float(first @ second)


@given(st.dictionaries(st.text(max_size=8), st.floats(0, 1e6), max_size=200))
def test_a_fingerprint_is_short_and_like_itself(shares: dict[str, float]) -> None:
    """At most 256 bytes, whatever the features' names and number; the order in which they come changes nothing."""
    found = fingerprint(shares)
    assert len(found) <= 4 * MOST_FEATURES
    assert found == fingerprint(dict(reversed(shares.items())))
    if found:
        assert likeness(shares, shares) == pytest.approx(1, abs=1e-5)


def test_what_is_about_the_same_features_is_alike_whatever_its_size() -> None:
    """Ten times as long or as strange is the same; other features are not."""
    bearing = {"vibration": 3.0, "temperature": 1.0, "flow": 0.1}
    assert likeness(bearing, {name: 10 * share for name, share in bearing.items()}) > 0.999
    assert likeness(bearing, {"vibration": 2.0, "temperature": 1.5}) > 0.9
    assert likeness(bearing, {"flow": 3.0, "pressure": 1.0}) < 0.3
    assert likeness(bearing, {"mode": 1.0}) == 0


def test_many_are_compared_at_once() -> None:
    """One row each, of length 1; an empty one is like nothing."""
    found = vectors([fingerprint({"a": 1.0}), b"", fingerprint({"b": 1.0, "a": 1.0})])
    assert found.shape == (3, 2)
    assert np.linalg.norm(found, axis=1) == pytest.approx([1, 0, 1], abs=1e-6)
