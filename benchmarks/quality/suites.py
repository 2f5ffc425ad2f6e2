"""The suites: what each protocol measures on one set."""

from pathlib import Path

import numpy as np

from benchmarks.quality import baselines, ours, peers
from benchmarks.quality.cases import Numbers, Suite
from benchmarks.quality.datasets import (
    Floats,
    Split,
    clean_split,
    contaminated_split,
    server_names,
    server_split,
    skab_names,
    skab_split,
    table_names,
    tennessee_eastman,
)
from benchmarks.quality.methods import Flags, Method, Outliers
from benchmarks.quality.metrics import Verdicts, auroc, average_precision, delay
from benchmarks.quality.stopwatch import Stopwatch
from benchmarks.quality.vus import period, vus_pr

SURPRISES = (2.0, 3.0, 4.0)
"""Surprises at which the promise is checked: rates of 1e-2, 1e-3 and 1e-4."""

QUICK_TABLES = ("29_Pima", "23_mammography", "39_vertebral", "45_wine", "7_Cardiotocography")
QUICK_RUNS = ("other-1", "valve1-0", "valve1-7", "valve2-1")


def suites(folder: Path, quick: bool) -> list[Suite]:
    """Every suite that reads the data folder; the quick ones hold few sets."""
    tables = [name for name in table_names(folder) if name in QUICK_TABLES or not quick]
    runs = [name for name in skab_names(folder) if name in QUICK_RUNS or not quick]
    sensors = (*ours.sensor_methods(), *baselines.sensor_methods())
    return [
        Suite("tables", tuple(tables), (*ours.table_methods(), *peers.clean_table_methods()), clean_table),
        Suite(
            "tables-contaminated",
            tuple(tables),
            (*ours.table_methods(), *peers.contaminated_table_methods()),
            contaminated_table,
        ),
        Suite("skab", tuple(runs), sensors, skab_run),
        Suite("tennessee-eastman", ("plant",), sensors, chemical_plant),
        Suite("servers", tuple(server_names(folder)[: 1 if quick else None]), sensors, server),
    ]


def clean_table(folder: Path, name: str, method: Method, seed: int) -> Numbers:
    """One-class: trained on normal rows, tested on the other normal rows and the anomalies."""
    split = clean_split(folder, name, seed)
    model, seconds = _fitted(method, seed, split.train)
    with Stopwatch() as scoring:
        scores = _finite(model.strangeness(split.test))
    return {
        **_ranking(split, scores),
        **(_exceedances(scores[~split.truth]) if method.group == "ours" else {}),
        "fit_seconds": seconds,
        "score_seconds": scoring.seconds,
        "rows": len(split.test),
    }


def contaminated_table(folder: Path, name: str, method: Method, seed: int) -> Numbers:
    """Trained and tested on all rows, labels unused."""
    split = contaminated_split(folder, name, seed)
    model, seconds = _fitted(method, seed, split.train)
    return {**_ranking(split, _finite(model.training_strangeness())), "fit_seconds": seconds}


def skab_run(folder: Path, name: str, method: Method, seed: int) -> Numbers:
    """One run of the pump: a fresh model on its first 400 rows, verdicts at the default threshold."""
    return _sequence(skab_split(folder, name), method, seed)


def server(folder: Path, name: str, method: Method, seed: int) -> Numbers:
    """One server, trained on its first half."""
    return _sequence(server_split(folder, name), method, seed)


def _sequence(split: Split, method: Method, seed: int) -> Numbers:
    model, seconds = _fitted(method, seed, split.train)
    scores = _finite(model.strangeness(split.test))
    verdicts = Verdicts.count(split.truth, model.flags(split.test, scores))
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
    plant = tennessee_eastman(folder)
    model, seconds = _fitted(method, seed, plant.train)
    normal = _finite(model.strangeness(plant.normal))
    limit = float(np.quantile(normal, 0.99))
    numbers: dict[str, float] = {"fit_seconds": seconds}
    for fault, (rows, truth) in plant.faults.items():
        scores = _finite(model.strangeness(rows))
        above: Flags = scores > limit
        numbers[f"{fault}/auroc"] = auroc(truth, scores)
        numbers[f"{fault}/detection"] = float(above[truth].mean())
        numbers[f"{fault}/delay"] = delay(above, int(np.argmax(truth)))
    for metric in ("auroc", "detection", "delay"):
        numbers[metric] = float(np.mean([numbers[f"{fault}/{metric}"] for fault in plant.faults]))
    if method.group == "ours":
        numbers.update(_exceedances(normal))
    return numbers


def _fitted(method: Method, seed: int, train: Floats) -> tuple[Outliers, float]:
    model = method.build(seed)
    with Stopwatch() as fitting:
        model.fit(train)
    return model, fitting.seconds


def _ranking(split: Split, scores: Floats) -> dict[str, float]:
    return {"auroc": auroc(split.truth, scores), "ap": average_precision(split.truth, scores)}


def _exceedances(surprise: Floats) -> dict[str, float]:
    """How many normal rows reach each promised surprise."""
    counts = {f"above_{level:g}": float((surprise >= level).sum()) for level in SURPRISES}
    return {"normal_rows": float(len(surprise)), **counts}


def _finite(scores: Floats) -> Floats:
    """The scores; ValueError when one is not a number, so that a broken method is reported, not ranked."""
    if not np.isfinite(scores).all():
        raise ValueError(f"{int((~np.isfinite(scores)).sum())} of {len(scores)} scores are not finite")
    return scores
