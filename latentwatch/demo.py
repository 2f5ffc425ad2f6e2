"""`latentwatch demo`: the whole loop on a generated plant, with the very commands a user would run.

The plant's days pass in minutes: its history trains the first model; its live records, some of them broken and some of
them of faulty rigs, go through a pipe into `latentwatch score`; meanwhile `latentwatch retrain` learns from more history
and the running scorer takes the better model up; `latentwatch serve` shows it all. At the end the alerts are compared
with the faults that were planted.
"""

import os
import shutil
import signal
import sys
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import NoReturn

from latentwatch.alerts.database import Engine, migrate, open_database
from latentwatch.alerts.reading.inbox import AlertFilter, inbox
from latentwatch.alerts.reading.models import surprise_counts
from latentwatch.alerts.reading.stream import dead_letters
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.console import counted, people, print_json, say
from latentwatch.demo_plant import FIRST_DAYS, INSTALMENTS, LEAD_DAYS, Feed, tally, write_history
from latentwatch.domain.alert import Alert
from latentwatch.domain.clock import Clock, SystemClock
from latentwatch.domain.durations import parse_duration
from latentwatch.domain.errors import InvalidInput, LoopFailed
from latentwatch.domain.monitor import Monitor, dump_monitor
from latentwatch.domain.policies import AlertPolicy, RetrainPolicy
from latentwatch.domain.sources import FileSettings, SourceSettings
from latentwatch.plant import plant_schema
from latentwatch.processes import Child
from latentwatch.serving import free_port
from latentwatch.settings import PREFIX

NAME = "plant"
SPEED = 1_440
"""Plant seconds that pass in a second: a day a minute."""
UNATTENDED_DAYS = 14.0
"""How much of the plant is streamed when nobody says how long: about a quarter of an hour."""
FALSE_ALARMS_PER_DAY = 12.0
"""Three a rig and day: whoever watches a plant that breaks this often looks often."""
GRACE = timedelta(minutes=30)
_MARKER = ".latentwatch-demo"
_HOST = "127.0.0.1"
_TICK_SECONDS = 0.1
_STATUS_SECONDS = 5.0
_CHATTY_SECONDS = 90.0
_QUIET_SECONDS = 60.0
"""After the first minute and a half the state is told once a minute."""
_PATIENCE_SECONDS = 600.0
"""How long a step may take on a slow, busy machine."""
_LATE_SECONDS = 240.0
"""How long the stream may go on beyond its time until the second model is seen to score."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a run of the demo came to; its fields are a promise to scripts."""

    records: int
    dead_letters: int
    alerts: int
    faults_planted: int
    faults_found: int
    false_alarms: int
    promised_false_alarms: float
    models_promoted: int
    address: str


def run_demo(folder: Path, *, duration: str | None, browser: bool, as_json: bool, seed: int, port: int | None) -> None:
    """Run until the time is over or Ctrl-C; raises LoopFailed when the loop did not work."""
    seconds = _seconds(duration)
    chosen = free_port(_HOST, 8484 if port is None else port)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    _prepare(folder)
    demo = Demo(folder.absolute(), seconds, seed, chosen, SystemClock())
    try:
        demo.run(browser and sys.stderr.isatty())
    except KeyboardInterrupt:
        say("stopping")
        demo.interrupted = True
    finally:
        with Uninterrupted():
            demo.stop()
    report = demo.report()
    _summarise(report, demo)
    if as_json:
        print_json(asdict(report))
    failures = [] if demo.interrupted else demo.failures(report)
    if failures:
        raise LoopFailed(f"the loop did not work: {'; '.join(failures)} (logs: {folder}/*.log)")


