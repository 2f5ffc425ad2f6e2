"""Every feature comes on one scale, whatever its kind, and what never moved is noticed when it moves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentwatch.detector.sequences.channels import Channels, fit_channels, soft_clip, unclip
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.schema import RecordSchema

SCHEMA = RecordSchema.model_validate(
    {
        "entity": "rig",
        "features": {
            "pressure": "numeric",
            "fixed": "numeric",
            "hour": {"type": "cyclic", "period": 24},
            "open": "boolean",
            "mode": "category",
        },
    }
)


def records(count: int, seed: int = 0, **columns) -> Batch:
    """Two rigs at different levels."""
    rng = np.random.default_rng(seed)
    rig = np.arange(count) % 2
    defaults = {
        "pressure": rng.normal(10.0, 2.0, count) + 100 * rig,
        "fixed": np.full(count, 5.0),
        "hour": np.arange(count) % 24,
        "open": rng.random(count) < 0.3,
        "mode": np.where(rng.random(count) < 0.5, "eco", "boost"),
    }
    return batch_from_columns(SCHEMA, {**defaults, **columns}, entities=[f"rig-{r}" for r in rig])


def test_every_channel_is_of_order_one_within_its_entity():
    """A rig's own level is taken out and its spread divided by."""
    batch = records(2000)
    z, moved = fit_channels(batch).transform(batch)
    assert np.abs(np.nanmean(z[batch.entities == "rig-1"], axis=0)).max() < 0.3
    assert 0.8 < z[:, 0].std() < 1.2
    assert not moved.any()


def test_an_unknown_entity_stands_at_the_population_level():
    """A rig never seen is measured from the level between the known ones."""
    channels = fit_channels(records(2000))
    assert channels.entity_rows(np.array(["rig-0", "new"], object)).tolist() == [1, 0]
    assert 9 < channels.centre[0, 0] < 112


def test_a_constant_feature_counts_when_it_moves():
    """Its channel stays 0, but the movement is reported and named."""
    channels = fit_channels(records(500))
    z, moved = channels.transform(records(4, fixed=[5.0, 5.0, 5.1, np.nan]))
    assert (z[:, 1] == 0).all()
    assert moved.tolist() == [0, 0, 1, 1]  # training never lacked it
    assert channels.movements(records(1, fixed=[6.0]))[0].nonzero()[0].tolist() == [1]


def test_an_unseen_word_counts_as_a_movement_and_a_missing_one_where_none_ever_was():
    """An unknown category is information, once a feature; a missing value is not a category, but is as strange where training
    lacked none."""
    modes = ["eco", "boost"] * 250
    sometimes = fit_channels(records(500, mode=[*modes[:-1], None]))
    assert sometimes.transform(records(3, mode=["eco", "reverse", None]))[1].tolist() == [0, 1, 0]
    channels = fit_channels(records(500, mode=modes))
    z, moved = channels.transform(records(3, mode=["eco", "reverse", None]))
    assert moved.tolist() == [0, 1, 1]
    assert np.isnan(z[2]).any()
    assert not np.isnan(z[1]).any()


def test_missing_and_infinite_numbers_are_masked():
    """Neither NaN nor infinity becomes a number."""
    channels = fit_channels(records(500))
    z, _ = channels.transform(records(3, pressure=[np.nan, np.inf, 10.0]))
    assert np.isnan(z[:2, 0]).all()
    assert np.isfinite(z[2, 0])


def test_midnight_is_near_eleven():
    """A cyclic feature wraps round."""
    channels = fit_channels(records(500))
    z, _ = channels.transform(records(3, hour=[23.9, 0.1, 12.0]))
    assert np.abs(z[0, 2:4] - z[1, 2:4]).max() < 0.2
    assert np.abs(z[0, 2:4] - z[2, 2:4]).max() > 1


def test_channels_become_values_again():
    """What an explanation shows is in the record's own units and words."""
    batch = records(500)
    channels = fit_channels(batch)
    z, _ = channels.transform(batch)
    span = np.stack([batch.numbers.min(axis=0), batch.numbers.max(axis=0)])
    (values,) = channels.values(unclip(z[3:4]), np.array(["rig-1"], object), span)
    assert values["pressure"] == pytest.approx(float(batch.numbers[3, 0]), rel=1e-3)
    assert values["mode"] == batch.categories[3, 0]
    assert values["open"] == bool(batch.numbers[3, 3])
    assert values["hour"] == pytest.approx(3.0, abs=1e-2)


def test_channels_survive_the_bundle():
    """Arrays and meta make the same channels again."""
    channels = fit_channels(records(500))
    again = Channels.from_bundle(SCHEMA, channels.arrays(), channels.meta())
    np.testing.assert_array_equal(again.transform(records(9))[0], channels.transform(records(9))[0])
    with pytest.raises(ValueError, match="schema"):
        Channels.from_bundle(SCHEMA, {**channels.arrays(), "scale": np.ones(2, np.float32)}, channels.meta())


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20))
def test_the_soft_clip_keeps_order_and_can_be_undone(values):
    """It is monotone, odd, and its inverse gives the value back."""
    z = np.sort(np.array(values, np.float32))
    clipped = soft_clip(z)
    assert (np.diff(clipped) >= 0).all()
    np.testing.assert_array_equal(soft_clip(-z), -clipped)
    np.testing.assert_allclose(unclip(clipped), z, rtol=1e-3, atol=1e-3)
