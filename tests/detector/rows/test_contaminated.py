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
    present = np.ones((1, 6), np.float32)
    learned = model.look(model.memory.rows, present, STUDY).logs[:, 4]
    new = model.look(model.memory.rows + np.float32(1e-3), present, STUDY).logs[:, 4]
    in_group = (model.memory.rows * model.divisor).mean(axis=1) > 2.0
    assert in_group.sum() == 12
    assert learned[in_group].min() > np.quantile(learned[~in_group], 0.95)
    assert not new.any()
