"""What training never showed is told in the same way with a window and without one."""

import numpy as np
import pandas as pd
import pytest
import torch

from latentwatch import LatentDetector
from latentwatch.detector.running_context import RunningContext

PLACES = (60, 120, 180)


def _records(random: np.random.Generator, count: int, start: int = 0) -> pd.DataFrame:
    wave = np.sin(np.arange(start, start + count) / 50) + 0.1 * random.normal(size=count)
    return pd.DataFrame(
        {
            "wave": wave,
            "double": 2 * wave + 0.1 * random.normal(size=count),
            "fixed": 5.0,
            "gaps": np.where(random.random(count) < 0.1, np.nan, random.normal(size=count)),
            "mode": random.choice(["on", "off"], count),
            "word": "same",
        }
    )


@pytest.fixture(scope="module", params=[1, 60])
def learned(request) -> tuple[LatentDetector, pd.DataFrame]:
    """A detector, and later normal records."""
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    detector = LatentDetector(window=request.param, kind="linear").fit(_records(random, 2_500))
    return detector, _records(random, 200, 2_500)


@pytest.mark.parametrize(
    ("feature", "value"),
    [
        ("mode", "unseen"),
        ("word", "unseen"),
        ("fixed", 6.0),
        ("fixed", None),
        ("double", None),
        ("mode", None),
        ("double", 9.0),
    ],
)
def test_what_never_was_is_strange_and_to_blame(learned, feature: str, value: object):
    """An unseen word, a constant that moved, and a value that training never lacked: all are among the strangest few records,
    and the feature bears the largest part."""
    detector, records = learned
    usual = detector.surprise(records)
    for at in PLACES:
        changed = records.astype({"mode": object, "word": object}).copy()
        changed.loc[changed.index[at], feature] = value
        surprise, explanation = _judge(detector, changed, at)
        assert surprise > max(1.5, np.quantile(usual, 0.97))
        assert max(explanation.contributions, key=explanation.contributions.__getitem__) == feature


def test_a_value_that_is_missing_now_and_then_is_no_news(learned):
    """Training lacked it in one of ten records."""
    detector, records = learned
    for at in PLACES:
        changed = records.copy()
        changed.loc[changed.index[at], "gaps"] = np.nan
        assert _judge(detector, changed, at)[0] < 2.0


def _judge(detector: LatentDetector, records: pd.DataFrame, at: int):
    batch = detector._read(records, None, None)
    contexts = RunningContext(detector.detector_.context).extend(batch)
    scores = detector.detector_.score(batch, contexts)
    one = np.array([at])
    explained = detector.detector_.explain(batch.take(one), contexts.take(one), scores.take(one))
    return float(scores.surprise[at]), explained[0]
