"""What a notebook draws holds what it says."""

import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from latentwatch import LatentDetector
from latentwatch.domain.errors import InvalidInput


def _rows(count: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    rows = pd.DataFrame(random.normal(size=(count, 15)), columns=[f"f{at}" for at in range(15)])
    return rows.assign(mode=np.where(rows["f0"] > 0, "on", "off"))


@pytest.fixture(scope="module")
def model():
    """A detector of sixteen features."""
    return LatentDetector(kind="linear").fit(_rows(300, 0))


def test_the_map_shows_each_row_once_abnormal_ones_apart(model):
    """Beside a sample of normal ones; without X the ground alone."""
    fresh = _rows(40, 1)
    fresh.loc[:2, "f3"] = 9.0
    flagged = int((model.predict(fresh) == -1).sum())
    drawn = model.plot_map(fresh, ax=Figure().subplots())
    counts = [len(line.get_xdata()) for line in drawn.lines]
    assert counts == [len(model.detector_.map_ground().sample), 40 - flagged, flagged]
    assert flagged >= 3
    assert f"abnormal ({flagged})" in [text.get_text() for text in drawn.get_legend().get_texts()]
    assert len(model.plot_map(ax=Figure().subplots()).lines) == 1


def test_an_explanation_shows_values_and_what_was_expected(model):
    """The guilty feature on top; twelve bars that sum to all contributions."""
    fresh = _rows(5, 1)
    fresh.loc[1, "f3"] = 9.0
    drawn = model.plot_explanation(fresh, row=1, ax=Figure().subplots())
    labels = [text.get_text() for text in drawn.get_yticklabels()]
    assert labels[0] == "f3 = 9"
    assert labels[-1] == "5 other features"
    widths = [bar.get_width() for bar in drawn.patches]
    assert len(widths) == 12
    assert sum(widths) == pytest.approx(sum(model.explain(fresh)[1].contributions.values()), rel=1e-6)
    assert any(text.get_text().startswith("expected ") for text in drawn.texts)
    with pytest.raises(IndexError):
        model.plot_explanation(fresh, row=5)


def test_without_matplotlib_it_is_said_what_to_install(model, monkeypatch: pytest.MonkeyPatch):
    """Before anything is computed."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for draw in (model.plot_map, lambda: model.plot_explanation(None)):
        with pytest.raises(InvalidInput, match=r"install 'latentwatch\[plot\]'"):
            draw()
