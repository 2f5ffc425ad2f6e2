"""Where the benchmark data lie, and the splits of every protocol: one place, so that all methods see the same rows."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentwatch.domain.errors import InvalidInput

Floats = NDArray[np.float64]
Truth = NDArray[np.bool_]

MAX_TABLE_ROWS = 20_000
SKAB_TRAIN_ROWS = 400
SKAB_NOT_SENSORS = ("anomaly", "changepoint")


@dataclass(frozen=True, slots=True)
class DatasetSplit:
    """Training rows, and test rows with their labels."""

    train: Floats
    """[N, F]"""
    test: Floats
    """[M, F]"""
    truth: Truth
    """[M] whether a test row is anomalous."""


def data_folder(given: str | None = None) -> Path:
    """The folder of benchmark data: the argument, LATENTWATCH_DATA, or ../shared/data when present."""
    chosen = given or os.environ.get("LATENTWATCH_DATA")
    folder = Path(chosen) if chosen else Path("..") / "shared" / "data"
    if not (folder / "tabular").is_dir() or not (folder / "sensors").is_dir():
        raise InvalidInput(
            f"{folder}: no benchmark data here (folders 'tabular' and 'sensors' are expected); "
            "name their folder with --data or LATENTWATCH_DATA"
        )
    return folder


def table_names(folder: Path) -> list[str]:
    """Names of the tables, in the order of their file names."""
    return sorted(file.stem for file in (folder / "tabular").glob("*.npz"))


def clean_split(folder: Path, name: str, seed: int) -> DatasetSplit:
    """Half of the shuffled normal rows train; the other half and every anomaly test; standardised on train."""
    rows, truth, random = _drawn(folder, name, seed)
    normal = random.permutation(np.flatnonzero(~truth))
    train, held = normal[: len(normal) // 2], normal[len(normal) // 2 :]
    test = np.concatenate([held, np.flatnonzero(truth)])
    scale = standardiser(rows[train])
    return DatasetSplit(scale(rows[train]), scale(rows[test]), truth[test])


def contaminated_split(folder: Path, name: str, seed: int) -> DatasetSplit:
    """Every row trains, labels unused, and every row is tested; standardised on all."""
    rows, truth, _ = _drawn(folder, name, seed)
    scaled = standardiser(rows)(rows)
    return DatasetSplit(scaled, scaled, truth)


def _drawn(folder: Path, name: str, seed: int) -> tuple[Floats, Truth, np.random.Generator]:
    random = np.random.default_rng(seed)
    with np.load(folder / "tabular" / f"{name}.npz") as data:
        rows, truth = data["X"].astype(np.float64), data["y"].astype(bool)
    if len(rows) > MAX_TABLE_ROWS:
        kept = random.choice(len(rows), MAX_TABLE_ROWS, replace=False)
        rows, truth = rows[kept], truth[kept]
    return rows, truth, random


def standardiser(train: Floats) -> Callable[[Floats], Floats]:
    """Zero mean and unit variance by column on `train`; a constant column is only centred."""
    mean, spread = train.mean(axis=0), train.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    return lambda rows: np.asarray((rows - mean) / scale, np.float64)


def skab_names(folder: Path) -> list[str]:
    """The labelled runs of the pump test bed."""
    runs = (file.stem for file in (folder / "sensors" / "skab").glob("*.csv"))
    return sorted(name for name in runs if name != "anomaly-free")


def skab_split(folder: Path, name: str) -> DatasetSplit:
    """The first 400 rows of a run train, the rest test; in the sensors' own units."""
    table = pd.read_csv(folder / "sensors" / "skab" / f"{name}.csv", sep=";", index_col="datetime")
    rows = table.drop(columns=list(SKAB_NOT_SENSORS)).to_numpy(np.float64)
    truth = table["anomaly"].to_numpy() > 0
    return DatasetSplit(rows[:SKAB_TRAIN_ROWS], rows[SKAB_TRAIN_ROWS:], truth[SKAB_TRAIN_ROWS:])


@dataclass(frozen=True, slots=True)
class ChemicalPlant:
    """Tennessee Eastman: one normal run to train on, one to set the alarm on, and a run for each fault."""

    train: Floats
    normal: Floats
    faults: dict[str, tuple[Floats, Truth]]


def tennessee_eastman(folder: Path, faults: int | None = None) -> ChemicalPlant:
    """The plant's runs; `faults` keeps the first that many."""
    root = folder / "sensors" / "tennessee-eastman"
    files = sorted(root.glob("fault-*-test.parquet"))[:faults]
    return ChemicalPlant(
        train=_labelled(root / "normal-train.parquet")[0],
        normal=_labelled(root / "normal-test.parquet")[0],
        faults={file.stem.removesuffix("-test"): _labelled(file) for file in files},
    )


def server_names(folder: Path) -> list[str]:
    """The servers."""
    files = (folder / "sensors" / "server-machine").glob("*-test.parquet")
    return sorted(file.stem.removesuffix("-test") for file in files)


def server_split(folder: Path, name: str) -> DatasetSplit:
    """A server's first half, treated as normal, trains; its second half tests."""
    root = folder / "sensors" / "server-machine"
    test, truth = _labelled(root / f"{name}-test.parquet")
    return DatasetSplit(_labelled(root / f"{name}-train.parquet")[0], test, truth)


def _labelled(file: Path) -> tuple[Floats, Truth]:
    table = pd.read_parquet(file)
    return table.drop(columns="label").to_numpy(np.float64), table["label"].to_numpy() > 0
