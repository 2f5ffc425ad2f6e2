"""A data frame's columns are taken for what they hold: what would only mislead is left out or refused, by name."""

import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from latentwatch.detector.estimator import LatentDetector
from latentwatch.detector.tables import schema_of_frame


def _payments(count: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {"amount": random.normal(50, 5, count).round(2), "country": random.choice(["DE", "AT", "FR"], count)}
    )


def test_words_new_in_every_row_are_left_out_with_a_warning():
    """New words in calibration would make every row strange, and nothing stand out: the scores are those without them."""
    rows, others = _payments(400, 0), _payments(100, 1)
    with pytest.warns(UserWarning, match="'id' is left out: .*as in an identifier") as warned:
        model = LatentDetector(kind="linear").fit(rows.assign(id=[f"TX{number:06d}" for number in range(400)]))
    assert warned[0].filename == __file__
    without = LatentDetector(kind="linear").fit(rows)
    found = model.surprise(others.assign(id=[f"TX9{number}" for number in range(100)]))
    np.testing.assert_array_equal(found, without.surprise(others))
    assert model.schema_.names == ("amount", "country")


@pytest.mark.parametrize(
    "written",
    [
        lambda at: at,
        lambda at: at.strftime("%Y-%m-%d %H:%M:%S"),
        lambda at: at.strftime("%d.%m.%Y %H:%M"),
        lambda at: at.astype("datetime64[s]").astype(np.int64).to_numpy(),
    ],
)
@pytest.mark.filterwarnings("ignore:.*is read as a time")
def test_times_count_as_hour_and_weekday_however_they_are_written(written):
    """As times, as text, as epoch numbers: the same scores, and the next month is as normal as this one."""
    now, later = (pd.date_range(day, periods=800, freq="47min") for day in ("2026-01-05", "2026-02-05"))
    rows, others = _payments(800, 0), _payments(800, 1)
    model = LatentDetector(kind="linear").fit(rows.assign(at=written(now)))
    assert model.schema_.names == ("amount", "country", "at.hour", "at.weekday")
    plain = LatentDetector(kind="linear").fit(rows.assign(at=now)).surprise(others.assign(at=later))
    np.testing.assert_allclose(model.surprise(others.assign(at=written(later))), plain, atol=0.05)
    assert (plain > 2).mean() < 0.03
    assert np.isfinite(model.surprise(others.assign(at=None))).all()


def test_days_as_text_are_no_words():
    """A date is not a category, whose words of the next month would all be new; of one morning no hour is learned."""
    rows, others = _payments(600, 0), _payments(100, 1)
    dates, next_month = (
        pd.date_range(day, periods=600, freq="h").strftime("%Y-%m-%d") for day in ("2026-01", "2026-03")
    )
    with_dates = LatentDetector(kind="linear").fit(rows.assign(day=dates))
    assert (with_dates.predict(others.assign(day=next_month[:100])) == -1).mean() < 0.05
    morning = pd.date_range("2026-01-05 06:00", periods=600, freq="s").astype(str)
    with pytest.warns(UserWarning, match="'at' spans 0.0 days; its hour and weekday will not count"):
        assert LatentDetector(kind="linear").fit(rows.assign(at=morning)).schema_.names == ("amount", "country")


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        (lambda count: np.arange(count), "it counts the rows"),
        (lambda count: np.cumsum(np.random.default_rng(0).random(count)), "it only grows"),
    ],
)
def test_counters_and_clocks_are_left_out_with_a_warning(numbers, reason):
    """Also in a frame of numbers alone, and of each group on its own; in an array every column counts as given."""
    frame = pd.DataFrame({"a": np.random.default_rng(1).normal(size=600), "n": numbers(600)})
    with pytest.warns(UserWarning, match=f"'n' is left out: {reason}"):
        model = LatentDetector(kind="linear").fit(frame)
    assert model.schema_.names == ("a",)
    assert (model.predict(frame.assign(n=frame["n"] + 1e6)) == 1).mean() > 0.95
    turns = pd.concat([frame.assign(of="x"), frame.assign(of="y")])
    with pytest.warns(UserWarning, match="'n' is left out: it only grows"):
        LatentDetector(kind="linear").fit(turns, groups="of")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert LatentDetector(kind="linear").fit(frame.to_numpy()).schema_.names == ("x0", "x1")


