"""`python -m benchmarks.latent`: whether the latent space is real, in numbers beside their aims.

python -m benchmarks.latent                              # everything, a table
python -m benchmarks.latent --json                       # everything; the last line is one JSON object
python -m benchmarks.latent --only map --only factors --seeds 1
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.latent.aims import AIMS, Value, as_table
from benchmarks.latent.decoding import measure_adversarial, measure_midpoint
from benchmarks.latent.factors import fit_present, measure_factors, present_records
from benchmarks.latent.generation import TABLES, measure_plant_samples, measure_table_samples
from benchmarks.latent.halves import SUITES, measure_suite
from benchmarks.latent.places import HELD_OUT_DAY, HISTORY_DAYS, measure_chain, measure_map, measure_retraining
from benchmarks.latent.rigs import Rigs, trained
from benchmarks.latent.table_places import RETRAINED, measure_table_places
from benchmarks.quality.datasets import data_folder
from latentwatch.detector.components.state import State
from latentwatch.detector.sequences.detector import SequenceDetector
from latentwatch.domain.clock import SystemClock
from latentwatch.domain.errors import InvalidInput

_CLOCK = SystemClock()
_BEGUN = _CLOCK.monotonic()


@dataclass(frozen=True, slots=True)
class Plantlike:
    """A plant and the version that learned from its first days."""

    seed: int
    rigs: Rigs
    detector: SequenceDetector = field(repr=False)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    options = _parser().parse_args(arguments)
    chosen = options.only or list(PARTS)
    data: Path | None = None
    if {"halves", "places", "tables"} & {*chosen}:
        try:
            data = data_folder(options.data)
        except InvalidInput as error:
            print(error, file=sys.stderr)
            return error.exit_code
    _one_thread()
    found: dict[str, list[Value]] = {}
    if wanted := [PLANT_PARTS[name] for name in chosen if name in PLANT_PARTS]:
        for seed in range(options.seeds):
            rigs = Rigs.of_seed(seed)
            _tell(f"plant {seed}: training")
            plant = Plantlike(seed, rigs, trained(rigs.days(0, HISTORY_DAYS), seed))
            for part in wanted:
                numbers = part(plant)
                _tell(f"plant {seed}: {_told(numbers)}")
                for name, value in numbers.items():
                    found.setdefault(name, []).append(value)
    numbers = {name: _mean(values) for name, values in found.items()}
    if data is not None and "places" in chosen:
        numbers |= _table_places(data)
    if data is not None and "tables" in chosen:
        numbers |= _tables(data)
    nearest = [value for name in ("nearest_plant", "nearest_tables") if isinstance(value := numbers.get(name), float)]
    if nearest:
        numbers["nearest_ratio"] = min(nearest)
    if data is not None and "halves" in chosen:
        numbers |= _halves(data)
    whole = {aim.name: numbers.get(aim.name) for aim in AIMS}
    missing = [name for name, value in whole.items() if value is None]
    if missing:
        _tell(f"not measured: {', '.join(missing)}")
    print(json.dumps(whole) if options.json else as_table(whole))
    return 0


def _retraining(plant: Plantlike) -> dict[str, Value]:
    return {**measure_retraining(plant.rigs, plant.detector, plant.seed), **measure_chain(plant.rigs, plant.seed)}


def _present(plant: Plantlike) -> dict[str, Value]:
    channels = plant.detector.context.channels
    records = present_records(channels, plant.rigs.days(0, HISTORY_DAYS))
    later = present_records(channels, plant.rigs.days(HELD_OUT_DAY, 1))
    model = fit_present(records, plant.seed)
    return {
        **measure_factors(plant.rigs, channels, records, model),
        **measure_midpoint(records, later, model, plant.seed),
    }


PLANT_PARTS: dict[str, Callable[[Plantlike], Mapping[str, Value]]] = {
    "map": lambda plant: measure_map(plant.rigs, plant.detector),
    "retraining": _retraining,
    "present": _present,
    "sampling": lambda plant: measure_plant_samples(plant.rigs, plant.detector, HISTORY_DAYS, plant.seed),
    "adversarial": lambda plant: measure_adversarial(plant.rigs, plant.seed),
}
"""What is measured on the plant, anew for each seed."""
PARTS = (*PLANT_PARTS, "places", "tables", "halves")


def _table_places(data: Path) -> dict[str, Value]:
    found = []
    for table in RETRAINED:
        numbers = measure_table_places(data, table, 0)
        _tell(f"{table}: {_told(numbers)}")
        found.append([numbers[name] for name in ("unexplained_after_retrain", "neighbours_kept")])
    unexplained, kept = np.mean(found, axis=0).tolist()
    return {"unexplained_on_tables": unexplained, "kept_on_tables": kept}


def _tables(data: Path) -> dict[str, Value]:
    found = []
    for table in TABLES:
        numbers = measure_table_samples(data, table, 0)
        _tell(f"{table}: {_told(numbers)}")
        found.append([numbers[name] for name in ("variational_auc", "mixture_auc", "nearest")])
    variational, mixture, _ = np.mean(found, axis=0).tolist()
    return {
        "variational_auc_tables": variational,
        "mixture_auc_tables": mixture,
        "nearest_tables": min(row[2] for row in found),
    }


def _halves(data: Path) -> dict[str, Value]:
    measured = []
    for suite in SUITES:
        measured.append(measure_suite(data, suite, 0))
        _tell(f"{suite}: {_told(measured[-1])}")
    losses = {
        f"loss_without_latent_{name}": float(np.mean([one[name] - one[f"{name}_without"] for one in measured]))
        for name in ("auroc", "ap")
    }
    return losses | {
        f"exceedances_{name}": [
            float(np.mean([one[f"{name}/{level}"] for one in measured if f"{name}/{level}" in one])) for level in (2, 3)
        ]
        for name in ("whole", *State().scores)
    }


def _mean(values: list[Value]) -> Value:
    mean = np.mean(np.array(values, np.float64), axis=0).tolist()
    return mean if isinstance(mean, list) else float(mean)


def _told(numbers: Mapping[str, Value]) -> str:
    return "  ".join(f"{name} {np.round(np.asarray(value), 3).tolist()}" for name, value in numbers.items())


def _tell(what: str) -> None:
    print(f"[{_CLOCK.monotonic() - _BEGUN:5.0f} s] {what}", file=sys.stderr, flush=True)


def _one_thread() -> None:
    """Small products are faster by one thread."""
    import torch

    torch.set_num_threads(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.latent",
        description="Whether the latent space is real: its map, its stability, its factors, what it decodes, and what it "
        "is worth to detection. Progress goes to standard error.",
        epilog="example: python -m benchmarks.latent --only map --seeds 1",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object; null is what was not measured")
    parser.add_argument("--only", action="append", choices=PARTS, help="only this part; may be repeated")
    parser.add_argument("--seeds", type=int, default=3, help="plants to measure (default 3)")
    parser.add_argument("--data", help="benchmark data (default: LATENTWATCH_DATA, or ../shared/data)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
