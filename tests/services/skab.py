"""The SKAB pump test bed as this project's own streams see it: 34 runs as 34 entities, and normal history."""

import json
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import pandas as pd

from benchmarks.quality.datasets import SKAB_NOT_SENSORS, SKAB_TRAIN_ROWS, data_folder, skab_names


@dataclass(frozen=True, slots=True)
class Message:
    """One Kafka message to be: its key, its value, and whether it is broken on purpose."""

    key: bytes
    value: bytes
    broken: bool = False


def skab_folder() -> Path:
    """The folder of the runs. Raises InvalidInput where there is no benchmark data."""
    return (data_folder() / "sensors" / "skab").resolve()


def read_run(name: str) -> pd.DataFrame:
    """One run with its labels, and its name as `run`."""
    table = pd.read_csv(skab_folder() / f"{name}.csv", sep=";")
    return table.assign(run=name)


def write_history(path: Path) -> int:
    """The anomaly-free run and the first 400 rows of each run, as a user would hand them over; returns the rows."""
    parts = [read_run("anomaly-free"), *(read_run(name)[:SKAB_TRAIN_ROWS] for name in skab_names(data_folder()))]
    table = pd.concat(parts).drop(columns=list(SKAB_NOT_SENSORS))
    table.to_csv(path, index=False)
    return len(table)


def write_normal_history(path: Path) -> int:
    """The anomaly-free run and every row of the runs that people found normal; returns the rows."""
    runs = (read_run(name) for name in skab_names(data_folder()))
    parts = [read_run("anomaly-free"), *(run[run["anomaly"] == 0] for run in runs)]
    table = pd.concat(parts).drop(columns=list(SKAB_NOT_SENSORS), errors="ignore")
    table.to_csv(path, index=False)
    return len(table)


def messages() -> list[Message]:
    """Every row of the 34 runs as JSON, runs side by side in time order, with ten broken messages among them."""
    tables = [read_run(name).drop(columns=list(SKAB_NOT_SENSORS)) for name in skab_names(data_folder())]
    side_by_side = zip_longest(*(table.to_dict("records") for table in tables))
    out = [
        Message(str(row["run"]).encode(), json.dumps(row).encode())
        for rows in side_by_side
        for row in rows
        if row is not None
    ]
    for number, value in enumerate(BROKEN):
        out.insert(1000 + number * len(out) // 11, Message(b"valve1-0", value, broken=True))
    return out


_GOOD = {
    "datetime": "2020-03-09 12:14:36",
    "Accelerometer1RMS": 0.02,
    "Accelerometer2RMS": 0.04,
    "Current": 1.3,
    "Pressure": 0.05,
    "Temperature": 79.3,
    "Thermocouple": 26.0,
    "Voltage": 233.0,
    "Volume Flow RateRMS": 32.0,
    "run": "valve1-0",
}

BROKEN = (
    b"",
    b"not json",
    b'{"datetime": "2020-03-09 12:14:36", "Current": 1.3',
    b"[1, 2, 3]",
    json.dumps({**_GOOD, "run": ["valve1"]}).encode(),
    json.dumps({**_GOOD, "datetime": "yesterday"}).encode(),
    json.dumps({**_GOOD, "Current": float("nan")}).encode(),
    json.dumps({**_GOOD, "datetime": 60}).encode(),
    json.dumps({key: value for key, value in _GOOD.items() if key != "run"}).encode(),
    b"\xff\xfe\x00",
)
"""Ten messages that cannot be records: empty, words, truncated, no object, a list for its entity, no time, NaN,
a clock that was never set, without its entity, no UTF-8."""
