"""Measures speed on this machine: `python -m benchmarks.speed [--quick] [--json]`.

Starts Kafka and PostgreSQL by itself, fills a topic, trains two detectors, lets every measure work through its slices on one
core in turn, and prints figures and ratios. A ratio is the median over rounds of records a second of wall time; `_cpu` beside
it is the same by processor time, which a busy machine distorts less.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.speed.group import measure_group
from benchmarks.speed.latency import RATES
from benchmarks.speed.picture import draw
from benchmarks.speed.rounds import THREADS, Contestant, Figures, take_turns
from benchmarks.speed.stream import fill
from deploy.services.kafka import KafkaBroker
from deploy.services.postgres import PostgresServer
from domain.errors import LoopFailed

TOPIC = "speed"
LIGHT, DEFAULT, DEFAULT_POSTGRESQL, LIGHT_POSTGRESQL = (
    "scorer light sqlite 1%",
    "scorer default sqlite 1%",
    "scorer default postgresql 1%",
    "scorer light postgresql 1%",
)
CASES = (
    ("light", "sqlite", "1%"),
    ("default", "sqlite", "1%"),
    ("default", "postgresql", "1%"),
    ("light", "postgresql", "1%"),
    ("light", "sqlite", "0.1%"),
    ("default", "sqlite", "0.1%"),
    ("default", "postgresql", "0.1%"),
)
"""Variant, database, flagged share; the quick run takes the first three."""
USERS = {"user_batch": 0.15, "user_record": 0.01, "user_trees": 0.06}
"""Of a slice's records, what slow loops get."""


def main() -> None:
    """Run and print."""
    options = _options()
    core = max(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="latentwatch-speed-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        broker, postgres = KafkaBroker(folder / "kafka"), PostgresServer(folder / "postgres")
        try:
            broker.start()
            postgres.start()
            figures = _measure(options, broker.address, postgres, folder, core)
        finally:
            postgres.stop()
            broker.stop()
    figures["picture"] = str(draw(figures, options.output / "speed.png"))
    (options.output / "speed.json").write_text(json.dumps(figures, indent=1) + "\n")
    if options.json:
        sys.stdout.write(json.dumps(figures) + "\n")
    else:
        _print(figures)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer records and cases")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--output", type=Path, default=Path("reports/speed"), help="folder of speed.json and speed.png")
    return parser.parse_args()


def _measure(options: argparse.Namespace, servers: str, postgres: PostgresServer, folder: Path, core: int) -> Figures:
    quick = options.quick
    rounds, slice_records, warm = (3, 12_000, 16_000) if quick else (7, 40_000, 60_000)
    records = rounds * (slice_records + 16_384) + warm + 16_384
    common = {"servers": servers, "topic": TOPIC, "records": records, "bundles": str(folder / "bundles"), "core": core}
    _tell(f"filling a topic with {records:,} records, training the light and the default detector")
    training = _start("prepare", {**common, "records": 4_000 if quick else 20_000, "core": None})
    size = fill(servers, TOPIC, records)
    trained = _end("prepare", training)
    figures: Figures = {"bytes_per_record": size, "records": records, "cores": os.cpu_count(), "detectors": trained}

    def scoring(variant: str, kind: str, share: str) -> dict[str, Any]:
        database = f"{variant}_{share.strip('%').replace('.', '_')}_{len(used)}"
        used.append(database)
        return {
            **common,
            "variant": variant,
            "bundle": trained[variant]["bundle"],
            "threshold": trained[variant]["thresholds"][share],
            "database": (
                f"sqlite:///{folder / database}.db"
                if kind == "sqlite"
                else postgres.create_database(f"speed_{database}")
            ),
        }

    used: list[str] = []
    users = USERS if not quick else {name: USERS[name] for name in ("user_batch", "user_record")}
    with ExitStack() as stack:
        contestants = {name: stack.enter_context(Contestant(name, common)) for name in ("poll", "decode")}
        for variant, kind, share in CASES[:3] if quick else CASES:
            settings = scoring(variant, kind, share)
            contestants[f"scorer {variant} {kind} {share}"] = stack.enter_context(Contestant("scorer", settings))
        for name, part in users.items():
            contestants[name] = stack.enter_context(Contestant(name, common, part))
        _tell(f"{rounds} rounds of {', '.join(contestants)}")
        take_turns(contestants, rounds, slice_records, warm)
        figures |= {name: each.figures() for name, each in contestants.items()}
        figures |= _ratios(contestants)
    for rate in (5_000,) if quick else RATES:
        _tell(f"latency at {rate:,} records/s")
        settings = {**scoring("default", "postgresql", "1%"), "topic": f"latency-{rate}", "rate": rate}
        settings["seconds"] = 7.0 if quick else 20.0
        figures[f"latency {rate}"] = _end("latency", _start("latency", settings))
    figures["p50_ms_5k"], figures["p99_ms_5k"] = (figures["latency 5000"][name] for name in ("p50_ms", "p99_ms"))
    for processes in (1, 2) if quick else (1, 2, 4):
        _tell(f"{processes} processes of one group")
        settings = scoring("default", "postgresql", "1%")
        figures[f"group of {processes}"] = measure_group(settings, processes, os.environ)
    one, two = (figures[f"group of {number}"]["records_per_second"] for number in (1, 2))
    figures["ratio_two_processes"] = round(two / one, 3)
    return figures


