"""The estimator keeps scikit-learn's contract and takes what notebooks give it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from latentwatch import LatentDetector


@parametrize_with_checks([LatentDetector(kind="linear"), LatentDetector(kind="linear", effort="light")])
def test_scikit_learn_checks(estimator, check):
    """The estimator passes scikit-learn's own checks."""
    check(estimator)
