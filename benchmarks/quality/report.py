"""One Markdown and one JSON report from the outcomes of a run."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path

import numpy as np

from benchmarks.quality import fleets
from benchmarks.quality.cases import CaseResult, Numbers, Suite
from benchmarks.quality.measuring import SURPRISES
from benchmarks.quality.metrics import FlagCounts, rate_interval
from benchmarks.quality.ours import OURS
from benchmarks.quality.pictures import draw
from benchmarks.quality.plant import AFTERMATH_RECORDS
from benchmarks.quality.statistics import Table, duel, standings, table

PERCENT = {"auroc", "auroc_apart", "ap", "vus_pr", "detection"}
TITLES = {
    "tables": "Tables, clean split (one-class)",
    "tables-contaminated": "Tables, contaminated",
    "skab": "Pump test bed (SKAB), one model per run",
    "tennessee-eastman": "Chemical plant (Tennessee Eastman), mean over faults",
    "plant": "Our own plant, by kind of fault",
    "generated": "Generated streams that nothing was tuned on",
    "drifting": "The same, on levels that wander",
    "servers": "Servers (SMD)",
    "metrics": "Labelled metrics of web services, a value each five minutes",
    "everyday": "Everyday streams, generated: a day, a week, bursts, jobs, at 5 to 60 minutes",
    "telemetry": "Telemetry, generated: a channel that answers to commands, beside 24 columns of them",
    "fleets": "Fleets: 300,000 records as 10 to 10,000 entities",
    "speed": "Speed: records on their own, 20 features, one thread",
    "speed-samples": "Speed: consecutive samples, 20 sensors, one thread",
}
RANKED = {
    "tables": ("auroc", "ap"),
    "tables-contaminated": ("auroc", "ap"),
    "skab": ("auroc", "vus_pr", "ap"),
    "generated": ("auroc", "vus_pr"),
    "drifting": ("auroc", "vus_pr"),
    "servers": ("vus_pr", "auroc", "ap"),
    "metrics": ("vus_pr", "auroc"),
    "everyday": ("vus_pr", "auroc"),
    "telemetry": ("vus_pr", "auroc"),
}
CLOCKED = {"metrics", "everyday", "telemetry"}
"""Suites whose events and alerts at the default threshold are counted."""
BY_FAULT = {"tennessee-eastman": ("auroc", "detection", "delay"), "plant": ("auroc", "auroc_apart")}
"""Suites measured once per method, with a number for each fault."""
NAMES = {
    "auroc": "AUROC",
    "auroc_apart": f"AUROC, the {AFTERMATH_RECORDS} rows after a fault left out",
    "ap": "AP",
    "vus_pr": "VUS-PR",
    "detection": "detection at 1 %",
    "delay": "delay, rows",
}


def write(outcomes: Sequence[CaseResult], suites: Sequence[Suite], about: str, folder: Path) -> Path:
    """Write report.md, report.json and the pictures into the folder; returns the former."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(
        json.dumps([{**asdict(one.case), **one.numbers, "error": one.error} for one in outcomes], indent=1),
        encoding="utf-8",
    )
    pictures = "\n\n".join(f"![{picture.stem}]({picture.name})" for picture in draw(outcomes, folder))
    file = folder / "report.md"
    file.write_text(markdown(outcomes, suites, f"{about}\n\n{pictures}".rstrip()), encoding="utf-8")
    return file


def markdown(outcomes: Sequence[CaseResult], suites: Sequence[Suite], about: str) -> str:
    """The report as text."""
    parts: list[str] = ["# Detection quality", about]
    for suite in suites:
        mine = [outcome for outcome in outcomes if outcome.case.suite == suite.name]
        parts.append(f"## {TITLES[suite.name]}")
        if suite.name in BY_FAULT:
            parts.extend(_by_fault(mine, BY_FAULT[suite.name]))
        if suite.alone:
            parts.append(_speed(mine))
        for metric in RANKED.get(suite.name, ()):
            parts.extend(_ranking(table(mine, suite.name, metric), metric))
        if suite.name == "skab":
            parts.append(_verdicts(mine))
        if suite.name in CLOCKED:
            parts.append(_events(mine))
        if suite.name == "fleets":
            parts.append(_budgets(mine))
        if suite.name in RANKED:
            parts.append(_per_set(table(mine, suite.name, RANKED[suite.name][0]), RANKED[suite.name][0]))
    parts.append("## The promise: realised false alarms on normal rows never seen")
    parts.append(_promise(outcomes))
    parts.append("## Training time")
    parts.append(_fit_seconds(outcomes, suites))
    failed = [outcome for outcome in outcomes if outcome.error]
    if failed:
        parts.append("## Failures")
        parts.append(
            "\n".join(
                f"- {one.case.suite} / {one.case.dataset} / {one.case.method} / seed {one.case.seed}: {one.error}"
                for one in failed
            )
        )
    return "\n\n".join(part for part in parts if part) + "\n"