def _ratios(contestants: dict[str, Contestant]) -> Figures:
    pairs = {
        "ratio_to_decode_light": (LIGHT, "decode"),
        "ratio_to_decode_light_postgresql": (LIGHT_POSTGRESQL, "decode"),
        "ratio_to_decode_sqlite": (DEFAULT, "decode"),
        "ratio_to_decode_postgresql": (DEFAULT_POSTGRESQL, "decode"),
        "ratio_to_user_batch": (DEFAULT, "user_batch"),
        "ratio_to_user_record": (DEFAULT, "user_record"),
    }
    ratios: Figures = {}
    for name, (ours, theirs) in pairs.items():
        if ours not in contestants:
            continue
        ratios[name] = contestants[ours].ratio(contestants[theirs])
        ratios[f"{name}_cpu"] = contestants[ours].ratio(contestants[theirs], "cpu_seconds")
    largest = max((contestants[name].figures() for name in contestants if name.startswith("scorer")), key=_size)
    return {
        **ratios,
        "rss_mb": largest["rss_mb"],
        "rss_growth_mb": round(largest["rss_mb"] - largest["rss_mb_at_first"], 1),
    }


def _size(figures: Figures) -> float:
    return float(figures["rss_mb"])


def _start(measure: str, settings: Figures) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.speed.measures", measure, json.dumps(settings)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **THREADS},
    )


def _end(measure: str, process: "subprocess.Popen[str]") -> Figures:
    out, told = process.communicate(timeout=1_800)
    if process.returncode:
        raise LoopFailed(f"measure {measure} failed:\n{told[-2_000:]}")
    found: Figures = json.loads(out.strip().splitlines()[-1])
    return found


def _tell(what: str) -> None:
    sys.stderr.write(f"{what} ...\n")


def _print(figures: Figures) -> None:
    for name, found in figures.items():
        if isinstance(found, dict) and "cpu_us_per_record" in found:
            rate, cost = found["records_per_second"], found["cpu_us_per_record"]
            sys.stdout.write(f"{name:34} {rate:12,.0f} records/s {cost:9.2f} us of processor a record\n")
            if "cpu_us_by_stage" in found:
                stages = ", ".join(f"{stage} {cost:.2f}" for stage, cost in found["cpu_us_by_stage"].items())
                sys.stdout.write(f"{'':34} {stages}\n")
        else:
            sys.stdout.write(f"{name:34} {found}\n")


if __name__ == "__main__":
    main()
