"""What is drawn from a latent space is like what it learned from; codes go there and back."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.latent.decoding import told_apart
from latentwatch.detector.estimator import LatentDetector
from latentwatch.detector.rows import sampling as row_sampling
from latentwatch.detector.rows.sampling import normal_scores
from latentwatch.detector.sequences import sampling as sequence_sampling
from latentwatch.domain.errors import InvalidInput

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def short_training():
    """Fewer steps than those that records are sampled after in earnest; small products are faster by one thread."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        for module in (row_sampling, sequence_sampling):
            patch.setattr(module, "_STEPS", 1_000)
        yield


def _machines(count: int = 600) -> pd.DataFrame:
    """Two machines on levels of their own; load drives both sensors, a switch follows it."""
    frames = []
    for seed, (name, level) in enumerate((("a", 10.0), ("b", 50.0))):
        random = np.random.default_rng(seed)
        load = np.sin(np.arange(count) / 15) + 0.1 * random.normal(size=count)
        frames.append(
            pd.DataFrame(
                {
                    "machine": name,
                    "heat": level + 3 * load + 0.1 * random.normal(size=count),
                    "flow": level - 2 * load + 0.1 * random.normal(size=count),
                    "mode": np.where(load > 0, "high", "low"),
                    "gear": np.where(load > 0.5, 2.0, 1.0),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def machines() -> tuple[LatentDetector, pd.DataFrame]:
    """An estimator with a window, and what it learned from."""
    frame = _machines()
    return LatentDetector(window=8).fit(frame, groups="machine"), frame


def test_sampled_records_are_in_the_units_of_their_machine(machines):
    """Each near its own level, sensors still tied to each other, words and steps as they were seen; no place is missing."""
    estimator, frame = machines
    made = estimator.sample(800, random_state=3)
    assert list(made.columns) == list(frame.columns)
    assert made.notna().all().all()
    for name, level in (("a", 10.0), ("b", 50.0)):
        mine = made[made["machine"] == name]
        assert len(mine) > 200
        assert mine["heat"].mean() == pytest.approx(level, abs=1.0)
        assert np.corrcoef(mine["heat"], mine["flow"])[0, 1] < -0.8
    assert set(made["mode"]) == {"high", "low"}
    assert set(made["gear"]) == {1.0, 2.0}
    assert pd.DataFrame.equals(made, estimator.sample(800, random_state=3))
    assert not pd.DataFrame.equals(made, estimator.sample(800, random_state=4))


def test_a_code_decodes_to_a_record_like_its_own(machines):
    """On the level that machines have in common: what a machine shows above its own is found again."""
    estimator, frame = machines
    codes = estimator.transform(frame)
    back = estimator.inverse_transform(codes)
    assert len(codes) == len(back) == len(frame)
    mine = (frame["machine"] == "a").to_numpy()
    assert np.corrcoef(back["heat"][mine], frame["heat"][mine])[0, 1] > 0.95
    with pytest.raises(ValueError, match="columns"):
        estimator.inverse_transform(codes[:, :1])


def _table(count: int) -> pd.DataFrame:
    random = np.random.default_rng(count)
    size = np.exp(random.normal(size=count))
    price = size**2 * np.exp(0.1 * random.normal(size=count))
    price[random.random(count) < 0.1] = np.nan
    return pd.DataFrame({"size": size, "price": price, "kind": np.where(size > 1, "large", "small")})


def test_a_sampled_table_is_hard_to_tell_from_a_real_one():
    """Skewed columns, a missing value in ten, a category that follows from a number."""
    estimator = LatentDetector(effort="light").fit(_table(1500))
    made, real = estimator.sample(1501), _table(1501)
    assert made["price"].isna().mean() == pytest.approx(0.1, abs=0.04)
    assert ((made["kind"] == "large") == (made["size"] > 1)).mean() > 0.8
    coded = [part.assign(kind=part["kind"] == "large").to_numpy(np.float64) for part in (real, made)]
    assert told_apart(*coded, seed=0) < 0.7


def test_a_row_on_its_own_decodes_to_one_like_it():
    """Its numbers and its word come back from the code; a wrong number of codes is refused."""
    frame = _table(1500)
    estimator = LatentDetector(effort="light").fit(frame)
    codes = estimator.transform(frame)
    back = estimator.inverse_transform(codes)
    whole = frame["price"].notna().to_numpy()
    assert np.corrcoef(np.log(back["size"][whole].clip(1e-2)), np.log(frame["size"][whole]))[0, 1] > 0.8
    assert (back["kind"] == frame["kind"]).mean() > 0.9
    with pytest.raises(ValueError, match="columns"):
        estimator.inverse_transform(codes[:, :1])


def test_ties_share_their_ranks():
    """A column of two values becomes normal, each value on its side."""
    column = np.repeat([0.0, 1.0], [600, 400])
    scores = normal_scores(column, np.random.default_rng(0))
    assert scores.std() == pytest.approx(1.0, abs=0.02)
    assert scores[column == 0].max() < scores[column == 1].min()


@pytest.mark.parametrize("kind", ["linear", "denoising"])
def test_kinds_that_cannot_sample_refuse_by_name(kind):
    """Before anything is trained."""
    with pytest.raises(InvalidInput, match=f"'{kind}' cannot sample"):
        LatentDetector(kind=kind, effort="light").fit(np.random.default_rng(0).normal(size=(60, 2))).sample(3)


def test_an_estimator_that_was_loaded_does_not_sample(tmp_path):
    """It does not hold the rows; neither does a copy, which is made as a pickled one is."""
    fitted = LatentDetector(effort="light").fit(np.random.default_rng(0).normal(size=(60, 2)))
    fitted.save(tmp_path / "kept")
    for estimator in (LatentDetector.load(tmp_path / "kept"), copy.deepcopy(fitted)):
        with pytest.raises(InvalidInput, match="fit it again"):
            estimator.sample(3)