def test_short_texts_and_few_rows_are_no_identifiers():
    """Phrases that differ are text, and of a handful of rows nobody can tell."""
    shops = [f"{'ALDI' if number % 2 else 'REWE'} {number}" for number in range(400)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert schema_of_frame(_payments(400, 0).assign(shop=shops)).texts == ("shop",)
        assert "id" in schema_of_frame(_payments(30, 0).assign(id=shops[:30])).names


def test_the_decimals_of_a_database_are_numbers():
    """They come as Python objects, and were taken for words: the same scores as for floats."""
    rows, others = _payments(400, 0), _payments(50, 1)
    exact = rows.assign(amount=[Decimal(str(amount)) for amount in rows["amount"]])
    exact.loc[3, "amount"] = None
    rows.loc[3, "amount"] = np.nan
    models = [LatentDetector(kind="linear").fit(each) for each in (exact, rows)]
    np.testing.assert_array_equal(models[0].surprise(others), models[1].surprise(others))


@pytest.mark.parametrize("change", [lambda amount: amount.astype(str), lambda amount: amount.replace(amount[5], "n/a")])
def test_numbers_among_text_are_refused_by_name(change):
    """A quantity of which a cell is a word would be a category of as many words as rows."""
    rows = _payments(400, 0)
    with pytest.raises(ValueError, match=r"column 'amount' holds numbers, but also text .* pd\.to_numeric"):
        LatentDetector().fit(rows.assign(amount=change(rows["amount"].astype(object))))


def test_a_frame_of_identifiers_alone_is_refused():
    """There is nothing to learn from."""
    with pytest.warns(UserWarning, match="left out"), pytest.raises(ValueError, match="no column is left"):
        LatentDetector().fit(pd.DataFrame({"id": [f"TX{number}" for number in range(100)]}))


@pytest.mark.parametrize(
    "column",
    [
        pd.period_range("2026-01-01", periods=200, freq="h"),
        pd.to_timedelta(np.random.default_rng(0).integers(1, 99, 200), unit="s"),
        [Decimal(at % 7) for at in range(200)],
        [Decimal(at % 7) if at % 9 else None for at in range(200)],
    ],
)
def test_periods_durations_and_decimals_beside_numbers_alone(column):
    """What pandas and databases give; a duration counts in seconds."""
    rows = pd.DataFrame({"a": np.random.default_rng(1).normal(size=200), "given": column})
    model = LatentDetector(kind="linear").fit(rows)
    assert any(name.startswith("given") for name in model.schema_.names)
    assert np.isfinite(model.surprise(rows)).all()


def test_a_long_duration_is_abnormal():
    """Of seconds, not of nanoseconds since 1970."""
    rows = pd.DataFrame({"took": pd.to_timedelta(np.random.default_rng(0).integers(1, 99, 200), unit="s")})
    model = LatentDetector(kind="linear").fit(rows)
    assert model.explain(rows[:1].assign(took=pd.Timedelta("1h")))[0].contributions["took"] > 1


def test_text_among_numbers_is_named_with_its_column():
    """Where every column held numbers, too."""
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 2)), columns=["a", "b"])
    model = LatentDetector(kind="linear").fit(rows)
    assert (model.surprise(rows.astype(str)) == model.surprise(rows)).all()
    with pytest.raises(ValueError, match="column 'b' held numbers when the detector learned, and now 'broken'"):
        model.predict(rows.astype({"b": object}).replace({"b": {rows["b"][3]: "broken"}}))


def test_a_rate_may_be_any_number(tmp_path):
    """As numpy's single precision is."""
    model = LatentDetector(kind="linear", false_alarm_rate=np.float32(0.05)).fit(
        np.random.default_rng(0).normal(size=(50, 2))
    )
    model.save(tmp_path / "saved")
    assert LatentDetector.load(tmp_path / "saved").offset_ == pytest.approx(np.log10(0.05))
