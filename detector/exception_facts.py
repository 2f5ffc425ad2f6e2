"""What an evaluation holds of exceptions that were replayed on a history."""

from collections.abc import Mapping, Sequence
from typing import Any

from latentwatch.domain.model import Evaluation

DETAIL = "exceptions"
"""Under which an evaluation's details hold it."""


def replays_of(evaluation: Evaluation | None) -> Sequence[Mapping[str, Any]]:
    """Of each exception `id`, `text`, `records` that it is about, `alarming` of those without it, and `alarming_under` it."""
    return () if evaluation is None else evaluation.details.get(DETAIL, ())


def needless(evaluation: Evaluation | None) -> set[int]:
    """Exceptions without which nothing that they are about would alarm."""
    return {int(each["id"]) for each in replays_of(evaluation) if not each["alarming"]}
