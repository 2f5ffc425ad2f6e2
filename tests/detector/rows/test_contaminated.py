"""Training rows that are strange themselves do not make what resembles them normal."""

import numpy as np
from sklearn.metrics import roc_auc_score

from latentwatch.detector.estimator import LatentDetector
from latentwatch.detector.rows.model import STUDY


def test_a_group_of_strange_training_rows_does_not_excuse_itself():
    """Of 400 training rows 12 form a tight group apart from the rest: they are among the strangest when scored."""
    random = np.random.default_rng(0)
    bulk = random.normal(size=(388, 6))
    group = 3.0 + 0.3 * random.normal(size=(12, 6))
    rows = np.concatenate([bulk, group])
    surprise = LatentDetector().fit(rows).surprise(rows)
    assert roc_auc_score(np.arange(400) >= 388, surprise) > 0.9


def test_only_a_row_that_was_learned_from_is_suspect_for_its_company():
    """Suspicion counts where a row stands in the memory: most for the strange group's rows, and never for a new row."""
    random = np.random.default_rng(0)
    rows = np.concatenate([random.normal(size=(388, 6)), 3.0 + 0.3 * random.normal(size=(12, 6))]).astype(np.float32)
    model = LatentDetector().fit(rows).detector_.model
    held = model.normal.rows
    present, beside = np.ones((1, 6), np.float32), held + np.float32(1e-3)
    met = model.meet(held, present, STUDY)
    in_group = (held * model.divisor).mean(axis=1) > 2.0
    assert in_group.sum() == 12
    suspicion = model.anomaly_scores(met)["suspicion"]
    assert suspicion[in_group].min() > np.quantile(suspicion[~in_group], 0.95)
    learned, new = (model.judge(model.meet(values, present, STUDY)) for values in (held, beside))
    assert learned.known.all()
    assert not new.known.any()
    assert (learned.fused - new.fused)[in_group].min() > 1.0
    as_new = model.judge(met.as_new())
    assert np.allclose(learned.fused - as_new.fused, model.weights["suspicion"] * suspicion, atol=1e-4)


def test_rows_that_were_learned_from_keep_the_promise():
    """Of the training rows themselves, skewed and in part copies of each other, the promised shares are called abnormal."""
    random = np.random.default_rng(1)
    rows = np.concatenate([random.standard_t(3, size=(1_500, 4)), random.poisson(1.5, size=(1_500, 4))])
    surprise = LatentDetector(kind="linear").fit(rows).surprise(rows)
    for promised in (0.1, 0.01):
        assert 0.8 * promised < np.mean(surprise > -np.log10(promised)) < 1.2 * promised
