"""What commit a60691e left behind, opened by today's code: database, bundles, monitor files and offsets.

`generate.py` says how it was made: two monitors, alerts of several kinds, labels, dead letters, messages sent, due and
given up, and version 2 of `pump`, whose bundle was damaged after it had raised an alert, and was refused for that.
Its bundles are of a format that is read no more: they are refused in words, and both monitors are to be trained again.
"""

import json
import re
import shutil
import signal
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, select, text
from starlette.testclient import TestClient

from latentwatch.alerts.database import migrate, open_database, schema_is_current
from latentwatch.alerts.outbox import Notification, Notifier, outbox_state
from latentwatch.alerts.reading import alert_detail
from latentwatch.alerts.reading.inbox import AlertFilter, inbox
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.alerts.store import AlertStore
from latentwatch.alerts.tables import KeptTraceRow
from latentwatch.cli import main
from latentwatch.domain.alert import AlertKind, Verdict
from latentwatch.domain.clock import ManualClock, SystemClock
from latentwatch.domain.model import VersionStatus
from latentwatch.review.app import create_api
from latentwatch.review.config import ReviewConfig
from latentwatch.review.filters import View
from latentwatch.review.pages.alert import evidence_markup, ground_of, replay_done
from latentwatch.review.pages.dead import dead_markup
from latentwatch.review.pages.inbox import inbox_markup
from latentwatch.review.pages.models import models_markup
from latentwatch.review.pages.overview import overview_markup
from latentwatch.review.room import Room

ARCHIVE = Path(__file__).parent / "a60691e.tar.xz"
OF_THE_SERVING, OF_THE_REFUSED, STOPPED = 1, 4, 5
"""Alerts of pump: of version 1, of version 2, whose bundle is damaged, and of a rig that stopped sending."""
KEPT = (
    "monitors", "offsets", "alerts", "flagged_records", "alert_events", "labels", "dead_letters",
    "minute_counts", "trace", "entities", "model_versions", "promotions", "notifications", "scorers",
)  # fmt: skip

_PATIENCE = 120
"""Seconds that a command may take before an alarm ends the test."""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive, unpacked once."""
    folder = tmp_path_factory.mktemp("a60691e")
    with tarfile.open(ARCHIVE) as packed:
        packed.extractall(folder, filter="data")
    return folder


@pytest.fixture
def left(unpacked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test's own copy, which is the working folder: every setting's default points into it."""
    shutil.copytree(unpacked, tmp_path / "left")
    monkeypatch.chdir(tmp_path / "left")
    return tmp_path / "left"


