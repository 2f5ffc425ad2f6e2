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


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([f"TX{number:06d}" for number in range(400)], "as in an identifier"),
        (pd.date_range("2026-01-01", periods=400, freq="min").astype(str).tolist(), "its times are text"),
    ],
)
def test_words_new_in_every_row_are_left_out_with_a_warning(words: list[str], reason: str):
    """New words in calibration would make every row strange, and nothing stand out: the scores are those without them."""
    rows, others = _payments(400, 0), _payments(100, 1)
    with pytest.warns(UserWarning, match=f"'id' is left out: .*{reason}"):
        model = LatentDetector(kind="linear").fit(rows.assign(id=words))
    without = LatentDetector(kind="linear").fit(rows)
    found = model.surprise(others.assign(id=[f"TX9{number}" for number in range(100)]))
    np.testing.assert_array_equal(found, without.surprise(others))
    assert model.schema_.names == ("amount", "country")


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