class Demo:
    """One run: its folder, its children, and what was sent so far."""

    def __init__(self, folder: Path, seconds: float | None, seed: int, port: int, clock: Clock) -> None:
        self.folder = folder
        self.address = f"http://{_HOST}:{port}"
        self.interrupted = False
        self.sent = self.broken = 0
        self.answering = False
        self._seconds = seconds
        self._port = port
        self._clock = clock
        self._children: list[Child] = []
        self._retrainings: list[Child] = []
        days = UNATTENDED_DAYS if seconds is None else (seconds + _LATE_SECONDS) * SPEED / 86_400
        planned = UNATTENDED_DAYS if seconds is None else seconds * SPEED / 86_400
        self._begins = (clock.now() - timedelta(days=planned)).replace(microsecond=0)
        self._reached = self._begins
        self._feed = Feed(seed, self._begins, days)
        self._engine: Engine = open_database(self._database)
        migrate(self._engine)
        (folder / "plant.yaml").write_text(dump_monitor(_monitor()), encoding="utf-8")

    @property
    def _database(self) -> str:
        return f"sqlite:///{self.folder / 'latentwatch.db'}"

    def run(self, browser: bool) -> None:
        """The story, in order."""
        app = self._start("serve", "serve", "--port", str(self._port))
        self._wait(lambda: self._answers(app), "starting the review app")
        self.answering = True
        say(f"review app: {self.address}")
        if browser:
            webbrowser.open(self.address)
        self._write_history(-LEAD_DAYS, FIRST_DAYS - LEAD_DAYS)
        training = self._start("train", "train", "plant.yaml", "--history", "history", "--json")
        self._wait(lambda: self._done(training), f"learning what normal is from {FIRST_DAYS * 24:g} hours of history")
        scorer = self._start("score", "score", "plant.yaml", feed=True)
        self._stream(scorer)
        with people().status("finishing the last batch"):
            scorer.end_of_input(60)
        scorer.check()
        self.answering = self._answers(app)

    def stop(self) -> None:
        """End every child, those that read last first."""
        for child in reversed(self._children):
            if child.name == "score":
                child.end_of_input(20)
            child.end()

    def _stream(self, scorer: Child) -> None:
        """Send the plant's records as its days pass; retrain on the way; go on until time is over and the swap is seen."""
        started = told = shown = self._clock.monotonic()
        say(f"streaming the plant, {SPEED / 1440:g} day a minute: {self._feed.records:,} records to come")
        for line in self._feed.lines():
            self._keep_pace(line.time, started)
            scorer.send(line.payload + b"\n")
            self.sent, self.broken, self._reached = self.sent + 1, self.broken + line.broken, line.time
            now = self._clock.monotonic()
            if now - told < _STATUS_SECONDS:
                continue
            told = now
            self._retrain()
            if now - started < _CHATTY_SECONDS or now - shown > _QUIET_SECONDS:
                shown = now
                self._tell()
            for child in self._children:
                child.check()
            if self._seconds is not None and now - started > self._seconds and self._settled(now - started):
                return

    def _retrain(self) -> None:
        """Have the next instalment of history learned from, unless that is under way or the better model serves."""
        trained = len(self._retrainings)
        if trained and (self._retrainings[-1].running or self._promoted() > 1):
            return
        if trained == len(INSTALMENTS):
            return
        if trained:
            say("the challenger was not better and is held; trying again with more history")
        self._write_history(*INSTALMENTS[trained])
        name = f"retrain-{trained + 1}"
        self._retrainings.append(self._start(name, "retrain", "plant.yaml", "--history", "history", "--json"))
        say(f"retraining on {LEAD_DAYS + INSTALMENTS[trained][1]:.1f} days of history while scoring goes on")

    def _settled(self, elapsed: float) -> bool:
        """Whether the second model scores, or will not any more within reason."""
        if elapsed > (self._seconds or 0.0) + _LATE_SECONDS - 10:
            return True
        if len(surprise_counts(self._engine, NAME)) > 1:
            return True
        over = len(self._retrainings) == len(INSTALMENTS) and not self._retrainings[-1].running
        return over and self._promoted() < 2

    def _promoted(self) -> int:
        return sum(version.promoted is not None for version in ModelRegistry(self._engine).versions(NAME))

    def _keep_pace(self, moment: datetime, started: float) -> None:
        """Wait until the plant's time has come: compressed while it lies in the past, real from now on."""
        past = (moment - self._begins).total_seconds() / SPEED
        while True:
            elapsed = self._clock.monotonic() - started
            ahead = past - elapsed
            if self._seconds is None and moment > self._clock.now():
                ahead = (moment - self._clock.now()).total_seconds()
            if ahead <= _TICK_SECONDS:
                return
            self._clock.sleep(min(ahead, 1.0))

    def _tell(self) -> None:
        counts = surprise_counts(self._engine, NAME)
        found = tally(self._alerts(), self._feed.faults, self._reached, GRACE)
        at_work = ", retraining" if any(child.running for child in self._retrainings) else ""
        say(
            f"  plant time {self._reached:%d %b %H:%M} · {sum(scored for scored, _ in counts.values()):,} scored by "
            f"version {max(counts, default=1)}{at_work} · {found.faults_found} of {found.faults_planted} faults found · "
            f"{found.false_alarms} false alarms"
        )

    def report(self) -> Report:
        """Everything counted from the database, as anybody could."""
        alerts = self._alerts()
        found = tally(alerts, self._feed.faults, self._reached, GRACE)
        days = (self._reached - self._begins).total_seconds() / 86_400
        return Report(
            records=sum(scored for scored, _ in surprise_counts(self._engine, NAME).values()),
            dead_letters=self._dead_letters(),
            alerts=len(alerts),
            faults_planted=found.faults_planted,
            faults_found=found.faults_found,
            false_alarms=found.false_alarms,
            promised_false_alarms=round(days * FALSE_ALARMS_PER_DAY, 2),
            models_promoted=self._promoted(),
            address=self.address,
        )

    def failures(self, report: Report) -> list[str]:
        """What a working loop would have done and this one did not."""
        lost = self.sent - report.records - report.dead_letters
        return [
            reason
            for failed, reason in (
                (report.records == 0, "no record was scored"),
                (lost != 0, f"{lost} of {self.sent} messages are not accounted for"),
                (
                    report.dead_letters != self.broken,
                    f"{report.dead_letters} dead letters of {self.broken} broken messages",
                ),
                (report.faults_found == 0, f"none of {report.faults_planted} faults was found"),
                (
                    report.models_promoted < 2,
                    f"{report.models_promoted} of 2 models promoted: on a slow machine a longer --for gives the retraining "
                    "time to end",
                ),
                (
                    report.models_promoted >= 2 and len(surprise_counts(self._engine, NAME)) < 2,
                    "the scorer did not take the second model up",
                ),
                (not self.answering, "the review app does not answer"),
            )
            if failed
        ]

    def _write_history(self, first_day: float, last_day: float) -> None:
        write_history(self._feed.history(first_day, last_day), self.folder / "history" / f"from{first_day:+g}.parquet")

    def _dead_letters(self) -> int:
        count, more = 0, True
        while more:
            page = dead_letters(self._engine, NAME, offset=count)
            count, more = count + len(page.letters), page.more and bool(page.letters)
        return count

    def _alerts(self) -> list[Alert]:
        found: list[Alert] = []
        while True:
            page = inbox(self._engine, AlertFilter(monitor=NAME), offset=len(found), limit=200)
            found.extend(page.alerts)
            if len(found) >= page.total or not page.alerts:
                return found

    def _start(self, name: str, *arguments: str, feed: bool = False) -> Child:
        child = Child(name, list(arguments), self.folder, self._environment(), feed)
        self._children.append(child)
        return child

    def _environment(self) -> dict[str, str]:
        """Ours without any setting of the user's, so that the demo touches nothing of theirs."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        # Four processes share the machine: each computes on one thread, or they would fight over the cores.
        return (
            {"OMP_NUM_THREADS": "1"}
            | kept
            | {
                f"{PREFIX}DATABASE": self._database,
                f"{PREFIX}BUNDLES": str(self.folder / "bundles"),
                f"{PREFIX}WORK": str(self.folder / "work"),
            }
        )

    def _wait(self, done: Callable[[], bool], what: str) -> None:
        started = self._clock.monotonic()
        with people().status(what) as status:
            while not done():
                elapsed = self._clock.monotonic() - started
                if elapsed > _PATIENCE_SECONDS:
                    raise LoopFailed(f"{what}: not done after {elapsed:.0f} s (logs: {self.folder}/*.log)")
                status.update(f"{what}: {elapsed:.0f} s")
                self._clock.sleep(_TICK_SECONDS)
        say(f"{what}: {self._clock.monotonic() - started:.0f} s")

    def _done(self, child: Child) -> bool:
        child.check()
        return not child.running

    def _answers(self, app: Child) -> bool:
        app.check()
        with (
            suppress(urllib.error.URLError, OSError),
            urllib.request.urlopen(f"{self.address}/api/healthz", timeout=5) as answer,
        ):
            return bool(answer.status == 200)
        return False


def _monitor() -> Monitor:
    return Monitor(
        name=NAME,
        source=SourceSettings(file=FileSettings(path="-", format="jsonl")),
        record=plant_schema(),
        alert=AlertPolicy(false_alarms_per_day=FALSE_ALARMS_PER_DAY),
        retrain=RetrainPolicy(source="history"),
    )


def _seconds(duration: str | None) -> float | None:
    if duration is None:
        return None
    try:
        return parse_duration(duration).total_seconds()
    except ValueError as error:
        raise InvalidInput(f"--for {duration}: {error}") from None


def _prepare(folder: Path) -> None:
    """An empty folder; one that is not a demo's own is never emptied."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / _MARKER).exists():
            raise InvalidInput(f"{folder}: holds files that are not the demo's; give another --folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARKER).touch()


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


class Uninterrupted:
    """A block that a second Ctrl-C does not tear apart."""

    def __enter__(self) -> None:
        self._before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _summarise(report: Report, demo: Demo) -> None:
    say(
        f"{report.records:,} records scored, {report.dead_letters} dead letters; {report.alerts} alerts: "
        f"{report.faults_found} of {report.faults_planted} faults found, {report.false_alarms} false alarms "
        f"({report.promised_false_alarms:.3g} promised); {counted(report.models_promoted, 'model')} promoted"
    )
    say(f"everything is kept in {demo.folder}: look again with 'cd {demo.folder} && latentwatch serve'")
