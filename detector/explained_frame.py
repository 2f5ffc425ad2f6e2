"""Explanations as a data frame, one line for each row and feature."""

from collections.abc import Sequence

import pandas as pd

from latentwatch.domain.record import Value
from latentwatch.domain.scores import Explanation


def frame_of(explanations: Sequence[Explanation], values: Sequence[dict[str, Value]], index: pd.Index) -> pd.DataFrame:
    """Index (row, feature), columns `value`, `expected` and `contribution`; rows in order, each one's largest
    contribution first. `index` names the rows; `values` are what they hold."""
    lines = [
        (row, name, shown[name], explanation.expected[name], share)
        for row, explanation, shown in zip(index, explanations, values, strict=True)
        for name, share in sorted(explanation.contributions.items(), key=lambda pair: -pair[1])
    ]
    frame = pd.DataFrame(lines, columns=["row", "feature", "value", "expected", "contribution"])
    return frame.set_index(["row", "feature"])
