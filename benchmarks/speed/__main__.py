"""Measures speed on this machine: `python -m benchmarks.speed [--quick] [--json]`.

Starts Kafka and PostgreSQL by itself, fills a topic, trains two detectors, lets every measure work through its slices on one
core in turn, and prints figures and ratios. A ratio is the median over rounds of records a second of wall time; `_cpu` beside
it is the same by processor time, which a busy machine distorts less.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from benchmarks.speed.group import measure_group
from benchmarks.speed.latency import RATES
from benchmarks.speed.picture import draw
from benchmarks.speed.rounds import Contestant, Figures, take_turns
from benchmarks.speed.stream import create_topic, fill
from benchmarks.speed.timing import FETCHED_RECORDS
from deploy.services.kafka import KafkaBroker
from deploy.services.postgres import PostgresServer
from latentwatch.alerts.database import migrate, open_database
from latentwatch.domain.clock import SystemClock
from latentwatch.streams.batch_size import LARGEST

TOPIC = "speed"
CLOCK = SystemClock()
_BEGUN = CLOCK.monotonic()
_EMPTY = "empty"
_ENDURANCE_STEP = 500_000
LIGHT, DEFAULT, DEFAULT_POSTGRESQL, LIGHT_POSTGRESQL, CONFLUENT = (
    "scorer light sqlite 1%",
    "scorer default sqlite 1%",
    "scorer default postgresql 1%",
    "scorer light postgresql 1%",
    "scorer default sqlite 1% confluent",
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
    """Run and print. Whoever ends it, by Ctrl-C or SIGTERM, ends its services and measures too."""
    options = _options()
    signal.signal(signal.SIGTERM, _end)
    with tempfile.TemporaryDirectory(prefix="latentwatch-speed-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o711)
        broker, postgres = KafkaBroker(folder / "kafka"), PostgresServer(folder / "postgres")
        stack.callback(broker.stop)
        stack.callback(postgres.stop)
        figures = Benchmark(options, broker, postgres, folder, stack).run()
    figures["picture"] = str(draw(figures, options.output / "speed.png"))
    (options.output / "speed.json").write_text(json.dumps(figures, indent=1) + "\n")
    if options.json:
        sys.stdout.write(json.dumps(figures) + "\n")
    else:
        _print(figures)


def _end(number: int, frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: what follows stops the services
    raise SystemExit(128 + number)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer records and cases")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--output", type=Path, default=Path("reports/speed"), help="folder of speed.json and speed.png")
    parser.add_argument(
        "--endure", type=int, default=10_000_000, help="records over which memory is watched, unless --quick"
    )
    return parser.parse_args()


class Benchmark:
    """One run. What can start does so beside the training and the filling; what is measured runs alone."""

    def __init__(
        self, options: argparse.Namespace, broker: KafkaBroker, postgres: PostgresServer, folder: Path, stack: ExitStack
    ) -> None:
        """`stack` ends every process that is begun."""
        self._quick, self._endured = options.quick, options.endure
        self._broker, self._postgres, self._folder, self._stack = broker, postgres, folder, stack
        self._rounds, self._slice, self._warm = (3, 24_000, 16_000) if self._quick else (7, 40_000, 60_000)
        # A stretch ends with the batch that fills it and the one that was on its way meanwhile.
        records = self._rounds * (self._slice + FETCHED_RECORDS + 4 * LARGEST) + self._warm + 2 * LARGEST
        self._common: Figures = {
            "servers": broker.address,
            "topic": TOPIC,
            "records": records,
            "bundles": str(folder / "bundles"),
            "core": max(os.sched_getaffinity(0)),
        }
        self._trained: Figures = {}
        self._databases = 0

    def run(self) -> Figures:
        """All figures."""
        quick, common = self._quick, self._common
        records: int = common["records"]
        _tell(f"filling a topic with {records:,} records, training the light and the default detector")
        training = self._begin("prepare", {**common, "records": 4_000 if quick else 20_000})
        with ThreadPoolExecutor() as starting:
            database = starting.submit(self._postgres.start)
            self._broker.start()
            database.result()
        create_topic(self._broker.address, TOPIC)
        contestants = {name: self._begin(name, common) for name in ("poll", "decode")}
        users = {name: USERS[name] for name in ("user_batch", "user_record")} if quick else USERS
        tortoises = {name: self._begin(name, common, share) for name, share in users.items()}
        size = fill(self._broker.address, TOPIC, records)
        self._prepare_databases()
        self._trained = training.answer()
        for variant, kind, share in CASES[:3] if quick else CASES:
            contestants[f"scorer {variant} {kind} {share}"] = self._begin("scorer", self._scoring(variant, kind, share))
        if not quick:
            settings = {**self._scoring("default", "sqlite", "1%"), "client": "confluent"}
            contestants[CONFLUENT] = self._begin("scorer", settings)
        contestants |= tortoises
        rates = [self._latency(rate) for rate in ((5_000,) if quick else RATES)]
        groups = [self._group(size) for size in ((1, 2) if quick else (1, 2, 4))]
        _tell(f"{self._rounds} rounds of {', '.join(contestants)}")
        take_turns(contestants, self._rounds, self._slice, self._warm)
        figures: Figures = {"bytes_per_record": size, "records": records, "cores": os.cpu_count()}
        figures |= {"detectors": self._trained}
        figures |= {name: each.figures() for name, each in contestants.items()} | _ratios(contestants)
        for each in contestants.values():
            each.end()
        for settings, contestant in rates:
            _tell(f"latency at {settings['rate']:,} records/s")
            contestant.ask(1)
            figures[f"latency {settings['rate']}"] = contestant.answer()
            contestant.end()
        figures["p50_ms_5k"], figures["p99_ms_5k"] = (figures["latency 5000"][name] for name in ("p50_ms", "p99_ms"))
        for settings, members in groups:
            _tell(f"{len(members)} of one group")
            figures[f"group of {len(members)}"] = measure_group(settings, members)
            for each in members:
                each.end()
        one, two = (figures[f"group of {number}"]["records_per_second"] for number in (1, 2))
        figures["ratio_two_processes"] = round(two / one, 3)
        return figures if quick else figures | {"endurance": self._endure()}

    def _begin(self, measure: str, settings: Figures, share: float = 1.0) -> Contestant:
        return self._stack.enter_context(Contestant(measure, settings, share))

    def _prepare_databases(self) -> None:
        """An empty database of each kind, ready to be copied: preparing one is not what is measured."""
        for address in (self._postgres.create_database(_EMPTY), f"sqlite:///{self._folder / _EMPTY}.db"):
            engine = open_database(address)
            migrate(engine)
            engine.dispose()

    def _scoring(self, variant: str, kind: str, share: str) -> Figures:
        """Settings of a scorer with a database of its own."""
        self._databases += 1
        name = f"speed_{self._databases}"
        if kind == "sqlite":
            file = self._folder / f"{name}.db"
            shutil.copy(self._folder / f"{_EMPTY}.db", file)
            address = f"sqlite:///{file}"
        else:
            address = self._postgres.create_database(name, _EMPTY)
        found = self._trained[variant]
        return {
            **self._common,
            "variant": variant,
            "bundle": found["bundle"],
            "threshold": found["thresholds"][share],
            "database": address,
        }

    def _latency(self, rate: int) -> tuple[Figures, Contestant]:
        topic = f"latency-{rate}"
        create_topic(self._broker.address, topic)
        settings = {**self._scoring("default", "postgresql", "1%"), "topic": topic, "rate": rate}
        settings["seconds"] = 6.0 if self._quick else 20.0
        return settings, self._begin("latency", settings)

    def _group(self, processes: int) -> tuple[Figures, list[Contestant]]:
        settings = {**self._scoring("default", "postgresql", "1%"), "group": f"speed-group-{processes}"}
        return settings, [self._begin("drain", settings) for _ in range(processes)]

    def _endure(self) -> Figures:
        """Memory of one scorer over many records, which are written as it reads."""
        topic = "endurance"
        create_topic(self._broker.address, topic)
        scorer = self._begin("scorer", {**self._scoring("default", "postgresql", "1%"), "topic": topic})
        sizes = []
        with ThreadPoolExecutor() as filling:
            filling.submit(fill, self._broker.address, topic, self._endured + 2 * LARGEST)
            for done in range(0, self._endured, _ENDURANCE_STEP):
                _tell(f"memory after {done:,} of {self._endured:,} records")
                scorer.run(_ENDURANCE_STEP - FETCHED_RECORDS - 4 * LARGEST)
                sizes.append(scorer.slices[-1]["rss_mb"])
        records = sum(each["records"] for each in scorer.slices)
        return {"records": records, "rss_mb": sizes, "rss_growth_mb": round(sizes[-1] - sizes[0], 1)}


def _ratios(contestants: dict[str, Contestant]) -> Figures:
    pairs = {
        "ratio_to_decode_light": (LIGHT, "decode"),
        "ratio_to_decode_light_postgresql": (LIGHT_POSTGRESQL, "decode"),
        "ratio_to_decode_sqlite": (DEFAULT, "decode"),
        "ratio_to_decode_postgresql": (DEFAULT_POSTGRESQL, "decode"),
        "ratio_to_user_batch": (DEFAULT, "user_batch"),
        "ratio_to_user_record": (DEFAULT, "user_record"),
        "ratio_confluent_scorer": (CONFLUENT, DEFAULT),
    }
    ratios: Figures = {}
    for name, (ours, theirs) in pairs.items():
        if ours not in contestants:
            continue
        ratios[name] = contestants[ours].ratio(contestants[theirs])
        ratios[f"{name}_cpu"] = contestants[ours].ratio(contestants[theirs], "cpu_seconds")
    scorers = (each.figures() for name, each in contestants.items() if name.startswith("scorer") and name != CONFLUENT)
    largest = max(scorers, key=_size)
    return {
        **ratios,
        "rss_mb": largest["rss_mb"],
        "rss_growth_mb": round(largest["rss_mb"] - largest["rss_mb_at_first"], 1),
    }


def _size(figures: Figures) -> float:
    return float(figures["rss_mb"])


def _tell(what: str) -> None:
    sys.stderr.write(f"{CLOCK.monotonic() - _BEGUN:5.1f} s  {what} ...\n")


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
