"""The digest of what a model is trained on: equal for equal histories and settings, and for nothing else."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from latentwatch.domain.model_choice import ModelChoice
from latentwatch.domain.monitor import Monitor, parse_monitor
from latentwatch.domain.record import Batch
from latentwatch.history import read_history
from latentwatch.training_digest import training_digest

MONITOR = """\
name: till
source: {file: {path: till.csv}}
record: {time: at, entity: till, features: {amount: numeric, card: category, note: text}}
"""
ROWS = ["2026-01-01,a,1.5,visa,ab", "2026-01-02,b,2.5,visa,c", "2026-01-03,a,,amex,"]


@pytest.fixture
def monitor() -> Monitor:
    """A monitor of numbers, categories and text."""
    return parse_monitor(MONITOR)


def history(folder: Path, rows: list[str], monitor: Monitor) -> Batch:
    """The rows as they are read from a file."""
    path = folder / "till.csv"
    path.write_text("\n".join(["at,till,amount,card,note", *rows]) + "\n")
    return read_history(monitor.record, [str(path)])


def test_it_does_not_depend_on_where_records_were_read(tmp_path: Path, monitor: Monitor) -> None:
    """The same records from another source, at other offsets, are nothing new; nor is another alert policy."""
    batch = history(tmp_path, ROWS, monitor)
    moved = replace(batch, source="topic", offsets=batch.offsets + 7)
    otherwise = monitor.model_copy(update={"alert": monitor.alert.model_copy(update={"notify": ("oncall",)})})
    none = np.zeros(len(batch), bool)
    assert training_digest(batch, none, monitor) == training_digest(moved, none, otherwise)


def test_whatever_training_depends_on_changes_it(tmp_path: Path, monitor: Monitor) -> None:
    """Each value, the boundary between two texts, what people called normal, and the settings of the model count."""
    batch = history(tmp_path, ROWS, monitor)
    none = np.zeros(len(batch), bool)
    changed = [
        history(tmp_path, [*ROWS[:place], row.replace(*swap), *ROWS[place + 1 :]], monitor)
        for place, row in enumerate(ROWS[:2])
        for swap in (("01-0", "01-1"), (",a,", ",z,"), (".5", ".25"), ("visa", "amex"), (",ab", ",a"), (",c", ",bc"))
        if swap[0] in row
    ]
    digests = [training_digest(each, none, monitor) for each in [batch, batch.take(slice(0, 2)), *changed]]
    digests.append(training_digest(batch, np.array([False, True, False]), monitor))
    others = [monitor.model_copy(update=each) for each in ({"window": 1}, {"model": ModelChoice(seed=5)})]
    digests += [training_digest(batch, none, each) for each in others]
    assert len(set(digests)) == len(digests) == 14
