"""Fused again with every part the scores rank as the detector's own; what is left out no longer counts; the rule decides."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.ablation import kept
from benchmarks.ablation.cases import SUITES, HeldOutStretch, OneFit, _rows
from benchmarks.ablation.fusing import applies, fuse
from benchmarks.ablation.parts import Parts, fit_parts
from benchmarks.ablation.rule import Cost, cost_of, table
from benchmarks.quality.metrics import auroc
from latentwatch.detector.running_context import RunningContext
from latentwatch.detector.training import learn
from latentwatch.domain.model_choice import ModelChoice


@pytest.fixture(scope="module")
def rows() -> tuple[OneFit, Parts]:
    """A small table with strange rows, some of them learned from."""
    random = np.random.default_rng(0)
    normal = random.normal(size=(400, 4)) @ random.normal(size=(4, 4))
    strange = random.normal(size=(40, 4)) * 3
    truth = np.repeat([False, True], [120, 40])
    case = _rows(normal[:300], np.concatenate([normal[280:], strange]), truth)
    return case, fit_parts(case, ModelChoice())


@pytest.fixture(scope="module")
def metric() -> tuple[OneFit, Parts]:
    """A metric with a day, an hour between its records."""
    case = SUITES["everyday"].read(Path(), "daily-60", 0)
    return case, fit_parts(case, ModelChoice())


def _own(case: OneFit, tested: HeldOutStretch) -> np.ndarray:
    """[N] what the shipped detector says."""
    detector = learn(case.train, ModelChoice(), case.window)
    if not case.window > 1:
        return detector.score(tested.batch, RunningContext(detector.context).extend(tested.batch)).surprise
    contexts = detector.context.extend(detector.context.fresh([""]), np.zeros(len(tested.batch), np.intp), tested.batch)
    return detector.score(tested.batch, contexts).surprise


class TestFusedAgain:
    """Parts of one fit."""

    def test_rows_score_as_the_detector_scores_them(self, rows: tuple[OneFit, Parts]):
        """With all parts."""
        case, parts = rows
        (scores,) = fuse(parts)
        np.testing.assert_allclose(scores, _own(case, case.tested[0]), atol=1e-4)

    def test_metrics_rank_as_the_detector_ranks_them(self, metric: tuple[OneFit, Parts]):
        """With all parts, but for what is taken off after a silence."""
        case, parts = metric
        (scores,) = fuse(parts)
        own = _own(case, case.tested[0])
        assert np.corrcoef(scores, own)[0, 1] > 0.99
        assert auroc(case.tested[0].truth, scores) == pytest.approx(auroc(case.tested[0].truth, own), abs=0.01)

    @pytest.mark.parametrize("part", ["forecasts", "season", "reading: frozen", "lately", "dyn", "novelty"])
    def test_a_part_that_is_left_out_no_longer_counts(self, metric: tuple[OneFit, Parts], part: str):
        """Scores differ."""
        _, parts = metric
        assert applies(parts, part)
        assert not np.array_equal(fuse(parts)[0], fuse(parts, [part])[0])

    def test_parts_of_the_other_family_take_no_part(self, rows: tuple[OneFit, Parts], metric: tuple[OneFit, Parts]):
        """Tails are of rows, forecasts of metrics."""
        assert applies(rows[1], "tails")
        assert not applies(rows[1], "forecasts")
        assert applies(metric[1], "forecasts")
        assert not applies(metric[1], "tails")

    def test_what_is_kept_comes_back(self, rows: tuple[OneFit, Parts], metric: tuple[OneFit, Parts], tmp_path: Path):
        """Bit for bit."""
        for _, parts in (rows, metric):
            kept.write(parts, tmp_path / "parts.npz")
            again = kept.read(tmp_path / "parts.npz")
            np.testing.assert_array_equal(fuse(again)[0], fuse(parts)[0])


class TestRule:
    """Who stays."""

    COST = Cost("tails", {"tables": (0.0, 0.0), "tables-contaminated": (0.0, 0.0)})

    @pytest.mark.parametrize(
        ("by_suite", "stays"),
        [
            ({"a": (0.002, 0.004), "b": (0.002, 0.004)}, False),
            ({"a": (0.004, 0.0), "b": (0.003, 0.0)}, True),
            ({"a": (0.0, 0.012), "b": (0.0, 0.0)}, True),
            ({"a": (0.0, 0.012), "b": (0.0, -0.011)}, False),
        ],
    )
    def test_a_part_stays_for_its_mean_or_for_one_suite(self, by_suite: dict[str, tuple[float, float]], stays: bool):
        """.3 AUROC or .5 precision in the mean, or 1 on one suite without a gain elsewhere."""
        assert replace(self.COST, by_suite=by_suite).stays is stays

    def test_the_halves_stay_by_right(self):
        """Whatever they cost."""
        assert Cost("density", {"a": (-0.1, -0.1)}).stays

    def test_a_table_says_what_leaving_out_costs(self):
        """Percent, signs, and an empty cell where a part takes no part."""
        whole = {("a", "x", 0): (0.9, 0.5), ("a", "y", 0): (0.8, 0.5), ("b", "z", 0): (0.7, 0.5)}
        cost = cost_of("tails", whole, {("a", "x", 0): (0.88, 0.5), ("a", "y", 0): (0.8, 0.51)})
        assert cost.by_suite["a"] == pytest.approx((0.01, -0.005))
        assert table([cost], ["a", "b"]).splitlines()[-1] == "| tails | +1.0 / -0.5 |  | +1.0 / -0.5 | yes |"
