"""What a notebook does with the estimator beyond scikit-learn's contract: groups, times, streams, tables of reasons."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from latentwatch import LatentDetector
from latentwatch.detector.forecasts.detector import ForecastDetector

WINDOW = 16


def _machines(count: int, seed: int) -> pd.DataFrame:
    """Two machines on levels of their own, a minute between records, their rows interleaved."""
    random = np.random.default_rng(seed)
    frames = []
    for machine, level in (("press", 10.0), ("mill", -10.0)):
        wave = np.sin(np.arange(count) / 6.0)
        values = level + np.column_stack([wave, -wave]) + 0.1 * random.normal(size=(count, 2))
        frame = pd.DataFrame(values, columns=["flow", "power"]).assign(machine=machine)
        frames.append(frame.assign(at=pd.date_range("2026-03-01", periods=count, freq="min", tz="Europe/Vienna")))
    return pd.concat(frames).sort_values("at", kind="stable", ignore_index=True)


@pytest.fixture(scope="module")
def machines():
    """A detector of both machines with a window, and two hours that follow."""
    rows = _machines(900, 0)
    return LatentDetector(kind="linear", window=WINDOW).fit(rows, groups="machine", times="at"), _machines(240, 1)


def test_each_group_has_a_past_of_its_own(machines):
    """Scored together or one after the other, a machine's surprises are the same; another's values are strange on it."""
    model, fresh = machines
    together = model.surprise(fresh)
    for machine, rows in fresh.groupby("machine"):
        np.testing.assert_allclose(model.surprise(rows), together[fresh["machine"] == machine], atol=1e-4)
    swapped = fresh.assign(machine=np.where(fresh["machine"] == "mill", "press", "mill"))
    assert np.median(model.surprise(swapped)) > np.quantile(together, 0.99)
    assert model.schema_.names == ("flow", "power")


@pytest.mark.parametrize("rows", [1, 7, 100])
def test_a_stream_in_pieces_scores_as_in_one(machines, rows):
    """However it is cut, and again from the beginning after a reset; `surprise` alone knows nothing of earlier calls."""
    model, fresh = machines
    whole, few = model.surprise(fresh), fresh[: 220 if rows > 1 else 60]
    for _ in range(2):
        model.reset_stream()
        pieces = [model.score_stream(few[start : start + rows]) for start in range(0, len(few), rows)]
        np.testing.assert_allclose(np.concatenate(pieces), whole[: len(few)], atol=1e-4)
    cut = np.concatenate([model.surprise(few[start : start + rows]) for start in range(0, len(few), rows)])
    assert np.abs(cut - whole[: len(few)]).max() > 0.05


def test_arrays_beside_x_serve_as_columns_do(machines):
    """Groups and times as arrays, the times as text, give the same model."""
    named, fresh = machines
    rows = _machines(900, 0)
    beside = LatentDetector(kind="linear", window=WINDOW)
    beside.fit(rows[["flow", "power"]].to_numpy(), groups=rows["machine"].to_numpy(), times=rows["at"].map(str))
    found = beside.surprise(fresh[["flow", "power"]].to_numpy(), groups=list(fresh["machine"]), times=fresh["at"])
    np.testing.assert_allclose(found, named.surprise(fresh), atol=1e-4)
    with pytest.raises(ValueError, match="learned with groups; give groups as well"):
        beside.surprise(fresh[["flow", "power"]].to_numpy(), times=fresh["at"])


def test_a_long_silence_ends_the_past(machines):
    """After a month without records the next one stands alone, as the first of its group does."""
    model, fresh = machines
    late = fresh.assign(at=fresh["at"] + pd.Timedelta("30D"))
    joined = model.surprise(pd.concat([fresh, late]))
    np.testing.assert_allclose(joined[len(fresh) :], model.surprise(fresh), atol=1e-4)


@pytest.mark.parametrize(
    ("change", "given", "reason"),
    [
        (lambda rows: rows, {"groups": "pump"}, "groups='pump' names no column of X; it has flow, power, machine, at"),
        (lambda rows: rows, {"groups": ["a", "b"]}, "one value for each of the 120 rows"),
        (lambda rows: rows.assign(machine=None), {"groups": "machine"}, "groups: row 0 has none"),
        (lambda rows: rows.assign(at="soon"), {"times": "at"}, "times: row 0 holds 'soon', which is no time"),
        (lambda rows: rows[::-1], {"times": "at", "groups": "machine"}, "row 2 of group 'mill' lies before"),
    ],
)
def test_groups_and_times_that_cannot_be_used_are_refused(change, given, reason):
    """Each with what is wrong, before anything is learned."""
    with pytest.raises(ValueError, match=reason):
        LatentDetector(window=WINDOW).fit(change(_machines(60, 0)), **given)


def test_reasons_make_a_table():
    """One line for each row and feature, by the index of X, in its units, the guilty feature of each row first."""
    random = np.random.default_rng(0)
    rows = pd.DataFrame(random.normal((0.0, 1e6, 0.0), size=(400, 3)), columns=["a", "b", "c"])
    model = LatentDetector(kind="linear").fit(rows)
    odd = pd.DataFrame({"a": [0.0, 7.0], "b": [1e6 + 7, 1e6], "c": [0.0, 0.0]}, index=["first", "second"])
    table = model.explain(odd, as_frame=True)
    assert list(table.columns) == ["value", "expected", "contribution"]
    assert table.index.names == ["row", "feature"]
    assert [table.loc[row].index[0] for row in odd.index] == ["b", "a"]
    assert table.loc[("first", "b"), "value"] == pytest.approx(1e6 + 7, abs=0.1)
    assert abs(table.loc[("first", "b"), "expected"] - 1e6) < 4
    sums = table.groupby("row", sort=False)["contribution"].sum()
    surprise = model._score(odd)[2].surprise
    np.testing.assert_allclose(sums, surprise, rtol=1e-3)


def test_a_recorded_series_is_judged_by_what_did_not_learn_from_it():
    """`fit_predict` with a window calls as many rows abnormal as promised, faults among them; `predict` hardly any."""
    rows = _machines(1_500, 0)
    rows.loc[1_000:1_019, "flow"] += 1.0
    model = LatentDetector(kind="linear", window=WINDOW)
    called = model.fit_predict(rows, groups="machine", times="at") == -1
    assert 0.003 < called.mean() < 0.02
    assert called[1_000:1_020].mean() > 0.5
    assert (model.predict(rows) == -1).mean() < called.mean()


def _metric(count: int, seed: int) -> pd.DataFrame:
    """A load by the hour that follows the day by Vienna's clock."""
    at = pd.date_range("2026-01-05", periods=count, freq="h", tz="Europe/Vienna")
    load = 10 + 4 * np.sin(2 * np.pi * at.hour / 24) + 0.3 * np.random.default_rng(seed).normal(size=count)
    return pd.DataFrame({"load": load, "at": at})


