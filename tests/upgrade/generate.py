"""Makes `tests/upgrade/a60691e.tar.xz`: what commit a60691e leaves behind, written by that commit's own commands.

It was run once. Run again, it gives other bundles (their hashes cover learned numbers) and today's wall times.

    git worktree add ../a60691e a60691e
    python -m tests.upgrade.generate ../a60691e tests/upgrade/a60691e.tar.xz
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from latentwatch.domain.record import Batch
from latentwatch.plant import Plant

BEGINS = datetime(2026, 1, 12, tzinfo=UTC)
PERIOD_SECONDS = 10.0
LEARNED, LATER = 1_500, 700
"""Records of a rig that the models learn from, and that are scored."""
FIELDS = ("flow", "discharge_pressure", "current", "mode")
FAULTY = {"pump": range(300, 340), "parts": range(30, 50)}
"""Records of rig-1 in every stretch that is scored in which the flow is wrong."""
HISTORY = {"pump": 1_000, "parts": 700}
"""Records of a rig that each monitor first learns from."""
FIRST = {"pump": slice(2 * LEARNED, 2 * (LEARNED + LATER)), "parts": slice(1_000, 1_160)}
"""Which of the plant's records each monitor scores first; of parts they lie within what it learned."""
MONITORS = {
    "pump": """\
name: pump
source: {file: {path: pump.jsonl}}
record:
  time: time
  entity: rig
  features: {flow: {type: numeric, unit: l/min}, discharge_pressure: numeric, current: numeric, mode: category}
alert: {false_alarms_per_day: 20, notify: [oncall, pager]}
retrain: {source: history.jsonl}
""",
    "parts": """\
name: parts
source: {file: {path: parts.jsonl}}
record: {time: time, entity: rig, features: {flow: numeric, discharge_pressure: numeric, current: numeric, mode: category}}
window: 1
model: {effort: light}
alert: {false_alarm_rate: 0.01}
retrain: {source: history.jsonl}
""",
}
REVIEW = """
import sys
from alerts.database import open_database
from alerts.outbox import Notifier
from alerts.reading.inbox import AlertFilter, inbox
from alerts.registry import ModelRegistry
from alerts.reviewing import acknowledge, close, label, reopen
from alerts.store import AlertStore
from domain.alert import Verdict
from domain.clock import SystemClock
from domain.errors import Unavailable
from domain.outcome import Outcome, Silence
from datetime import UTC, datetime

engine = open_database("sqlite:///latentwatch.db")
silence = Silence("rig-2", 0, 1399, datetime(2026, 1, 12, 8, tzinfo=UTC), 1, 3.0)
AlertStore(engine, "pump").commit(Outcome("pump", "pump.jsonl", (), silences=(silence,)))
found = [alert.id for alert in reversed(inbox(engine, AlertFilter()).alerts)]
assert len(found) >= 5, found
acknowledge(engine, found[0], "ada", "looking")
label(engine, found[0], Verdict.TRUE, "ada", "valve 3 stuck", "")
label(engine, found[1], Verdict.FALSE, "ben", "", "a test run")
label(engine, found[1], Verdict.TRUE, "ada", "bearing", "after all")
close(engine, found[2], "ben", "")
close(engine, found[3], "ben", "")
reopen(engine, found[3], "ada", "again")

class Oncall:
    def send(self, notification):
        pass

class Pager:
    def send(self, notification):
        raise Unavailable("channel 'pager' did not take the message; check its address and that it is up")

Notifier(engine, {"oncall": Oncall(), "pager": Pager()}, SystemClock()).deliver(limit=5)
"""
SECOND_SERVES = """
from alerts.database import open_database
from alerts.registry import ModelRegistry

registry = ModelRegistry(open_database("sqlite:///latentwatch.db"))
registry.promote("pump", 2, "chosen by hand")
print(registry.champion("pump").bundle)
"""


def lines(batch: Batch, faulty: range = range(0)) -> Iterator[str]:
    """JSON lines of the few fields that are watched, rounded; the flow is wrong in rig-1's `faulty` records."""
    for row in range(len(batch)):
        values = batch.values(row)
        kept = {name: values[name] for name in FIELDS}
        number = {name: round(value, 3) if isinstance(value, float) else value for name, value in kept.items()}
        if batch.entities[row] == "rig-1" and row // 2 in faulty:
            number["flow"] = round(160.0 + row % 7, 3)
        yield json.dumps({"time": batch.time(row).isoformat(), "rig": batch.entities[row], **number})


def main(old: Path, archive: Path) -> None:
    """Write the archive with the code in `old`."""
    with tempfile.TemporaryDirectory() as folder:
        leave_behind(old, Path(folder))
        with tarfile.open(archive, "w:xz") as packed:
            packed.add(folder, ".")


def leave_behind(old: Path, target: Path) -> None:
    """Have the code in `old` train, score, be refused and be reviewed in an empty `target`."""
    whole = Plant(seed=5, rigs=2, period_seconds=PERIOD_SECONDS).history(BEGINS, LEARNED + 3 * LATER)
    history = whole.take(slice(0, 2 * LEARNED))
    second, third = (
        whole.take(slice(2 * start, 2 * (start + LATER))) for start in (LEARNED + LATER, LEARNED + 2 * LATER)
    )
    learned = list(lines(history))
    for name, text in MONITORS.items():
        (target / f"{name}.yaml").write_text(text)
        (target / "history.jsonl").write_text("\n".join(learned[: 2 * HISTORY[name]]) + "\n")
        run(old, target, "-m", "latentwatch", "train", f"{name}.yaml", "--history", "history.jsonl")
        (target / f"{name}.jsonl").write_text(
            "\n".join(lines(whole.take(FIRST[name]), FAULTY[name])) + '\n{"time": "half past nine"}\nnot JSON\n'
        )
        run(old, target, "-m", "latentwatch", "score", f"{name}.yaml")
    (target / "history.jsonl").write_text("\n".join(learned) + "\n")
    run(old, target, "-m", "latentwatch", "train", "pump.yaml", "--history", "history.jsonl")
    damaged = run(old, target, "-c", SECOND_SERVES).strip()
    with (target / "pump.jsonl").open("a") as stream:
        stream.write("\n".join(lines(second, FAULTY["pump"])) + "\n")
    run(old, target, "-m", "latentwatch", "score", "pump.yaml")
    run(old, target, "-c", REVIEW)
    # A bundle that is damaged is refused by the next scorer, for good, and the version before it serves again.
    file = next(path for path in sorted((target / "bundles" / damaged).iterdir()) if path.suffix == ".json")
    file.write_text(file.read_text().replace("0.", "1.", 1))
    with (target / "pump.jsonl").open("a") as stream:
        stream.write("\n".join(lines(third.take(slice(0, 100)))) + "\n")
    run(old, target, "-m", "latentwatch", "score", "pump.yaml")
    with closing(sqlite3.connect(target / "latentwatch.db", isolation_level=None)) as database:
        database.execute(
            "UPDATE notifications SET status = 'given up', attempts = 12 WHERE id ="
            " (SELECT max(id) FROM notifications WHERE attempts > 0 AND status = 'due')"
        )
        # Half an hour of trace for each rig is most of the file, and the same all over.
        database.execute("DELETE FROM trace WHERE slot % 10 > 0")
        database.execute("PRAGMA journal_mode = DELETE")
        database.execute("VACUUM")
    shutil.rmtree(target / ".latentwatch")


def run(old: Path, folder: Path, *arguments: str) -> str:
    """Standard output of Python in `folder`, with the code of `old` and none of today's. Raises where it fails."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LATENTWATCH_")}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(old.resolve())},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
