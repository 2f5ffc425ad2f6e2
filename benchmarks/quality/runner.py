"""Measure the cases that are not kept yet, a few processes side by side, and say how it goes."""

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import chain
from multiprocessing import get_context
from pathlib import Path

from benchmarks.quality.cases import Cache, Case, CaseResult, Suite
from benchmarks.quality.stopwatch import Stopwatch

THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def run(suites: Sequence[Suite], cases: Sequence[Case], data: Path, cache: Cache, workers: int) -> list[CaseResult]:
    """Outcomes of all cases, in their order; kept ones are read, the others measured on one thread each."""
    by_name = {suite.name: suite for suite in suites}
    outcomes = {case: kept for case in cases if (kept := cache.load(case, by_name[case.suite].method(case.method)))}
    missing = [case for case in cases if case not in outcomes]
    print(f"{len(outcomes)} of {len(cases)} measurements kept, {len(missing)} to do", file=sys.stderr)
    for name in THREAD_SETTINGS:  # read by the children when they import numpy
        os.environ[name] = "1"
    together = [case for case in missing if not by_name[case.suite].alone]
    alone = [case for case in missing if by_name[case.suite].alone]
    measured = chain(_in_processes(together, data, workers), _one_by_one(alone, data))
    for number, outcome in enumerate(measured, 1):
        case = outcome.case
        outcomes[case] = outcome
        cache.save(outcome, by_name[case.suite].method(case.method))
        shown = outcome.error or "  ".join(
            f"{name} {outcome.numbers[name]:.3f}" for name in ("auroc", "ap", "vus_pr") if name in outcome.numbers
        )
        print(
            f"[{number}/{len(missing)}] {case.suite} / {case.dataset} / {case.method} / seed {case.seed}: {shown}",
            file=sys.stderr,
            flush=True,
        )
    return [outcomes[case] for case in cases]


def _in_processes(cases: Sequence[Case], data: Path, workers: int) -> Iterator[CaseResult]:
    if not cases:
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        for future in as_completed([pool.submit(measure, case, data) for case in cases]):
            yield future.result()


def _one_by_one(cases: Sequence[Case], data: Path) -> Iterator[CaseResult]:
    for case in cases:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
            yield fresh.submit(measure, case, data).result()


def _one_thread() -> None:
    """Torch counts its own threads; numpy's are set by the environment."""
    import torch

    torch.set_num_threads(1)


def measure(case: Case, data: Path) -> CaseResult:
    """One case. A method that fails is reported with its reason and does not stop the others."""
    from benchmarks.quality.suites import suites

    suite = next(suite for suite in suites(data, quick=False) if suite.name == case.suite)
    method = suite.method(case.method)
    try:
        with Stopwatch() as watch, warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always" if method.group == "ours" else "ignore")
            numbers = suite.measure(data, case.dataset, method, case.seed)
    except Exception as error:  # any peer may fail in any way on any set
        return CaseResult(case, {}, f"failed: {type(error).__name__}: {error}")
    return CaseResult(case, {**numbers, "seconds": watch.seconds, "warnings": float(len(heard))})
