"""What calibrates: training rows, each judged without itself, some of them at a time."""

import numpy as np
import pandas as pd
import pytest

from latentwatch import LatentDetector
from latentwatch.detector.reading import Reading
from latentwatch.detector.rows.features import fit_features
from latentwatch.detector.rows.fitting import fit_rows
from latentwatch.detector.rows.model import STUDY
from latentwatch.domain.model_choice import ModelChoice


def _claims(count: int, seed: int) -> pd.DataFrame:
    """Insurance claims: three numbers of which one follows from the others, and words beside them."""
    random = np.random.default_rng(seed)
    kind = random.choice(["motor", "home", "travel"], count, p=[0.6, 0.25, 0.15])
    amount = np.exp(pd.Series(kind).map({"motor": 7.5, "home": 7.0, "travel": 5.8}) + random.normal(0, 0.5, count))
    age = random.integers(18, 85, count)
    return pd.DataFrame(
        {
            "kind": kind,
            "amount": amount.round(2),
            "age": age,
            "days": random.poisson(5, count),
            "region": random.choice([f"R{at:02d}" for at in range(12)], count),
            "approved": random.random(count) < 0.9,
            "premium": (0.1 * amount + 3 * age + random.normal(0, 20, count)).round(2),
        }
    )


def _ignore(_step, _share):
    pass


def test_some_training_rows_are_judged_as_among_all():
    """Calibration asks about the strangest alone: nothing may be learned from who else is asked about."""
    batch = Reading.learn(_claims(600, 0), None, None, lambda rows, _numbers: rows)[1]
    features = fit_features(batch, 0)
    fitted, _ = fit_rows(features.transform(batch), features, ModelChoice(kind="linear"), _ignore)
    everyone = np.arange(len(batch))
    whole = fitted.scores_out_of_fold(STUDY, everyone)
    strangest = np.argsort(fitted.out_of_fold(STUDY, everyone).fused)[-150:]
    for name, scores in fitted.scores_out_of_fold(STUDY, strangest).items():
        assert scores == pytest.approx(whole[name][strangest], abs=1e-4), name


def test_a_table_of_words_and_numbers_keeps_its_promise_and_finds_an_odd_number():
    """Late reports were as usual as any, and one false alarm in two thousand came where one in a hundred was promised."""
    det = LatentDetector(false_alarm_rate=0.01).fit(_claims(3_000, 0))
    assert 0.005 < (det.predict(_claims(6_000, 1)) == -1).mean() < 0.02
    late = _claims(100, 2).assign(days=40)
    assert (det.predict(late) == -1).mean() > 0.9