def _ranking(values: Table, metric: str) -> Iterable[str]:
    if not values:
        return
    yield f"### {NAMES[metric]}"
    duels = {other: duel(values, OURS, other) for other in values if other != OURS} if OURS in values else {}
    rows = []
    for place in standings(values):
        low, high = place.interval
        against = duels.get(place.method)
        rows.append(
            (
                _bold(place.method),
                f"{_shown(place.mean, metric)}",
                f"{_shown(low, metric)} to {_shown(high, metric)}",
                f"{place.rank:.2f}",
                f"{place.sets} x {place.seeds}",
                f"{against.difference * 100:+.1f}, {against.wins}:{against.losses}, p {against.p:.3f}"
                if against
                else "",
            )
        )
    yield grid(
        ("method", "mean", "95 % over sets", "mean rank", "sets x seeds", f"{OURS} minus it, wins:losses, Wilcoxon"),
        rows,
    )


def _verdicts(outcomes: Sequence[CaseResult]) -> str:
    """Pooled verdicts at the default threshold; always on scores about 0.70 here, so this does not decide."""
    pooled: dict[str, FlagCounts] = {}
    for outcome in outcomes:
        if "hits" in outcome.numbers and outcome.case.seed == 0:
            counts = (int(outcome.numbers[name]) for name in ("hits", "misses", "false_alarms", "quiet"))
            pooled[outcome.case.method] = pooled.get(outcome.case.method, FlagCounts()) + FlagCounts(*counts)
    rows = [
        (
            _bold(method),
            f"{found.f1:.3f}",
            f"{100 * found.false_alarm_rate:.1f} %",
            f"{100 * found.missed_alarm_rate:.1f} %",
        )
        for method, found in sorted(pooled.items(), key=lambda item: -item[1].f1)
    ]
    return "### Verdicts at the default threshold, pooled over runs, seed 0\n\n" + grid(
        ("method", "F1", "FAR", "MAR"), rows
    )


def _events(outcomes: Sequence[CaseResult]) -> str:
    """What happens at the default threshold: the smaller of 0.3 % of records and one flagged record a day."""
    found: dict[str, list[Numbers]] = {}
    for outcome in outcomes:
        if "met" in outcome.numbers:
            found.setdefault(outcome.case.method, []).append(outcome.numbers)
    rows = []
    for method, numbers in found.items():
        events = sum(one["events"] for one in numbers)
        met, ever = (sum(one[name] for one in numbers) / events for name in ("met", "met_ever"))
        flagged, promised, alerts = (_mean(numbers, name) for name in ("flagged", "promised", "alerts_a_day"))
        worst = max(one["flagged"] / one["promised"] for one in numbers)
        rows.append(
            (
                _bold(method),
                f"{met:.2f}",
                f"{ever:.2f}",
                f"{100 * flagged:.2f} % of {100 * promised:.2f} %",
                f"{worst:.1f}",
                f"{alerts:.2f}",
            )
        )
    return "### Events and alerts at the default threshold\n\n" + grid(
        (
            "method",
            "met within 6 records",
            "met at all",
            "normal records flagged",
            "worst set, times promised",
            "false alerts a day",
        ),
        rows,
    )


def _budgets(outcomes: Sequence[CaseResult]) -> str:
    """Faults found at each budget, and the share of normal records that it promised and that was flagged."""
    return grid(
        (
            "entities",
            "method",
            "AUROC",
            *(
                head
                for _, name in fleets.BUDGET_NAMES
                for head in (f"found, {name}", f"normal flagged, {name}", "promised")
            ),
        ),
        [
            (
                f"{int(one.case.dataset):,}",
                _bold(one.case.method),
                _shown(one.numbers["auroc"], "auroc"),
                *(
                    cell
                    for budget, _ in fleets.BUDGET_NAMES
                    for cell in (
                        f"{one.numbers[f'found_{budget}']:.0f} of {one.numbers['planted']:.0f}",
                        f"{one.numbers[f'flagged_{budget}']:.2g}",
                        f"{one.numbers[f'promised_{budget}']:.2g}",
                    )
                ),
            )
            for one in sorted(outcomes, key=lambda one: int(one.case.dataset))
            if one.numbers
        ],
    )


