"""`python -m benchmarks.quality`: measure Latentwatch beside its peers and write a report.

python -m benchmarks.quality --quick                     # few sets, one seed, cheap peers
python -m benchmarks.quality                             # everything
python -m benchmarks.quality --suite tables --method Latentwatch --set 29_Pima
"""

import argparse
import platform
import sys
from pathlib import Path

from benchmarks.quality.cases import Cache
from benchmarks.quality.datasets import data_folder
from benchmarks.quality.report import write
from benchmarks.quality.runner import run
from benchmarks.quality.suites import suites
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.errors import InvalidInput

HOUSE = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; the exit code says whether every measurement succeeded."""
    options = _parser().parse_args(arguments)
    try:
        data = data_folder(options.data)
    except InvalidInput as error:
        print(error, file=sys.stderr)
        return error.exit_code
    every = suites(data, options.quick)
    unknown = sorted({*(options.suite or ())} - {suite.name for suite in every})
    if unknown:
        known = ", ".join(suite.name for suite in every)
        print(f"no suite is called {', '.join(unknown)}; there are {known}", file=sys.stderr)
        return 2
    chosen = [suite for suite in every if not options.suite or suite.name in options.suite]
    cases = [
        case
        for suite in chosen
        for case in suite.cases(options.quick)
        if (not options.method or case.method in options.method)
        and (not options.group or suite.method(case.method).group in options.group)
        and (not options.set or case.dataset in options.set)
        and (options.seed is None or case.seed == options.seed)
    ]
    if not cases:
        print("nothing matches; names are those of the report and of the data files", file=sys.stderr)
        return 2
    outcomes = run(chosen, cases, data, Cache(options.output / "cache", HOUSE), options.workers)
    about = (
        f"{'Quick run' if options.quick else 'Full run'} of {SystemClock().now():%d %B %Y}, {len(cases)} measurements, "
        f"one thread each, Python {platform.python_version()}. Shipped defaults everywhere, no per-set settings. "
        "Peers that train a network get one seed. Higher is better unless said; AUROC, AP and VUS-PR in percent."
    )
    file = write(outcomes, chosen, about, options.output)
    print(file.read_text(encoding="utf-8") if options.show else f"report: {file}")
    return 1 if any(outcome.error for outcome in outcomes) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality",
        description="Detection quality beside the peers: identical splits, seeds and preprocessing, shipped defaults.",
        epilog="Measurements are kept, so that an interrupted run goes on where it stopped and peers are measured once.",
    )
    parser.add_argument("--quick", action="store_true", help="few sets, one seed, cheap peers; under 3 minutes")
    parser.add_argument("--data", help="benchmark data (default: LATENTWATCH_DATA, or ../shared/data)")
    parser.add_argument("--output", type=Path, default=Path("reports/quality"), help="report and kept measurements")
    parser.add_argument("--suite", action="append", help="only this suite; may be repeated")
    parser.add_argument("--method", action="append", help="only this method; may be repeated")
    parser.add_argument(
        "--group", action="append", choices=("ours", "peer", "dummy"), help="only these methods; may be repeated"
    )
    parser.add_argument("--set", action="append", help="only this set; may be repeated")
    parser.add_argument("--seed", type=int, help="only this seed")
    parser.add_argument("--workers", type=int, default=2, help="processes, one thread each (default 2)")
    parser.add_argument("--show", action="store_true", help="print the report")
    return parser


if __name__ == "__main__":
    sys.exit(main())
