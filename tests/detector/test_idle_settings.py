"""What `ModelChoice.idle` says changes nothing changes nothing, by bundles that are equal to the bit."""

import numpy as np
import pytest

from latentwatch.detector.tables import batch_of_array, schema_of_array
from latentwatch.detector.training import learn
from latentwatch.domain.model_choice import ModelChoice, ModelKind
from latentwatch.domain.record import Batch


def _wandering() -> Batch:
    """Two numbers that wander, 200 records."""
    values = np.cumsum(np.random.default_rng(0).normal(size=(200, 2)), axis=0)
    return batch_of_array(values, schema_of_array(["a", "b"]), np.zeros(2))


@pytest.mark.parametrize(
    ("idle", "same_as", "window"),
    [
        (ModelChoice(density="mixture"), ModelChoice(), 8),
        (ModelChoice(follow_drift=True), ModelChoice(), 1),
        (ModelChoice(kind=ModelKind.WINDOWED), ModelChoice(effort="full"), 8),
    ],
    ids=["density with a window", "follow_drift without one", "windowed"],
)
def test_what_is_refused_for_changing_nothing_changes_nothing(idle: ModelChoice, same_as: ModelChoice, window: int):
    """The bundle is the same with the setting and without it, or with what its refusal says to write."""
    history = _wandering()
    one, other = learn(history, idle, window).arrays(), learn(history, same_as, window).arrays()
    assert one.keys() == other.keys()
    assert [name for name in one if not np.array_equal(one[name], other[name])] == []


@pytest.mark.parametrize(
    ("setting", "window"),
    [
        (ModelChoice(density="mixture"), 1),
        (ModelChoice(follow_drift=True), 8),
        (ModelChoice(effort="light"), 8),
        (ModelChoice(effort="full"), 8),
        (ModelChoice(kind=ModelKind.LINEAR), 8),
        (ModelChoice(kind=ModelKind.LINEAR), 1),
    ],
    ids=["density", "follow_drift", "light window", "full window", "kind with a window", "kind without one"],
)
def test_what_is_taken_changes_the_model(setting: ModelChoice, window: int):
    """Where a setting is taken, the bundle differs from the default's, so that no setting is taken in vain."""
    assert not setting.idle(window)
    history = _wandering()
    one, other = (
        learn(history, setting, window).arrays(),
        learn(history, ModelChoice(follow_drift=False), window).arrays(),
    )
    assert one.keys() != other.keys() or any(not np.array_equal(one[name], other[name]) for name in one)
