"""The context is causal, the same however a stream is split, and forgets after a silence."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentwatch.detector.sequences.channels import fit_channels
from latentwatch.detector.sequences.charts import fit_charts
from latentwatch.detector.sequences.context import PATCHES, SequenceContext, encode, fit_context, readings_of
from latentwatch.domain.record import Batch, batch_from_columns, concatenate
from latentwatch.domain.schema import RecordSchema

SCHEMA = RecordSchema.model_validate({"entity": "e", "features": {"a": "numeric", "b": "numeric"}})


def walk(count: int, seed: int = 0, entities: int = 3, level: float = 0.0, size: float = 1.0) -> Batch:
    """Slow walks of several entities, with gaps in the values."""
    rng = np.random.default_rng(seed)
    a = np.cumsum(rng.normal(size=count)) * 0.1
    a[rng.random(count) < 0.05] = np.nan
    names = [f"e{k}" for k in rng.integers(0, entities, count)]
    columns = {"a": level + size * a, "b": level + size * rng.normal(size=count)}
    return batch_from_columns(SCHEMA, columns, entities=names)


def context_of(batch: Batch, window: int = 8, patches: int = 0) -> SequenceContext:
    """A context learned from the batch, charts included."""
    context = fit_context(fit_channels(batch), batch, window, patches)
    readings = readings_of(context, batch, encode(context, batch))
    blocks = np.arange(len(batch)) * 3 // len(batch)
    charts, _, _ = fit_charts(readings, blocks, np.ones(len(batch), bool))
    return replace(context, charts=charts)


def owners_of(batch: Batch) -> np.ndarray:
    """One state row per entity e0, e1, e2."""
    return np.array([int(name[1:]) for name in batch.entities], np.intp)


@settings(max_examples=30)
@given(cuts=st.lists(st.integers(0, 300), max_size=5), seed=st.integers(0, 5), patches=st.sampled_from([0, PATCHES]))
def test_splitting_a_batch_anywhere_changes_no_bit(cuts, seed, patches):
    """Contexts and states are the same for one batch and for its pieces."""
    batch = walk(300, seed)
    context = context_of(walk(600, 99), 16, patches)
    whole = context.fresh(["e0", "e1", "e2"])
    expected = context.extend(whole, owners_of(batch), batch)
    states = context.fresh(["e0", "e1", "e2"])
    edges = [0, *sorted(cuts), 300]
    pieces = []
    for start, stop in itertools.pairwise(edges):
        piece = batch.take(slice(start, stop))
        pieces.append(context.extend(states, owners_of(piece), piece))
    np.testing.assert_array_equal(np.concatenate([piece.features for piece in pieces]), expected.features)
    np.testing.assert_array_equal(np.concatenate([piece.seen for piece in pieces]), expected.seen)
    np.testing.assert_array_equal(states, whole)


def test_a_row_knows_nothing_of_later_rows_or_other_entities():
    """Changing the future, or another entity's records, changes no earlier context."""
    batch = walk(200)
    context = context_of(batch)
    changed = batch.numbers.copy()
    changed[120:] += 50
    changed[batch.entities == "e1"] -= 9
    after = encode(context, replace(batch, numbers=changed))
    before = encode(context, batch)
    untouched = np.flatnonzero(batch.entities[:120] != "e1")
    np.testing.assert_array_equal(after.features[untouched], before.features[untouched])


def test_contexts_are_finite_even_where_everything_is_missing():
    """Missing values leave the averages where they were."""
    batch = walk(100)
    context = context_of(batch)
    empty = replace(batch, numbers=np.full_like(batch.numbers, np.nan))
    assert np.isfinite(encode(context, empty).features).all()


def test_seen_counts_the_entity_s_own_records():
    """The count starts at 0 and goes up by one per record of the entity."""
    batch = walk(90)
    contexts = encode(context_of(batch), batch)
    for name in ("e0", "e1", "e2"):
        mine = contexts.seen[batch.entities == name]
        assert mine.tolist() == list(range(len(mine)))


