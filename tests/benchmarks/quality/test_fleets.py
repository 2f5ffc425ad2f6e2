"""The generated fleets: as many records whatever the number of entities, and thresholds that budgets set."""

import numpy as np
import pytest

from benchmarks.quality import fleets
from latentwatch.detector.faults import FaultKind
from latentwatch.domain.policies import AlertPolicy


@pytest.fixture(scope="module")
def fleet() -> fleets.Fleet:
    """A thousand entities."""
    return fleets.generate(1_000, seed=0)


def test_a_fleet_goes_on_where_its_training_ended(fleet: fleets.Fleet):
    """300,000 records train; what is tested is of known entities, begins a minute later, and is the same every time."""
    assert (len(fleet.train), len(fleet.normal)) == (300_000, 60_000)
    assert set(fleet.normal.entities) <= set(fleet.train.entities)
    assert set(fleet.past.entities) == set(fleet.normal.entities)
    assert fleet.normal.times.min() - fleet.past.times.max() == 60_000_000
    assert np.array_equal(fleets.generate(1_000, seed=0).faulty.numbers, fleet.faulty.numbers)


def test_every_kind_of_fault_is_planted_as_often_and_as_long(fleet: fleets.Fleet):
    """Seven kinds, four of each, 40 records but for spikes; nothing else differs from the normal records."""
    kinds = [fault.kind for fault in fleet.faults]
    assert {kind: kinds.count(kind) for kind in kinds} == dict.fromkeys(set(kinds), 4)
    assert len(kinds) == 28
    assert {len(fault.rows) for fault in fleet.faults if fault.kind is not FaultKind.SPIKE} == {40}
    changed = (fleet.faulty.numbers != fleet.normal.numbers).any(axis=1)
    assert set(np.flatnonzero(changed)) <= set(np.concatenate([fault.rows for fault in fleet.faults]))


def test_a_peer_takes_its_threshold_from_the_share_that_a_budget_allows(fleet: fleets.Fleet):
    """Of its training records as many are flagged as the budget of all entities says; a smaller one flags fewer."""
    model = fleets.EntityMahalanobis()
    model.fit(fleet.train)
    few, rate = model.threshold(fleets.BUDGETS["whole"])
    many, _ = model.threshold(AlertPolicy(false_alarms_per_day=10, per="entity"))
    assert rate == pytest.approx(2 / 1_440_000)
    assert many < few
    scores = model.strangeness(fleet.train, fleet.train)
    assert np.mean(scores >= many) == pytest.approx(10 / 1440, rel=0.15)