def test_metrics_are_forecast_by_the_clock_of_their_times(tmp_path):
    """Times as a column and beside X teach the same forecasts, in the column's zone; saved, they come back."""
    rows, fresh = _metric(1_000, 0), _metric(1_100, 1)[1_000:]
    named = LatentDetector(kind="linear", window=WINDOW).fit(rows, times="at")
    beside = LatentDetector(kind="linear", window=WINDOW).fit(rows[["load"]], times=rows["at"])
    for model in (named, beside):
        assert isinstance(model.detector_, ForecastDetector)
        assert model.detector_.context.forecaster.timezone == "Europe/Vienna"
    expected = named.surprise(fresh)
    np.testing.assert_allclose(beside.surprise(fresh[["load"]], times=fresh["at"]), expected, atol=1e-4)
    beside.save(tmp_path)
    again = LatentDetector.load(tmp_path)
    assert np.array_equal(
        again.surprise(fresh[["load"]], times=fresh["at"]), beside.surprise(fresh[["load"]], times=fresh["at"])
    )
    with pytest.raises(ValueError, match="learned with times; give times as well"):
        again.surprise(fresh[["load"]])


@pytest.mark.slow
def test_without_torch_the_linear_kind_learns_and_others_say_what_to_install():
    """In a process that cannot import torch."""
    program = """
import sys
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("no torch", name="torch")
sys.meta_path.insert(0, NoTorch())
import numpy as np
from latentwatch import LatentDetector
from latentwatch.domain.errors import InvalidInput
rows = np.random.default_rng(0).normal(size=(200, 4))
assert LatentDetector(kind="linear").fit(rows).predict([[9.0, 0.0, 0.0, 0.0]])[0] == -1
try:
    LatentDetector().fit(rows)
except InvalidInput as error:
    assert "install 'latentwatch[train]'" in str(error)
else:
    raise AssertionError
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