def test_a_long_silence_starts_the_entity_again():
    """After the gap the context equals that of an entity never seen."""
    batch = walk(100, entities=1)
    context = context_of(batch)
    later = replace(batch, times=batch.times + 10**12)
    states = context.fresh(["e0"])
    context.extend(states, owners_of(batch), batch)
    resumed = context.extend(states, owners_of(later), later)
    fresh = encode(context, later)
    np.testing.assert_array_equal(resumed.features, fresh.features)
    assert resumed.seen[0] == 0


def test_a_late_record_does_not_reset_the_context():
    """A record out of order in time is simply the next one."""
    batch = walk(50, entities=1)
    context = context_of(batch)
    times = batch.times.copy()
    times[25] = times[5]
    assert encode(context, replace(batch, times=times)).seen[-1] == 49


def test_states_are_adopted_by_a_context_with_another_scaling():
    """Continuing adopted states gives nearly what the new context would have had from the start."""
    first = walk(2000, 1)
    second = concatenate([walk(2000, 1, level=0.3, size=1.4)])
    old, new = context_of(first), context_of(second)
    states = old.fresh(["e0", "e1", "e2"])
    old.extend(states, owners_of(first), first)
    adopted = new.adopt(states, old)
    own = new.fresh(["e0", "e1", "e2"])
    new.extend(own, owners_of(first), first)
    assert adopted is not None
    np.testing.assert_allclose(adopted[:, :4], own[:, :4])
    assert np.median(np.abs(adopted - own)) < 0.05


def test_a_patch_tells_the_shape_of_the_window_whatever_its_level():
    """A ramp gives rising segments of mean 0; the same ramp higher up gives the same segments."""
    ramp = np.arange(200, dtype=float) % 50
    schema = RecordSchema.model_validate({"features": {"a": "numeric"}})
    low, high = (batch_from_columns(schema, {"a": ramp + level}) for level in (0.0, 20.0))
    context = fit_context(fit_channels(low), low, 16, PATCHES)
    segments = encode(context, low).features[40, 4 : 4 + PATCHES]
    assert (np.diff(segments) > 0).all()
    assert abs(segments.mean()) < 1e-4
    again = encode(context, low.take(slice(1, 200))).features[39, 4 : 4 + PATCHES]
    np.testing.assert_allclose(again, segments, atol=1e-5)
    assert np.corrcoef(encode(context, high).features[40, 4 : 4 + PATCHES], segments)[0, 1] > 0.98


def test_a_scorer_without_entities_takes_up_another_model():
    """No states at all are adopted as none: a spare scorer holds no entity when a model is promoted."""
    old, new = context_of(walk(300, 1)), context_of(walk(300, 2))
    adopted = new.adopt(old.fresh([]), old)
    assert adopted is not None
    assert adopted.shape == (0, new.state_size)


def test_a_unit_written_later_lets_the_context_go_on():
    """What acts on pages alone, such as a unit, does not make states start again."""
    batch = walk(300)
    features = tuple(feature.model_copy(update={"unit": "bar"}) for feature in batch.schema.features)
    renamed = replace(batch, schema=batch.schema.model_copy(update={"features": features}))
    old, new = context_of(batch), context_of(renamed)
    assert new.adopt(old.fresh(["e0"]), old) is not None


def test_states_of_another_window_are_not_adopted():
    """A context of another memory has to start again."""
    batch = walk(300)
    old, new = context_of(batch, 8), context_of(batch, 16)
    assert new.adopt(old.fresh(["e0"]), old) is None


def test_the_context_survives_the_bundle():
    """Arrays and meta make the same context again; a foreign shape is refused."""
    batch = walk(300)
    context = context_of(batch)
    again = SequenceContext.from_bundle(context.channels, context.arrays(), context.meta())
    np.testing.assert_array_equal(encode(again, batch).features, encode(context, batch).features)
    with pytest.raises(ValueError, match="context"):
        SequenceContext.from_bundle(context.channels, {"step_start": np.ones(9, np.float32)}, context.meta())
