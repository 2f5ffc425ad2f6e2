"""The estimator keeps scikit-learn's contract and takes what notebooks give it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from latentwatch import LatentDetector

pytestmark = pytest.mark.slow


@parametrize_with_checks([LatentDetector()])
def test_scikit_learn_checks(estimator, check):
    """The estimator passes scikit-learn's own checks as it is shipped."""
    check(estimator)


def _numbers(count: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    hidden = random.normal(size=(count, 2))
    return np.column_stack([hidden, hidden.sum(axis=1), hidden[:, 0] ** 2]) + 0.05 * random.normal(size=(count, 4))


def test_surprise_predict_and_scores_agree():
    """Scores are minus the surprise, and a row is abnormal where its surprise exceeds the promised rate's."""
    model = LatentDetector(false_alarm_rate=0.05, random_state=3).fit(_numbers(400, 0))
    fresh = np.concatenate([_numbers(200, 1), [[0.0, 0.0, 9.0, 0.0]]])
    surprise = model.surprise(fresh)
    assert np.array_equal(model.score_samples(fresh), -surprise)
    assert np.array_equal(model.predict(fresh) == -1, surprise > -np.log10(0.05))
    assert model.predict(fresh)[-1] == -1
    assert (model.predict(fresh[:-1]) == -1).mean() < 0.15


@pytest.mark.parametrize("effort", ["light", "balanced", "full"])
def test_every_effort_keeps_its_promise(effort):
    """Of fresh normal rows about one in ten reaches 1 and one in a hundred reaches 2, at any effort.

    In the mean of three histories: what 3,000 rows calibrate varies by a tenth from one to the next.
    """
    models = [LatentDetector(kind="linear", effort=effort).fit(_numbers(3_000, 10 * seed)) for seed in range(3)]
    surprise = np.concatenate([model.surprise(_numbers(20_000, 10 * seed + 1)) for seed, model in enumerate(models)])
    assert 0.08 < (surprise >= 1.0).mean() < 0.12
    assert 0.006 < (surprise >= 2.0).mean() < 0.015


def test_a_training_row_does_not_vouch_for_itself():
    """An outlier that was trained on is still among the strangest rows when it is scored."""
    rows = np.concatenate([_numbers(400, 0), [[0.0, 0.0, 8.0, -8.0]]])
    model = LatentDetector(kind="linear").fit(rows)
    surprise = model.surprise(rows)
    assert surprise[-1] > 1.9
    assert (surprise > surprise[-1]).sum() < 4


def _frame(count: int, seed: int) -> pd.DataFrame:
    """Pumps: when running, current flows and the log says so."""
    random = np.random.default_rng(seed)
    running = random.random(count) < 0.5
    note = np.where(running, "motor is running under load", "motor is at rest, valve shut")
    return pd.DataFrame(
        {
            "current": np.where(running, 5.0, 0.2) + 0.1 * random.normal(size=count),
            "mode": pd.Categorical(np.where(running, "on", "off")),
            "alarm": random.random(count) < 0.1,
            "at": pd.Timestamp("2026-01-01") + pd.to_timedelta(random.integers(0, 7 * 24 * 60, count), unit="min"),
            "note": [f"{text} {number}" for text, number in zip(note, random.integers(0, 999, count), strict=True)],
        }
    )


def test_an_anomaly_across_types_is_found():
    """A pump that is off and draws current shows only values that are normal one by one."""
    model = LatentDetector().fit(_frame(600, 0))
    normal, strange = _frame(300, 1), _frame(300, 2)
    strange["current"] = np.where(strange["mode"] == "off", 5.0, 0.2)
    high, low = model.surprise(strange), model.surprise(normal)
    assert (high[:, None] > low[None, :]).mean() > 0.95


def test_a_contradicting_text_is_found():
    """A log line that fits another mode than the record's raises the surprise."""
    model = LatentDetector().fit(_frame(600, 0))
    normal, strange = _frame(300, 1), _frame(300, 1)
    swapped = np.where(strange["mode"] == "on", "motor is at rest, valve shut", "motor is running under load")
    strange["note"] = [f"{text} 12" for text in swapped]
    assert (model.surprise(strange) > model.surprise(normal)).mean() > 0.9


def test_an_unseen_category_is_information():
    """A word that training never saw is surprising and does not break anything."""
    model = LatentDetector(kind="linear").fit(_frame(600, 0))
    strange = _frame(50, 1)
    strange["mode"] = "exploded"
    strange.loc[0, "mode"] = None
    assert np.median(model.surprise(strange)) > 2.0


def test_an_explanation_names_the_guilty_column():
    """The column that was changed contributes most, and what is expected there is near what it was."""
    model = LatentDetector().fit(_frame(600, 0))
    row = _frame(1, 5)
    was = row["current"].iloc[0]
    row["current"] = 5.2 - was
    found = model.explain(row)[0]
    assert max(found.contributions, key=found.contributions.get) in ("current", "mode")
    assert set(found.neighbours[0].values) == set(model.schema_.names)
    assert found.neighbours[0].values["note"].startswith("motor")


def test_large_offsets_lose_nothing():
    """Columns far from zero keep their small differences, and explanations are in their own units."""
    rows = _numbers(300, 0)
    plain, moved = (LatentDetector(kind="linear").fit(rows + shift) for shift in (0.0, 1e9))
    fresh = np.concatenate([_numbers(50, 1), [[0.0, 0.0, 5.0, 0.0]]])
    assert np.allclose(plain.surprise(fresh), moved.surprise(fresh + 1e9), atol=0.05)
    assert abs(moved.explain(fresh[:1] + 1e9)[0].expected["x0"] - 1e9) < 10


def test_a_sequence_is_scored_row_by_row():
    """With a window each row has one causal surprise: what comes later changes nothing."""
    random = np.random.default_rng(0)
    wave = np.sin(np.arange(1500) / 8.0)[:, None] + 0.1 * random.normal(size=(1500, 1))
    model = LatentDetector(window="auto").fit(wave[:1000])
    assert model.window_ > 1
    test = wave[1000:].copy()
    test[300:340] = 0.0
    surprise = model.surprise(test)
    assert surprise.shape == (500,)
    assert surprise[305:340].mean() > surprise[:300].mean() + 0.5
    # A BLAS of several threads rounds by where a row falls among them.
    assert np.allclose(model.surprise(test[:320]), surprise[:320], atol=1e-4)


def test_auto_scores_unordered_rows_on_their_own():
    """Rows without memory of each other get no window."""
    assert LatentDetector(kind="linear", window="auto").fit(_numbers(300, 0)).window_ == 1


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"false_alarm_rate": 0.0}, "false_alarm_rate"),
        ({"kind": "magic"}, "kind"),
        ({"effort": "heavy"}, "effort='heavy'"),
        ({"window": 0}, "window"),
        ({"window": "wide"}, "'auto' or a whole number"),
        ({"window": 9}, "at least 30 rows"),
    ],
)
def test_wrong_parameters_are_refused_by_name(parameters, reason):
    """A parameter that cannot be used is named in the error."""
    with pytest.raises(ValueError, match=reason):
        LatentDetector(**parameters).fit(_numbers(10, 0))


