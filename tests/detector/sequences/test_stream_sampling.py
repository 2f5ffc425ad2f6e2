"""Synthetic streams follow one another as an entity's records do, at its own level, and are no copies."""

import numpy as np
import pytest
from scipy.signal import lfilter

from latentwatch.detector.sequences.matched_blocks import StateTrack, draw_path
from latentwatch.detector.sequences.stream_sampling import StreamSampler, fit_stream_sampler
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.model_choice import ModelKind
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.schema import RecordSchema

SCHEMA = RecordSchema.model_validate(
    {
        "time": "at",
        "entity": "rig",
        "features": {"load": "numeric", "power": "numeric", "dial": "numeric", "mode": "category"},
    }
)
LEVELS = {"a": 10.0, "b": 60.0}
COUNT = 1_500


def history() -> Batch:
    """Two rigs, a record a minute: a slow load at the rig's level, power that follows it, a dial read every fifth minute to a
    tenth, and a mode that lasts."""
    random = np.random.default_rng(3)
    columns: dict[str, list[object]] = {name: [] for name in SCHEMA.names}
    for level in LEVELS.values():
        mode = np.repeat(random.integers(0, 2, COUNT // 50), 50)
        load = level + 2 * lfilter([0.2], [1, -0.98], random.normal(size=COUNT)) + 4 * mode
        power = 3 * load + lfilter([1.0], [1, -0.6], 0.3 * random.normal(size=COUNT))
        power[random.random(COUNT) < 0.01] = np.nan
        columns["load"] += load.tolist()
        columns["power"] += power.tolist()
        columns["dial"] += np.round(np.repeat(load[::5], 5), 1).tolist()
        columns["mode"] += np.array(["low", "high"])[mode].tolist()
    times = np.tile(1_700_000_000_000_000 + 60_000_000 * np.arange(COUNT), 2)
    batch = batch_from_columns(SCHEMA, columns, entities=np.repeat(list(LEVELS), COUNT).tolist())
    return Batch(**{name: getattr(batch, name) for name in Batch.__slots__} | {"times": times})


@pytest.fixture(scope="module")
def real() -> Batch:
    """The history."""
    return history()


@pytest.fixture(scope="module")
def sampler(real: Batch) -> StreamSampler:
    """One that learned from it."""
    return fit_stream_sampler(real, ModelKind.VARIATIONAL, 0)


def test_a_stream_goes_on_as_the_entity_did(real: Batch, sampler: StreamSampler) -> None:
    """Its level, the relation of its sensors, how much they change a step, how long words last and values are held, and gaps."""
    known = real.take(real.entities == "b")
    drawn = sampler.draw("b", 1_200, np.random.RandomState(0))
    load, power, dial = drawn.numbers.astype(np.float64).T
    assert abs(np.median(load) - np.median(known.numbers[:, 0])) < 3
    assert np.nanstd(power - 3 * load) < 2 * np.nanstd(known.numbers[:, 1] - 3 * known.numbers[:, 0])
    for column, ours in ((0, load), (1, power)):
        steps, usual = np.nanstd(np.diff(ours)), np.nanstd(np.diff(known.numbers[:, column]))
        assert 0.7 < steps / usual < 1.4
    assert 0.6 < (np.diff(dial) == 0).mean() < 0.95
    assert np.allclose(dial, np.round(dial, 1), atol=1e-4)
    assert 0.001 < np.isnan(power).mean() < 0.03
    assert set(np.diff(drawn.times).tolist()) == {60_000_000}
    assert drawn.times[0] == known.times[-1] + 60_000_000
    changes = (drawn.categories[1:, 0] != drawn.categories[:-1, 0]).mean()
    assert 0.3 < changes / (known.categories[1:, 0] != known.categories[:-1, 0]).mean() < 3


def test_no_record_is_a_copy(real: Batch, sampler: StreamSampler) -> None:
    """Of hardly any record both free numbers are those of a real one."""
    drawn = sampler.draw("a", 1_000, np.random.RandomState(1))
    copied = {tuple(row) for row in real.numbers[:, :2].round(4).tolist()}
    assert np.mean([tuple(row) in copied for row in drawn.numbers[:, :2].round(4).tolist()]) < 0.02


def test_the_same_seed_draws_the_same(sampler: StreamSampler) -> None:
    """And another one others; more may be drawn than the history has."""
    first, again, other = (sampler.draw("a", 2_000, np.random.RandomState(seed)).numbers for seed in (5, 5, 6))
    assert np.array_equal(first, again, equal_nan=True)
    assert not np.array_equal(first, other, equal_nan=True)


def test_a_path_keeps_to_the_time_of_day() -> None:
    """Three days: what is drawn at noon was at noon, up to an hour before or after."""
    times = 1_700_000_000_000_000 + 600_000_000 * np.arange(432)
    states = np.random.default_rng(1).normal(size=(432, 2)).astype(np.float32)
    track = StateTrack(states, np.zeros(432, np.intp), times)
    path = draw_path(track, 400, np.random.RandomState(0))
    day = 86_400_000_000
    apart = (times[path.rows] - path.times) % day
    assert np.minimum(apart, day - apart).max() <= 3_600_000_000
    assert len(path.begins) > 5


def test_too_few_records_are_refused(real: Batch) -> None:
    """In words."""
    with pytest.raises(InvalidInput, match="too few to learn how they follow one another"):
        fit_stream_sampler(real.take(slice(0, 40)), ModelKind.VARIATIONAL, 0)
