"""Measures speed on this machine: `python -m benchmarks.speed [--quick] [--json]`.

Starts Kafka and PostgreSQL by itself, fills a topic, trains two detectors, runs every measure in a process of its own
pinned to one core, and prints figures and ratios.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.speed.latency import RATES
from benchmarks.speed.stream import fill
from deploy.services.kafka import KafkaBroker
from deploy.services.postgres import PostgresServer
from domain.errors import LoopFailed

TOPIC = "speed"
Figures = dict[str, Any]


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
    if options.json:
        sys.stdout.write(json.dumps(figures) + "\n")
    else:
        _print(figures)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer records and no long measures: under a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    return parser.parse_args()


def _measure(options: argparse.Namespace, servers: str, postgres: PostgresServer, folder: Path, core: int) -> Figures:
    records = 80_000 if options.quick else 400_000
    history = 4_000 if options.quick else 20_000
    _tell(f"filling a topic with {records:,} records")
    size = fill(servers, TOPIC, records)
    common = {"servers": servers, "topic": TOPIC, "records": records, "bundles": str(folder / "bundles"), "core": core}
    _tell("training the light and the default detector")
    trained = _run("prepare", {**common, "records": history, "core": None})
    figures: Figures = {"bytes_per_record": size, "records": records, "cores": os.cpu_count(), "detectors": trained}
    for name in ("poll", "decode"):
        figures[name] = _run(name, common)
    for variant, share, kind in _cases(options.quick):
        database = f"{variant}_{share.strip('%').replace('.', '_')}"
        address = (
            f"sqlite:///{folder / database}.db" if kind == "sqlite" else postgres.create_database(f"speed_{database}")
        )
        settings = {
            **common,
            "variant": variant,
            "bundle": trained[variant]["bundle"],
            "threshold": trained[variant]["thresholds"][share],
            "database": address,
        }
        figures[f"scorer {variant} {kind} {share}"] = _run("scorer", settings)
    figures["user_batch"] = _run("user_batch", {**common, "records": min(records, 60_000)})
    figures["user_record"] = _run("user_record", {**common, "records": 7_000})
    if not options.quick:
        figures["user_trees"] = _run("user_trees", {**common, "records": 40_000})
    for rate in RATES if not options.quick else (5_000,):
        settings = {
            **common,
            "topic": f"latency-{rate}",
            "bundle": trained["default"]["bundle"],
            "threshold": trained["default"]["thresholds"]["1%"],
            "database": postgres.create_database(f"speed_latency_{rate}"),
            "rate": rate,
            "seconds": 5.0 if options.quick else 20.0,
        }
        figures[f"latency {rate}"] = _run("latency", settings)
    return {**figures, **_ratios(figures)}


def _cases(quick: bool) -> list[tuple[str, str, str]]:
    """Variant, flagged share, database."""
    cases = [("light", "1%", "sqlite"), ("default", "1%", "sqlite"), ("default", "1%", "postgresql")]
    return (
        cases
        if quick
        else [*cases, ("light", "1%", "postgresql"), ("light", "0.1%", "sqlite"), ("default", "0.1%", "sqlite")]
    )


def _ratios(figures: Figures) -> Figures:
    def rate(name: str) -> float:
        return float(figures[name]["records_per_second"])

    default = "scorer default sqlite 1%"
    return {
        "ratio_to_decode_light": round(rate("scorer light sqlite 1%") / rate("decode"), 3),
        "ratio_to_decode_sqlite": round(rate(default) / rate("decode"), 3),
        "ratio_to_decode_postgresql": round(rate("scorer default postgresql 1%") / rate("decode"), 3),
        "ratio_to_user_batch": round(rate(default) / rate("user_batch"), 2),
        "ratio_to_user_record": round(rate(default) / rate("user_record"), 2),
        "p99_ms_5k": figures["latency 5000"]["p99_ms"],
        "rss_mb": figures[default]["rss_mb"],
    }


def _run(measure: str, settings: Figures) -> Figures:
    _tell(measure)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.speed.measures", measure, json.dumps(settings)],
        capture_output=True,
        text=True,
        timeout=1_800,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    if done.returncode:
        raise LoopFailed(f"measure {measure} failed:\n{done.stderr[-2_000:]}")
    found: Figures = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _tell(what: str) -> None:
    sys.stderr.write(f"{what} ...\n")


def _print(figures: Figures) -> None:
    for name, found in figures.items():
        if isinstance(found, dict) and "records_per_second" in found:
            rate, cost = found["records_per_second"], found["cpu_us_per_record"]
            sys.stdout.write(f"{name:34} {rate:12,.0f} records/s {cost:9.2f} us of processor a record\n")
        else:
            sys.stdout.write(f"{name:34} {found}\n")


if __name__ == "__main__":
    main()