def test_columns_of_one_name_are_refused():
    """Two columns of one name cannot be told apart, so the name is said."""
    with pytest.raises(ValueError, match="more than once: 'a'"):
        LatentDetector().fit(pd.DataFrame(_numbers(40, 0), columns=["a", "b", "a", "c"]))


def test_numbers_beyond_single_precision_are_strange_not_fatal():
    """A value that a 32-bit number cannot hold scores as far out, without a warning."""
    model = LatentDetector(kind="linear").fit(np.random.default_rng(0).normal(size=(200, 3)))
    scores = model.surprise([[0.0, 0.0, 0.0], [1e300, 0.0, 0.0], [0.0, -1e300, 0.0]])
    assert np.isfinite(scores).all()
    assert (scores[1:] > 2).all()


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"kind": "windowed"}, "kind: 'windowed' is no kind"),
        ({"window": 16, "density": "gaussian"}, "density: 'gaussian' changes nothing with a window"),
        ({"follow_drift": False}, "follow_drift: 'false' changes nothing"),
    ],
)
def test_parameters_that_would_change_nothing_are_refused(parameters, reason):
    """They are named before anything is learned, with what to do."""
    with pytest.raises(ValueError, match=reason):
        LatentDetector(**parameters).fit(_numbers(40, 0))


def test_rows_of_another_kind_than_learned_are_refused_in_words():
    """An array after a mixed frame, or text in a column of numbers, names what is wrong."""
    frame = _frame(60, 0)
    model = LatentDetector(kind="linear").fit(frame)
    with pytest.raises(ValueError, match="learned from a DataFrame"):
        model.surprise(np.zeros((3, frame.shape[1])))
    number = next(name for name in frame if frame[name].dtype == np.float64)
    with pytest.raises(ValueError, match=f"column '{number}' held numbers"):
        model.surprise(frame.assign(**{number: "oops"}))
