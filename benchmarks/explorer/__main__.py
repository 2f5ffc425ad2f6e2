"""`python -m benchmarks.explorer`: seen before, and what would calm it, in numbers beside their aims.

python -m benchmarks.explorer             # a table
python -m benchmarks.explorer --json      # the last line is one JSON object
python -m benchmarks.explorer --seeds 1
"""

import argparse
import json
import sys
from collections.abc import Sequence

import numpy as np

from benchmarks.explorer.alarms import Alarm, alarms_of, faulty_days
from benchmarks.explorer.calmed import measure_calming
from benchmarks.explorer.drawing import measure_drawing
from benchmarks.explorer.seen_before import measure_likeness, measure_speed
from benchmarks.latent.rigs import Rigs, trained
from deploy.services.programs import PartMissing
from latentwatch.domain.policies import AlertPolicy

AIMS = {
    "similar_kind": ">= .72",
    "similar_physical": ">= .95",
    "similar_first_record": ">= .70",
    "similar_after_retrain": ">= .65",
    "suggested_right": ">= .85",
    "suggested_coverage": ">= .75",
    "whatif_ends_normal": ">= .95",
    "whatif_two_or_fewer": ">= .85",
    "whatif_first_guilty": ">= .95",
    "whatif_p95_ms": "<= 1000",
    "similar_ms_100k": "<= 10",
    "incident_map_kind": ">= .65",
    "draw_100k_ms": "<= 2000",
    "zoom_100k_ms": "<= 1500",
}
"""What is measured, and what it is meant to be."""
_DAYS = 3
_PROMISE = AlertPolicy(false_alarm_rate=0.001)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    options = _parser().parse_args(arguments)
    found: dict[str, list[float]] = {}
    for seed in range(options.seeds):
        for name, value in _of_plant(seed).items():
            found.setdefault(name, []).append(value)
    numbers = {name: float(np.mean(values)) for name, values in found.items()}
    numbers["similar_ms_100k"] = measure_speed()
    try:
        numbers |= measure_drawing()
    except PartMissing as error:
        print(f"drawing is not measured: {error}", file=sys.stderr)
    for name, aim in AIMS.items():
        print(f"{name:<24}{numbers[name]:>9.3f}  {aim}" if name in numbers else f"{name:<24}not measured  {aim}")
    if options.json:
        print(json.dumps({name: round(numbers[name], 4) if name in numbers else None for name in AIMS}))
    return 0


def _of_plant(seed: int) -> dict[str, float]:
    rigs = Rigs.of_seed(seed)
    print(f"plant {seed}: training", file=sys.stderr, flush=True)
    detector = trained(rigs.days(0, 1), seed)
    later = trained(rigs.days(1, 1), seed + 1, replaced=detector)
    threshold, again = detector.threshold(_PROMISE), later.threshold(_PROMISE)
    alarms: list[Alarm] = []
    retrained: list[Alarm | None] = []
    for day, faults in faulty_days(rigs, 2, _DAYS):
        pairs: Sequence[tuple[Alarm | None, Alarm | None]] = list(
            zip(
                alarms_of(detector, day, faults, threshold),
                alarms_of(later, day, faults, again),
                strict=True,
            )
        )
        alarms += [one for one, _ in pairs if one is not None]
        retrained += [other for one, other in pairs if one is not None]
    numbers = {**measure_likeness(alarms, retrained), **measure_calming(detector, alarms, threshold)}
    told = ", ".join(f"{name} {value:.3f}" for name, value in numbers.items())
    print(f"plant {seed}: {len(alarms)} alarms, {told}", file=sys.stderr, flush=True)
    return numbers


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explorer", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--seeds", type=int, default=3, help="plants to measure on (default 3)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
