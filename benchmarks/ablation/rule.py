"""What leaving a part out costs, suite by suite, and whether that is enough for it to stay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

MEAN_AUROC, MEAN_PRECISION, ONE_SUITE = 0.003, 0.005, 0.01
"""Costs from which a part stays: in the mean of its suites, or on one of them where no other gains."""
BY_RIGHT = frozenset({"reconstruction", "density"})
"""The two halves of every score, which people are shown."""

Numbers = Mapping[tuple[str, str, int], tuple[float, float]]
"""By suite, set and seed: AUROC, and VUS-PR or average precision."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What leaving a part out costs; negative where it gains."""

    part: str
    by_suite: Mapping[str, tuple[float, float]]
    """Of the suites in which it takes part: AUROC, and VUS-PR or average precision."""

    @property
    def mean(self) -> tuple[float, float]:
        """Of its suites."""
        auroc, precision = np.mean([*self.by_suite.values()], axis=0).tolist()
        return auroc, precision

    @property
    def stays(self) -> bool:
        """Whether it earns its place."""
        if self.part in BY_RIGHT:
            return True
        auroc, precision = self.mean
        if auroc >= MEAN_AUROC or precision >= MEAN_PRECISION:
            return True
        worst = max(max(cost) for cost in self.by_suite.values())
        gain = -min(min(cost) for cost in self.by_suite.values())
        return worst >= ONE_SUITE and gain < MEAN_AUROC


def cost_of(part: str, whole: Numbers, without: Numbers) -> Cost:
    """Means over sets and seeds of each suite, of what was measured with and without."""
    suites = dict.fromkeys(suite for suite, _, _ in without)
    return Cost(
        part,
        {
            suite: tuple(  # type: ignore[misc]
                float(np.mean([whole[key][at] - without[key][at] for key in without if key[0] == suite]))
                for at in (0, 1)
            )
            for suite in suites
        },
    )


def table(costs: Sequence[Cost], suites: Sequence[str]) -> str:
    """Markdown: AUROC / precision in percent that leaving each part out costs."""
    lines = ["| without | " + " | ".join(suites) + " | mean | stays |", "|" + "---|" * (len(suites) + 3)]
    for cost in costs:
        cells = [_shown(cost.by_suite.get(suite)) for suite in suites]
        stays = "by right" if cost.part in BY_RIGHT else "yes" if cost.stays else "**no**"
        lines.append(f"| {cost.part} | " + " | ".join(cells) + f" | {_shown(cost.mean)} | {stays} |")
    return "\n".join(lines)


def _shown(cost: tuple[float, float] | None) -> str:
    return (
        ""
        if cost is None
        else " / ".join(f"{100 * each:+.1f}".replace("+0.0", "0").replace("-0.0", "0") for each in cost)
    )