@pytest.fixture
def engine(left: Path) -> Iterator[Engine]:
    """Its database, migrated."""
    engine = open_database(f"sqlite:///{left}/latentwatch.db")
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def run(left: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command there; its exit code, what it printed for scripts, and what for people."""

    def go(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE)  # a scorer that finds no model it can read waits for one
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        signal.setitimer(signal.ITIMER_REAL, 0)
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out, err

    return go


@pytest.fixture
def room(engine: Engine, left: Path) -> Room:
    """What the pages see, on the day after."""
    return Room(engine, ReviewConfig(), str(left / "bundles"), ManualClock(SystemClock().now() + timedelta(days=1)))


def rows(engine: Engine) -> dict[str, int]:
    """How many rows each table of that time has, and how many points of traces are kept, in rows of that time or in pieces."""
    with engine.connect() as connection:
        found = {table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in KEPT}
        if inspect(connection).has_table("kept_trace"):
            points = connection.execute(text("SELECT count(*) FROM kept_trace")).scalar_one()
        else:
            points = sum(map(len, connection.scalars(select(KeptTraceRow.points))))
    return found | {"points of traces": points}


def send(file: Path, records: int, wrong: int = 0) -> None:
    """Let the newest `records` of a stream come once more, as if the plant went on; in the last `wrong` the flow is wrong."""
    good = [json.loads(line) for line in file.read_text().splitlines() if line.startswith('{"time": "2')]
    newest = good[-records:]
    by = datetime.fromisoformat(good[-1]["time"]) - datetime.fromisoformat(newest[0]["time"]) + timedelta(seconds=5)
    with file.open("a") as stream:
        for number, record in enumerate(newest):
            moved = {**record, "time": (datetime.fromisoformat(record["time"]) + by).isoformat()}
            stream.write(json.dumps(moved | ({"flow": 900.0} if number >= records - wrong else {})) + "\n")


def test_the_schema_is_brought_up_to_date_and_loses_nothing(left: Path) -> None:
    """Every row of every table is there after the migration."""
    engine = open_database(f"sqlite:///{left}/latentwatch.db")
    before = rows(engine)
    assert not schema_is_current(engine)
    assert all(before.values())
    migrate(engine)
    assert schema_is_current(engine)
    assert rows(engine) == before
    engine.dispose()


@pytest.mark.parametrize(("monitor", "position", "version"), [("pump", 2_902, 3), ("parts", 162, 2)])
def test_scoring_goes_on_where_it_stood(
    run: Run, left: Path, engine: Engine, monitor: str, position: int, version: int
) -> None:
    """By a model trained anew, new records are scored from the stored position on, and open an alert."""
    stream, registry = left / f"{monitor}.jsonl", ModelRegistry(engine)
    code, _, said = run("train", f"{monitor}.yaml", "--history", "history.jsonl")
    assert code == 0, said
    alerts = inbox(engine, AlertFilter(monitor=monitor)).total
    send(stream, 120, wrong=20)
    code, _, said = run("score", f"{monitor}.yaml")
    assert code == 0, said
    assert "scored 120 records" in said
    assert AlertStore(engine, monitor).positions(stream.name) == {0: position + 120}
    serving = registry.champion(monitor)
    assert serving is not None
    assert serving.version == version
    newest = inbox(engine, AlertFilter(monitor=monitor), order="recent")
    assert newest.total > alerts
    assert alert_detail(engine, newest.alerts[0].id) is not None


def test_alerts_read_as_they_were_left(engine: Engine) -> None:
    """Kinds, verdicts, labels and flagged records."""
    found = {alert.id: alert for alert in inbox(engine, AlertFilter()).alerts}
    assert sorted(found) == [1, 2, 3, OF_THE_REFUSED, STOPPED]
    assert found[STOPPED].kind is AlertKind.STOPPED_SENDING
    assert [found[number].verdict for number in (1, 2, 3)] == [Verdict.TRUE, None, Verdict.TRUE]
    detail = alert_detail(engine, OF_THE_SERVING)
    assert detail is not None
    assert {(said.verdict, said.author) for said in detail.labels} == {(Verdict.FALSE, "ben"), (Verdict.TRUE, "ada")}
    assert len(detail.flagged) == 41


def test_stored_verdicts_say_why_they_no_longer_replay(run: Run) -> None:
    """Each with its bundle; those of bundles that are read no more are counted, and why is said for each bundle."""
    for monitor in ("parts", "pump"):
        code, _, said = run("replay", f"{monitor}.yaml", "--json")
        assert code == 2
        assert re.search(r"was written by an earlier latentwatch \(format 9, this one's is \d+\); train again", said)
    assert "content does not match" in said


def test_pages_show_what_was_stored(room: Room) -> None:
    """Every page draws; alerts of bundles that are read no more show their evidence and say that they no longer replay."""
    assert "pump" in overview_markup(room)
    assert "5 incidents" in "".join(inbox_markup(room, replace(View(), status="any")))
    assert "half past nine" in dead_markup(room, "pump", 0)
    models = models_markup(room, "pump")
    assert "was changed after it was written" in models
    serving, refused = alert_detail(room.engine, OF_THE_SERVING), alert_detail(room.engine, OF_THE_REFUSED)
    assert serving is not None
    assert refused is not None
    for detail in (serving, refused):
        assert "flow" in evidence_markup(detail, None)
    for detail in (serving, refused):
        for said in (replay_done(room, detail).sentence, ground_of(room, str(detail.peak and detail.peak.bundle))):
            assert isinstance(said, str)
            assert "stored when it was flagged" in said
            assert "no longer replays" in said


def test_the_api_answers(room: Room) -> None:
    """Alerts and models over HTTP."""
    client = TestClient(create_api(room.engine, None, room.bundles, room.clock), base_url="http://localhost")
    for path in (
        "/api/alerts",
        f"/api/alerts/{OF_THE_REFUSED}",
        f"/api/alerts/{STOPPED}",
        "/api/monitors",
        "/api/monitors/pump/models",
    ):
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.text)


def test_messages_are_delivered_that_were_due(engine: Engine) -> None:
    """Those that were sent are not sent again, those given up stay so."""
    assert outbox_state(engine) == {"due": 4, "sent": 3, "given up": 1}
    took: list[str] = []

    class Paper:
        def send(self, notification: Notification) -> None:
            took.append(notification.dedupe_key)

    notifier = Notifier(engine, dict.fromkeys(("oncall", "pager"), Paper()), ManualClock(SystemClock().now()))
    assert notifier.deliver().sent == 4
    assert sorted(took) == [
        "alert-1-opened-pager",
        "alert-4-opened-pager",
        "alert-5-silent-oncall",
        "alert-5-silent-pager",
    ]


def test_training_anew_is_let_in_beside_a_champion_that_is_read_no_more(run: Run, engine: Engine) -> None:
    """The challenger is judged alone, and why is said; the refused version stays refused."""
    code, out, said = run("train", "pump.yaml", "--history", "history.jsonl", "--json")
    assert code == 0, said
    result = json.loads(out)
    assert result["version"] == 3
    assert any("cannot score these records any more" in reason for reason in result["reasons"]), result["reasons"]
    assert "written by an earlier latentwatch" in said
    assert ModelRegistry(engine).version("pump", 3).status is VersionStatus.CHAMPION
    assert ModelRegistry(engine).version("pump", 2).status is VersionStatus.REFUSED


def test_a_monitor_is_renamed_and_removed(run: Run, left: Path, engine: Engine) -> None:
    """Its stream goes on under the new name; then all of it goes, the other's stays."""
    pump = left / "pump.yaml"
    assert run("train", "pump.yaml", "--history", "history.jsonl")[0] == 0
    code, out, said = run("monitors", "rename", "pump", "pump-north")
    assert (code, "pump is called pump-north now" in out) == (0, True), said
    assert "name: pump-north" in said
    pump.write_text(pump.read_text().replace("name: pump\n", "name: pump-north\n"))
    send(left / "pump.jsonl", 20)
    code, _, said = run("score", "pump.yaml")
    assert (code, "scored 20 records" in said) == (0, True), said
    listed = {one["name"]: one for one in json.loads(run("monitors", "list", "--json")[1])}
    assert sorted(listed) == ["parts", "pump-north"]
    assert (listed["pump-north"]["versions"], listed["pump-north"]["serving"]) == (3, 3)
    assert "nothing was changed" in run("monitors", "remove", "pump-north")[2]
    code, out, said = run("monitors", "remove", "pump-north", "--yes", "--json")
    assert (code, json.loads(out)["done"]) == (0, True), said
    assert "parts" in run("monitors", "list")[1]
    with engine.connect() as connection:
        for table in (*KEPT, "kept_traces"):
            if table not in ("monitors", "alert_events", "labels"):
                left_over = connection.execute(text(f"SELECT count(*) FROM {table} WHERE monitor <> 'parts'"))
                assert left_over.scalar_one() == 0, table
        for table in ("alert_events", "labels"):
            strays = f"SELECT count(*) FROM {table} WHERE alert_id NOT IN (SELECT id FROM alerts)"
            assert connection.execute(text(strays)).scalar_one() == 0, table