def _by_fault(outcomes: Sequence[CaseResult], metrics: Sequence[str]) -> Iterable[str]:
    found: dict[str, list[Numbers]] = {}
    for outcome in outcomes:
        if outcome.numbers:
            found.setdefault(outcome.case.method, []).append(outcome.numbers)
    if not found:
        return
    ordered = sorted(found, key=lambda method: -_mean(found[method], "auroc"))
    yield grid(
        ("method", *(NAMES[metric] for metric in metrics), "seeds"),
        [
            (
                _bold(method),
                *(_shown(_mean(found[method], metric), metric) for metric in metrics),
                str(len(found[method])),
            )
            for method in ordered
        ],
    )
    faults = sorted({name.split("/")[0] for name in found[ordered[0]][0] if "/" in name})
    shown = [metric for metric in metrics if metric != "detection"]
    yield f"By fault, {' / '.join(NAMES[metric] for metric in shown)}:"
    yield grid(
        ("method", *faults),
        [
            (
                _bold(method),
                *(
                    " / ".join(_shown(_mean(found[method], f"{fault}/{metric}"), metric) for metric in shown)
                    for fault in faults
                ),
            )
            for method in ordered
        ],
    )


def _speed(outcomes: Sequence[CaseResult]) -> str:
    columns = {
        "microseconds_per_row": "µs a row, batches of 1,024",
        "microseconds_single": "µs, one record",
        "fit_seconds": "processor seconds to fit 10,000 rows",
        "peak_megabytes": "peak MB, fit included",
    }
    found = {outcome.case.method: outcome.numbers for outcome in outcomes if outcome.numbers}
    return grid(
        ("method", *columns.values()),
        [(_bold(method), *(f"{numbers[name]:.1f}" for name in columns)) for method, numbers in found.items()],
    )


def _per_set(values: Table, metric: str) -> str:
    names = sorted(set(chain.from_iterable(values.values())))
    rows = [
        (
            name,
            *(
                _shown(float(np.mean(list(values[method][name].values()))), metric) if name in values[method] else ""
                for method in values
            ),
        )
        for name in names
    ]
    return f"### {NAMES[metric]} by set\n\n" + grid(("set", *values), rows)


def _promise(outcomes: Sequence[CaseResult]) -> str:
    rows = []
    found = [outcome for outcome in outcomes if "normal_rows" in outcome.numbers]
    for suite, method in dict.fromkeys((outcome.case.suite, outcome.case.method) for outcome in found):
        mine = [one.numbers for one in found if (one.case.suite, one.case.method) == (suite, method)]
        total = int(sum(numbers["normal_rows"] for numbers in mine))
        for level in SURPRISES:
            count = int(sum(numbers[f"above_{level:g}"] for numbers in mine))
            low, high = rate_interval(count, total)
            held = "yes" if low <= 10**-level <= high else ("fewer" if high < 10**-level else "no")
            rows.append(
                (
                    suite,
                    _bold(method),
                    f"{10**-level:g}",
                    f"{count / total:.2g}",
                    f"{low:.2g} to {high:.2g}",
                    str(total),
                    held,
                )
            )
    if not rows:
        return "Not measured."
    return grid(("suite", "method", "promised", "realised", "95 % interval", "normal rows", "within"), rows)


def _fit_seconds(outcomes: Sequence[CaseResult], suites: Sequence[Suite]) -> str:
    rows = []
    for suite in suites:
        values = {} if suite.alone else table(outcomes, suite.name, "fit_seconds")
        for method, sets in values.items():
            seconds = [float(np.mean(list(seeds.values()))) for seeds in sets.values()]
            rows.append((suite.name, _bold(method), f"{sum(seconds):.1f}", f"{max(seconds):.1f}", str(len(seconds))))
    return grid(("suite", "method", "processor seconds to fit, all sets", "slowest set", "sets"), rows)


def grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines.extend("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join(lines)


def _mean(found: Sequence[Numbers], name: str) -> float:
    return float(np.mean([numbers[name] for numbers in found]))


def _shown(value: float, metric: str) -> str:
    return f"{100 * value:.1f}" if metric in PERCENT else f"{value:.1f}"


def _bold(method: str) -> str:
    return f"**{method}**" if method.startswith(OURS) else method
