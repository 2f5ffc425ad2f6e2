"""Training rows that are strange themselves do not make what resembles them normal."""

import numpy as np
from sklearn.metrics import roc_auc_score

from detector.estimator import LatentDetector


def test_a_group_of_strange_training_rows_does_not_excuse_itself():
    """Of 400 training rows 12 form a tight group apart from the rest: they are among the strangest when scored."""
    random = np.random.default_rng(0)
    bulk = random.normal(size=(388, 6))
    group = 3.0 + 0.3 * random.normal(size=(12, 6))
    rows = np.concatenate([bulk, group])
    surprise = LatentDetector().fit(rows).surprise(rows)
    assert roc_auc_score(np.arange(400) >= 388, surprise) > 0.9
