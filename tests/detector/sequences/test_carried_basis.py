"""A monitor's map from one version to the next, through two trainings."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from latentwatch.detector.sequences.carried_basis import carried_basis
from latentwatch.detector.training import CalibrationSet, FitSet, calibrate, fit
from latentwatch.domain.model_choice import ModelChoice
from tests.detector.sequences.conftest import PLANT

pytestmark = pytest.mark.slow


def _codes(detector, batch):
    entities, owners = np.unique(batch.entities.astype(str), return_inverse=True)
    contexts = detector.context.extend(detector.context.fresh(list(entities)), owners.astype(np.intp), batch)
    coded = detector.model.coded
    return coded.codes(contexts.features)[300:]


def test_a_retrained_monitor_keeps_its_places(detector, holdout):
    """Trained again on later records in another scaling: the share of the codes' variance that moved."""
    later = PLANT.history(datetime(2026, 1, 3, tzinfo=UTC), 2000)
    fitted = fit(FitSet(later), ModelChoice(seed=3), 32, replaced=detector)
    again = calibrate(fitted, FitSet(later), CalibrationSet(later.take(slice(0, 0))))
    before = _codes(detector, holdout)
    moved = np.square(_codes(again, holdout) - before).sum()
    assert again.map_ground().basis == detector.map_ground().basis
    assert moved < 0.1 * np.square(before - before.mean(axis=0)).sum()


def test_landmarks_take_another_scaling_by_way_of_their_units(detector):
    """Half the scale doubles what is told, within the soft clip; variances of steps stay."""
    context = detector.context
    basis = detector.model.coded.basis
    count = context.channels.count
    half = replace(context.channels, scale=context.channels.scale / 2)
    carried = carried_basis(basis, context, replace(context, channels=half))
    small = np.abs(basis.rows[:, : 3 * count]) < 1
    assert np.allclose(carried.rows[:, : 3 * count][small], 2 * basis.rows[:, : 3 * count][small], atol=1e-4)
    assert np.array_equal(carried.rows[:, 3 * count :], basis.rows[:, 3 * count :])
    assert np.array_equal(carried.codes, basis.codes)
