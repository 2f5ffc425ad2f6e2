"""Compiled loops: made once, before a stream is scored, not in the middle of it."""

import sys
from datetime import UTC, datetime

import pytest
import torch
from numba.core.dispatcher import Dispatcher

from latentwatch.detector.training import learn
from latentwatch.domain.model_choice import ModelChoice
from latentwatch.plant import Plant
from latentwatch.streams.context.context_store import ContextStore


@pytest.mark.parametrize("window", [1, 32])
def test_one_record_runs_through_the_loops_that_a_batch_compiled(window: int):
    """Numpy calls a strided column of one record contiguous, which is another type to the compiler: seconds of waiting."""
    torch.set_num_threads(1)
    records = Plant(seed=3, rigs=1, period_seconds=30).history(datetime(2026, 1, 1, tzinfo=UTC), 900)
    detector = learn(records, ModelChoice(), window=window)
    contexts = ContextStore(detector.context)

    def judge(rows: slice) -> None:
        batch = records.take(rows)
        extended = contexts.extend(batch)
        detector.explain(batch, extended, detector.score(batch, extended))

    judge(slice(0, 300))
    before = _compiled()
    judge(slice(300, 301))
    assert _compiled() == before


def _compiled() -> dict[str, int]:
    """How many variants of each compiled loop this process has."""
    modules = [module for name, module in list(sys.modules.items()) if name.startswith("latentwatch.detector.")]
    return {
        f"{module.__name__}.{name}": len(loop.signatures)
        for module in modules
        for name, loop in vars(module).items()
        if isinstance(loop, Dispatcher)
    }
