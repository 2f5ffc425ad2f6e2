"""The suites: what each protocol measures on one set."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.quality import baselines, clocked, everyday, fleets, generated, ours, peers, plant, speed, telemetry
from benchmarks.quality.cases import Numbers, Suite
from benchmarks.quality.datasets import (
    DatasetSplit,
    Floats,
    clean_split,
    contaminated_split,
    server_names,
    server_split,
    skab_names,
    skab_split,
    table_names,
    tennessee_eastman,
)
from benchmarks.quality.measuring import exceedances, finite, fitted
from benchmarks.quality.methods import Flags, Method
from benchmarks.quality.metrics import FlagCounts, auroc, average_precision, delay
from benchmarks.quality.stopwatch import Stopwatch
from benchmarks.quality.streaming_peers import metric_methods, telemetry_methods
from benchmarks.quality.vus import period, vus_pr

QUICK_TABLES = ("29_Pima", "23_mammography", "39_vertebral", "45_wine", "7_Cardiotocography")
QUICK_RUNS = ("other-1", "valve1-0", "valve1-7", "valve2-1")


def suites(folder: Path, quick: bool) -> list[Suite]:
    """Every suite that reads the data folder; the quick ones hold few sets."""
    tables = [name for name in table_names(folder) if name in QUICK_TABLES or not quick]
    runs = [name for name in skab_names(folder) if name in QUICK_RUNS or not quick]
    causal = baselines.sensor_methods()
    sensors = (ours.sensor_method(seeds=3), *causal)
    # Where a seed draws other data, not another start, every method has to see them all.
    everywhere = tuple(replace(method, seeds=3) for method in sensors)
    return [
        Suite("tables", tuple(tables), (*ours.table_methods(), *peers.clean_table_methods()), clean_table),
        Suite(
            "tables-contaminated",
            tuple(tables),
            (ours.default_table_method(), *peers.contaminated_table_methods()),
            contaminated_table,
        ),
        Suite("skab", tuple(runs), (ours.sensor_method(seeds=1), *causal), skab_run),
        Suite("tennessee-eastman", ("plant",), sensors, chemical_plant),
        Suite("plant", ("rig",), everywhere, plant.rig),
        Suite("generated", tuple(generated.KINDS)[: 2 if quick else None], everywhere, generated.stream),
        Suite("drifting", tuple(generated.KINDS)[: 1 if quick else None], everywhere, generated.drifting),
        Suite("servers", tuple(server_names(folder)[: 1 if quick else None]), sensors, server),
        *(
            [Suite("metrics", tuple(metrics), tuple(metric_methods(seeds=1)), clocked.metric)]
            if (metrics := clocked.metric_names(folder))
            else []
        ),
        Suite(
            "everyday",
            tuple(everyday.names()[:: 7 if quick else 1]),
            tuple(metric_methods(seeds=2)),
            clocked.everyday_stream,
        ),
        Suite(
            "telemetry",
            tuple(telemetry.names()[:: 3 if quick else 1]),
            tuple(telemetry_methods(seeds=2)),
            telemetry.channel,
        ),
        Suite("fleets", tuple(map(str, fleets.SIZES[:: 2 if quick else 1])), tuple(fleets.methods()), fleets.fleet),
        Suite("speed", speed.DATASETS[:1], (*ours.table_methods(), *peers.speed_methods()), speed.traffic, alone=True),
        Suite("speed-samples", speed.DATASETS[1:], (ours.sensor_method(seeds=1),), speed.traffic, alone=True),
    ]


def clean_table(folder: Path, name: str, method: Method, seed: int) -> Numbers:
    """One-class: trained on normal rows, tested on the other normal rows and the anomalies."""
    split = clean_split(folder, name, seed)
    model, seconds = fitted(method, seed, split.train)
    with Stopwatch() as scoring:
        scores = finite(model.strangeness(split.test))
    return {
        **_ranking(split, scores),
        **(exceedances(scores[~split.truth]) if method.group == "ours" else {}),
        "fit_seconds": seconds,
        "score_seconds": scoring.seconds,
        "rows": len(split.test),
    }


def contaminated_table(folder: Path, name: str, method: Method, seed: int) -> Numbers:
    """Trained and tested on all rows, labels unused."""
    split = contaminated_split(folder, name, seed)
    model, seconds = fitted(method, seed, split.train)
    return {**_ranking(split, finite(model.training_strangeness())), "fit_seconds": seconds}


def skab_run(folder: Path, name: str, method: Method, seed: int) -> Numbers:
    """One run of the pump: a fresh model on its first 400 rows, verdicts at the default threshold."""
    return _sequence(skab_split(folder, name), method, seed)


def server(folder: Path, name: str, method: Method, seed: int) -> Numbers:
    """One server, trained on its first half."""
    return _sequence(server_split(folder, name), method, seed)


def _sequence(split: DatasetSplit, method: Method, seed: int) -> Numbers:
    model, seconds = fitted(method, seed, split.train)
    scores = finite(model.strangeness(split.test))
    verdicts = FlagCounts.count(split.truth, model.flags(split.test, scores))
    return {
        **_ranking(split, scores),
        "vus_pr": vus_pr(split.truth, scores, period(split.test[:, 0])),
        "hits": verdicts.hits,
        "misses": verdicts.misses,
        "false_alarms": verdicts.false_alarms,
        "quiet": verdicts.quiet,
        "fit_seconds": seconds,
    }


def chemical_plant(folder: Path, name: str, method: Method, seed: int) -> Numbers:
    """Tennessee Eastman: trained once; each fault against an alarm set to 1 % of the normal test run."""
    del name
    runs = tennessee_eastman(folder)
    model, seconds = fitted(method, seed, runs.train)
    normal = finite(model.strangeness(runs.normal))
    limit = float(np.quantile(normal, 0.99))
    numbers: dict[str, float] = {"fit_seconds": seconds}
    for fault, (rows, truth) in runs.faults.items():
        scores = finite(model.strangeness(rows))
        above: Flags = scores > limit
        numbers[f"{fault}/auroc"] = auroc(truth, scores)
        numbers[f"{fault}/detection"] = float(above[truth].mean())
        numbers[f"{fault}/delay"] = delay(above, int(np.argmax(truth)))
    for metric in ("auroc", "detection", "delay"):
        numbers[metric] = float(np.mean([numbers[f"{fault}/{metric}"] for fault in runs.faults]))
    if method.group == "ours":
        numbers.update(exceedances(normal))
    return numbers


def _ranking(split: DatasetSplit, scores: Floats) -> dict[str, float]:
    return {"auroc": auroc(split.truth, scores), "ap": average_precision(split.truth, scores)}
