"""The splits: nothing of the test side reaches training, labels least of all."""

import numpy as np
import pytest

from benchmarks.quality.datasets import MAX_TABLE_ROWS, clean_split, contaminated_split, data_folder, skab_split
from latentwatch.domain.errors import InvalidInput


@pytest.fixture
def folder(tmp_path):
    """A data folder with one table whose first column numbers the rows, and one pump run."""
    (tmp_path / "tabular").mkdir()
    (tmp_path / "sensors" / "skab").mkdir(parents=True)
    count = MAX_TABLE_ROWS + 500
    rows = np.stack([np.arange(count), np.full(count, 7)], axis=1).astype(float)
    np.savez(tmp_path / "tabular" / "numbers.npz", X=rows, y=(np.arange(count) % 10 == 0).astype(int))
    lines = [f"2020-01-01 00:00:{row:04d};{row};{row * 2};{float(row > 450)};0.0" for row in range(600)]
    (tmp_path / "sensors" / "skab" / "run.csv").write_text(
        "\n".join(["datetime;Pressure;Current;anomaly;changepoint", *lines])
    )
    return tmp_path


def test_the_clean_split_trains_on_half_of_the_normal_rows(folder):
    """Train holds no anomaly; every drawn row is on exactly one side; no more than the cap is drawn."""
    split = clean_split(folder, "numbers", 0)
    assert len(split.train) + len(split.test) == MAX_TABLE_ROWS
    assert abs(len(split.train) - int((~split.truth).sum())) <= 1
    assert not set(split.train[:, 0]) & set(split.test[:, 0])


def test_the_clean_split_is_standardised_on_train(folder):
    """Train has mean 0 and spread 1; a constant column is centred, not divided by zero."""
    split = clean_split(folder, "numbers", 1)
    assert split.train[:, 0].mean() == pytest.approx(0, abs=1e-9)
    assert split.train[:, 0].std() == pytest.approx(1)
    assert not split.train[:, 1].any()


def test_seeds_draw_different_rows_and_repeat_themselves(folder):
    """The same seed is the same split; another seed is another."""
    first, again, other = (clean_split(folder, "numbers", seed) for seed in (0, 0, 1))
    assert np.array_equal(first.train, again.train)
    assert not np.array_equal(first.train, other.train)


def test_the_contaminated_split_tests_what_it_trains_on(folder):
    """Train and test are the same rows."""
    split = contaminated_split(folder, "numbers", 0)
    assert np.array_equal(split.train, split.test)
    assert split.truth.any()


def test_a_pump_run_is_cut_after_400_rows_without_its_labels(folder):
    """Labels are no sensors."""
    split = skab_split(folder, "run")
    assert split.train.shape == (400, 2)
    assert split.test.shape == (200, 2)
    assert int(split.truth.sum()) == 149


def test_a_folder_without_data_says_what_to_do(tmp_path):
    """The error names the folder and the two ways to give another."""
    with pytest.raises(InvalidInput, match="--data or LATENTWATCH_DATA"):
        data_folder(str(tmp_path))
