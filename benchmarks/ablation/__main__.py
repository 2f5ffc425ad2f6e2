"""`python -m benchmarks.ablation`: what each part of the detector is worth, suite by suite.

python -m benchmarks.ablation                                   # every suite, two seeds
python -m benchmarks.ablation --suite servers --suite skab      # these
python -m benchmarks.ablation --without tangent --without tails # and without both at once
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from time import process_time

from benchmarks.ablation import kept
from benchmarks.ablation.cases import SUITES, OneFit
from benchmarks.ablation.fusing import FORECASTS, REFITTED, ROWS, SEQUENCES, applies, fuse
from benchmarks.ablation.parts import Parts, fit_parts
from benchmarks.ablation.rule import Numbers, cost_of, table
from benchmarks.quality.datasets import data_folder
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.model_choice import ModelChoice

Key = tuple[str, str, int]


def main(arguments: list[str] | None = None) -> int:
    """Fit what is not kept yet, leave each part out in turn, and print the table."""
    options = _parser().parse_args(arguments)
    try:
        data = data_folder(options.data)
    except InvalidInput as error:
        print(error, file=sys.stderr)
        return error.exit_code
    suites = options.suite or [*SUITES]
    parts = list(dict.fromkeys((*SEQUENCES, *FORECASTS, *REFITTED, *ROWS)))
    asked = [(name,) for name in parts] + ([tuple(options.without)] if options.without else [])
    whole: dict[Key, tuple[float, float]] = {}
    without: dict[str, dict[Key, tuple[float, float]]] = {}
    for key in _keys(suites, data, options.seeds, options.every):
        for names, numbers in _measured(key, data, options.output, asked):
            (without.setdefault(" + ".join(names), {}) if names else whole)[key] = numbers
    costs = [cost_of(name, whole, found) for name, found in without.items()]
    print(_means(whole))
    print()
    print(table(costs, suites))
    return 0


def _keys(suites: list[str], data: Path, seeds: int, every: int) -> Iterator[Key]:
    for seed in range(seeds):
        for suite in suites:
            for name in SUITES[suite].sets(data)[::every]:
                yield suite, name, seed


def _measured(
    key: Key, data: Path, output: Path, asked: list[tuple[str, ...]]
) -> Iterator[tuple[tuple[str, ...], tuple[float, float]]]:
    """With everything, and without each of the parts that took part: AUROC, and VUS-PR or average precision."""
    suite, name, seed = key
    folder = output / kept.code_hash() / suite / f"{name}-{seed}"
    numbers_file = folder / "numbers.json"
    numbers: dict[str, tuple[float, float]] = json.loads(numbers_file.read_text()) if numbers_file.exists() else {}
    case = None
    parts = None
    for names in [(), *asked]:
        label = " + ".join(names)
        if label not in numbers:
            case = case or SUITES[suite].read(data, name, seed)
            parts = parts or _parts(folder / "parts.npz", case, ModelChoice(seed=seed), key)
            if not all(applies(parts, each) for each in names):
                numbers[label] = (float("nan"), float("nan"))
            else:
                fitted = parts
                for refitted in REFITTED.keys() & {*names}:
                    choice = REFITTED[refitted].model_copy(update={"seed": seed})
                    fitted = _parts(folder / f"{refitted}.npz", case, choice, key)
                found = [
                    tested.measure(scores) for tested, scores in zip(case.tested, fuse(fitted, names), strict=True)
                ]
                auroc, precision = (sum(each) / len(found) for each in zip(*found, strict=True))
                numbers[label] = auroc, precision
            numbers_file.write_text(json.dumps(numbers))
        if numbers[label][0] == numbers[label][0]:
            yield names, (numbers[label][0], numbers[label][1])


def _parts(file: Path, case: OneFit, choice: ModelChoice, key: Key) -> Parts:
    if not file.exists():
        began = process_time()
        kept.write(fit_parts(case, choice), file)
        print(f"{'/'.join(map(str, key))} {file.stem}: {process_time() - began:.0f} s", file=sys.stderr, flush=True)
    return kept.read(file)


def _means(whole: Numbers) -> str:
    """AUROC, and VUS-PR or average precision, of each suite with everything."""
    lines = ["| suite | fits | AUROC | VUS-PR, or average precision |", "|---|---|---|---|"]
    for suite in dict.fromkeys(key[0] for key in whole):
        found = [numbers for key, numbers in whole.items() if key[0] == suite]
        auroc, precision = (100 * sum(each) / len(found) for each in zip(*found, strict=True))
        lines.append(f"| {suite} | {len(found)} | {auroc:.1f} | {precision:.1f} |")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ablation",
        description="What each part of the detector is worth: every suite fitted once a seed, its parts fused again "
        "without one of them.",
        epilog="Fits are kept, so that an interrupted run goes on where it stopped and leaving out costs nothing; they "
        "are made again whenever the code of detector/, domain/ or the suites changes.",
    )
    parser.add_argument("--data", help="benchmark data (default: LATENTWATCH_DATA, or ../shared/data)")
    parser.add_argument("--output", type=Path, default=Path("reports/ablation"), help="where fits are kept")
    parser.add_argument("--suite", action="append", choices=[*SUITES], help="only this suite; may be repeated")
    parser.add_argument("--seeds", type=int, default=2, help="fits of each set (default 2)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every N-th set of a suite (default 1)")
    parser.add_argument(
        "--without", action="append", metavar="PART", help="leave this out as well; repeated: all of these at once"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
