"""An estimator on disk comes back as it was, and nothing else comes back."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from latentwatch import LatentDetector
from latentwatch.detector.saved_estimator import DESCRIPTION
from latentwatch.domain.errors import BundleChanged, BundleRefused, NotFound


def _rows(count: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame(random.normal((0.0, 1e6, 3.0), size=(count, 3)), columns=["a", "b", "c"])


def _mixed(count: int, seed: int) -> pd.DataFrame:
    at = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(count), unit="h")
    return _rows(count, seed).assign(mode=np.where(np.arange(count) % 3, "on", "off"), at=at)


def _windowed(count: int, seed: int) -> pd.DataFrame:
    rows = _rows(count, seed).rolling(4, min_periods=1).mean()
    return rows.assign(machine=np.where(np.arange(count) % 2, "mill", "press"))


@pytest.mark.parametrize(
    ("make", "parameters", "given"),
    [
        (_rows, {"false_alarm_rate": 0.05, "density": "gaussian", "random_state": np.int64(3)}, {}),
        (lambda count, seed: _rows(count, seed).to_numpy(), {"effort": "full"}, {}),
        (_mixed, {}, {}),
        (_windowed, {"window": np.int64(8), "follow_drift": False}, {"groups": "machine"}),
    ],
)
def test_an_estimator_comes_back_as_it_was(make, parameters, given, tmp_path: Path):
    """Parameters, scores, verdicts and reasons; saved again it gives the same files, over those that were there."""
    model = LatentDetector(kind="linear", **parameters).fit(make(300, 0), **given)
    model.save(tmp_path / "pump")
    again = LatentDetector.load(tmp_path / "pump")
    fresh = make(60, 1)
    assert again.get_params() == model.get_params()
    assert np.array_equal(again.surprise(fresh), model.surprise(fresh))
    assert np.array_equal(again.predict(fresh), model.predict(fresh))
    assert again.explain(fresh[:2]) == model.explain(fresh[:2])
    before = {path: path.read_bytes() for path in (tmp_path / "pump").rglob("*") if path.is_file()}
    again.save(str(tmp_path / "pump"))
    assert {path: path.read_bytes() for path in (tmp_path / "pump").rglob("*") if path.is_file()} == before
    assert len(before) == 3


def test_a_bundle_s_own_folder_is_an_estimator_too(tmp_path: Path):
    """Its features are found by name in any frame, or in order in an array, at one false alarm in a hundred."""
    model = LatentDetector(kind="linear").fit(_rows(300, 0) - [0.0, 1e6, 0.0])
    model.save(tmp_path)
    bundle = next(path for path in tmp_path.iterdir() if path.is_dir())
    opened, fresh = LatentDetector.load(bundle), _rows(50, 1) - [0.0, 1e6, 0.0]
    expected = model.surprise(fresh)
    assert np.array_equal(opened.surprise(fresh.assign(other="x")[["other", "c", "b", "a"]]), expected)
    assert np.array_equal(opened.predict(fresh) == -1, expected > 2.0)
    with pytest.raises(ValueError, match="X lacks 'b', which the detector reads; it has a, c"):
        opened.surprise(fresh[["a", "c"]])


def test_a_bundle_s_hour_is_found_in_its_time(tmp_path: Path):
    """An estimator of a frame with times, opened by its bundle alone, reads such frames too."""
    model = LatentDetector(kind="linear").fit(_mixed(300, 0).assign(a=0.0, b=1.0))
    model.save(tmp_path)
    bundle = next(path for path in tmp_path.iterdir() if path.is_dir())
    fresh = _mixed(40, 1).assign(a=0.0, b=1e300)
    assert np.array_equal(LatentDetector.load(bundle).surprise(fresh), model.surprise(fresh))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda saved: saved.update(bundle="../" * 21 + "x"), "bundle: string should match pattern"),
        (lambda saved: saved.update(format=2), "format: input should be 1"),
        (lambda saved: saved.update(more=1), "more: extra inputs are not permitted"),
        (lambda saved: saved["parameters"].update(false_alarm_rate="0.01"), "parameters.false_alarm_rate"),
        (lambda saved: saved["learned"].update(shift=[0.0]), "its columns do not fit the detector"),
        (lambda saved: saved["learned"].update(columns=["a"]), "its columns do not fit the detector"),
    ],
)
def test_a_spoiled_description_is_refused_in_words(change, reason, tmp_path: Path):
    """Also one that names a folder elsewhere."""
    LatentDetector(kind="linear").fit(_rows(60, 0)).save(tmp_path)
    saved = json.loads((tmp_path / DESCRIPTION).read_text())
    change(saved)
    (tmp_path / DESCRIPTION).write_text(json.dumps(saved))
    with pytest.raises(BundleRefused, match=reason):
        LatentDetector.load(tmp_path)


def test_what_is_not_there_or_was_changed_is_refused(tmp_path: Path):
    """An empty folder, weights that were written over, an estimator that has not learned yet."""
    with pytest.raises(NotFound, match="no estimator was saved there"):
        LatentDetector.load(tmp_path)
    with pytest.raises(NotFittedError):
        LatentDetector().save(tmp_path)
    LatentDetector(kind="linear").fit(_rows(60, 0)).save(tmp_path)
    weights = next(tmp_path.rglob("weights.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x07")
    with pytest.raises(BundleChanged):
        LatentDetector.load(tmp_path)
