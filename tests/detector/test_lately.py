"""Strange lately: the promise before anything is known, the entity's own past after that."""

import numpy as np
import pytest

from latentwatch.detector.lately import BINS, Lately, memory_of


def surprises(count: int, seed: int) -> np.ndarray:
    """[count] of normal records that behave as promised: -log10 of uniform chances."""
    return -np.log10(np.random.default_rng(seed).random(count)).astype(np.float32)


def alone(count: int) -> np.ndarray:
    return np.zeros(count, np.intp)


def test_an_entity_without_a_past_has_the_promise() -> None:
    """The first record's surprise is what the model says, at any level, beyond the last bin too."""
    for level in (0.0, 0.37, 3.0, 11.99, 15.0):
        told = Lately(4000.0).rank(np.zeros((1, BINS), np.float32), alone(1), np.array([level], np.float32))
        assert told[0] == pytest.approx(level, abs=1e-5)


def test_the_promise_holds_where_the_model_kept_it_and_where_it_did_not() -> None:
    """About one in a hundred reaches 2, of surprises as promised; of ones three times as large a quarter more, not 22."""
    for scale, share in ((1.0, 0.01), (3.0, 0.0125)):
        told = Lately(4000.0).rank(np.zeros((1, BINS), np.float32), alone(40_000), scale * surprises(40_000, seed=1))
        assert (told[4000:] >= 2.0).mean() == pytest.approx(share, rel=0.2)


def test_a_step_is_strange_and_becomes_usual() -> None:
    """A level that stays alarms when it comes and not two weeks later; another one beyond it alarms anew."""
    stays = np.concatenate([surprises(3000, seed=2), 4.0 + surprises(3000, seed=3), np.array([9.0], np.float32)])
    told = Lately(memory_of(48.0)).rank(np.zeros((1, BINS), np.float32), alone(len(stays)), stays)
    assert told[3000] > 4.0
    assert told[3001] > 2.5
    assert (told[4000:6000] >= 3.0).mean() < 0.003
    assert told[-1] > 3.0


def test_strange_records_that_count_for_less_stay_strange_longer() -> None:
    """The dampening divides by how much anomalies make themselves usual."""
    dense = np.concatenate([surprises(2000, seed=4), np.full(50, 5.0, np.float32)])
    kept, dampened = (
        Lately(4000.0, dampening).rank(np.zeros((1, BINS), np.float32), alone(len(dense)), dense)
        for dampening in (1.0, 16.0)
    )
    assert dampened[-1] > kept[-1] + 0.5


def test_cut_anywhere_and_beside_others_it_gives_the_same_bits() -> None:
    """A replay from a kept histogram goes on where it was, whatever batches the records came in."""
    values, owners = surprises(400, seed=5), np.random.default_rng(6).integers(0, 3, 400).astype(np.intp)
    lately = Lately(200.0, 16.0)
    whole, pieces = np.zeros((3, BINS), np.float32), np.zeros((3, BINS), np.float32)
    at_once = lately.rank(whole, owners, values)
    cut = [lately.rank(pieces, owners[a:b], values[a:b]) for a, b in ((0, 1), (1, 150), (150, 400))]
    assert np.array_equal(at_once, np.concatenate(cut))
    assert np.array_equal(whole, pieces)
    single = lately.rank(np.zeros((1, BINS), np.float32), alone(int((owners == 1).sum())), values[owners == 1])
    assert np.array_equal(at_once[owners == 1], single)


def test_ranks_follow_the_surprises() -> None:
    """Of the same past, the stranger record is never ranked lower: within a bin too."""
    past = np.zeros((1, BINS), np.float32)
    Lately(500.0).rank(past, alone(2000), surprises(2000, seed=7))
    levels = np.linspace(0.0, 13.0, 500).astype(np.float32)
    told = [Lately(500.0).rank(past.copy(), alone(1), level[None])[0] for level in levels]
    assert (np.diff(told) >= 0).all()


def test_surprises_that_differ_by_rounding_rank_alike() -> None:
    """Also across the bounds of bins: a score's last bits depend on where its record stood in a batch."""
    values = np.round(surprises(3000, seed=8), 1)
    off = values + np.float32(1e-6) * np.where(np.arange(3000) % 2, 1, -1).astype(np.float32)
    one, other = (Lately(500.0).rank(np.zeros((1, BINS), np.float32), alone(3000), each) for each in (values, off))
    assert np.abs(one - other).max() < 2e-5


@pytest.mark.parametrize(("memory", "dampening"), [(0.0, 1.0), (float("nan"), 1.0), (10.0, 0.5)])
def test_what_cannot_be_is_refused(memory: float, dampening: float) -> None:
    """A memory of nothing, and records that count for more than themselves."""
    with pytest.raises(ValueError, match="positive number of records, and a dampening"):
        Lately(memory, dampening)
