"""Late records mean the same live, in a file and in a replay: a shuffled stream ends in the same verdicts."""

import io
import json
import random
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from latentwatch.alerts.database import migrate, open_database
from latentwatch.alerts.reading.flagged import flagged_records
from latentwatch.alerts.store import AlertStore
from latentwatch.domain.record import Batch
from latentwatch.domain.scores import guilty
from latentwatch.replaying import Opened, compare
from latentwatch.scoring import open_input, write_scores
from latentwatch.streams.decoding.json_decoding import JsonDecoder
from latentwatch.streams.ports import Messages
from latentwatch.streams.testing import FakeDetector
from tests.streams.stage import Stage
from tests.streams.test_late_records import ALLOWED, Sent, arriving, produce

RECORDS = 400


def shuffled() -> list[Sent]:
    """Three rigs; a third of the records come late, a few of them too late."""
    lot = random.Random(11)
    delays = [0, 0, 0, 0, lot.randint(1, ALLOWED), lot.randint(1, ALLOWED), 3 * ALLOWED]
    return arriving(
        Sent(second % 3, second, lot.choice([0.5, 0.7, 3.3, 3.6, 4.0]), lot.choice(delays)) for second in range(RECORDS)
    )


@pytest.mark.parametrize("size", [16, 400])
def test_live_file_and_replay_end_in_the_same_verdicts(tmp_path: Path, size: int) -> None:
    """What the database says of a shuffled stream, the last line of each position says, and a replay agrees."""
    stage, records = Stage(late_seconds=ALLOWED), shuffled()
    engine = open_database(f"sqlite:///{tmp_path}/live.db")
    migrate(engine)
    stage.store = AlertStore(engine, stage.monitor.name, stage.clock)  # type: ignore[assignment]
    produce(stage, records)
    stage.run(records=size)
    live = {found.position.offset: found.surprise for found in flagged_records(engine, "pump")}
    assert 20 < len(live) < RECORDS / 2

    detector, file, scores = FakeDetector(stage.monitor.record, "first"), tmp_path / "records.jsonl", io.BytesIO()
    file.write_bytes(b"\n".join(sent.payload for sent in records))
    tally = write_scores(open_input(str(file), "auto"), detector, stage.monitor, scores, batch_records=size)
    lines = {line["position"]: line for line in map(json.loads, scores.getvalue().splitlines())}
    assert (len(lines), tally.records, tally.flagged) == (RECORDS, RECORDS, len(live))
    flagged = {position: line["surprise"] for position, line in lines.items() if line["flagged"]}
    assert flagged == pytest.approx(live, rel=1e-4)
    assert (tally.amended > 0) == (size < RECORDS)
    told = {found.position.offset: found for found in flagged_records(engine, "pump")}
    for position, found in told.items():
        line = lines[position]
        assert (line["entity"], datetime.fromisoformat(line["time"])) == (found.entity, found.time)
        assert line["features"] == guilty(found.explanation.contributions)

    def read() -> Iterator[tuple[Messages, Batch]]:
        source, decoder = stage.broker.join(), JsonDecoder(stage.monitor.record)
        source.open()
        source.seek(0, 0)
        while len(messages := source.poll(size, 0.0)):
            yield messages, decoder.decode(messages).batch

    replayed = compare(engine, stage.monitor, [Opened(1, detector)], read())
    assert (replayed.version, replayed.against) == (1, None)
    assert (replayed.records, replayed.flagged_version) == (RECORDS, len(live))
    assert (replayed.only_version, replayed.only_against) == ([], [])
    engine.dispose()
