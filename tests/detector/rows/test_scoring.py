"""What a row's score depends on."""

import numpy as np
import pytest

from latentwatch import LatentDetector


@pytest.mark.parametrize("density", ["gaussian", "mixture", "prototypes"])
def test_a_row_gets_the_same_bits_alone_and_in_a_batch(density: str):
    """Also where values are missing, and where it was learned from."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(900, 3)) @ random.normal(size=(3, 13)) + 0.3 * random.normal(size=(900, 13))
    rows[random.random(rows.shape) < 0.02] = np.nan
    model = LatentDetector(kind="linear", density=density).fit(rows[:600])
    asked = rows[500:700]
    together = model._score(asked)[2]
    for row in range(len(asked)):
        alone = model._score(asked[row : row + 1])[2]
        for name in ("surprise", "reconstruction", "density"):
            assert getattr(alone, name)[0] == getattr(together, name)[row]
