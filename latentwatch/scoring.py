"""`latentwatch score --input`: a file or a pipe → JSON lines, one object a record, in input order.

The same source, decoder, context and detector as on a stream, without a database in between: nothing is stored, and a
record that cannot be read gets a line that says why instead of a score.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from latentwatch.detector.interface import Detector
from latentwatch.domain.clock import Clock, SystemClock
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.exceptions import NO_EXCEPTIONS, Exceptions
from latentwatch.domain.monitor import Monitor
from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.batch_scoring import BATCH_RECORDS, RowScorer, StreamScorer, score_records
from latentwatch.streams.sources.file_source import FileSource

_NO_SCORE = {"surprise": None, "reconstruction": None, "density": None, "flagged": False}


@dataclass(slots=True)
class FileTally:
    """What a file came to."""

    records: int = 0
    flagged: int = 0
    amended: int = 0
    """Decisions that a late record changed, each time."""
    excepted: int = 0
    """Records that exceptions let pass."""
    unreadable: int = 0
    unread: int = 0
    """Values that were left out because their features cannot have them."""
    aligned: int = 0
    """Lines of a file in long form that only filled a row."""
    passed: int = 0
    """Records that are not what `where` asks."""
    first_reason: str = ""
    """Why the first unreadable record was."""
    first_unread: str = ""
    """Why the first of those values was."""


def write_scores(
    source: FileSource,
    detector: Detector,
    monitor: Monitor,
    out: BinaryIO,
    batch_records: int = BATCH_RECORDS,
    exceptions: Exceptions = NO_EXCEPTIONS,
) -> FileTally:
    """Score every record of a source into `out`; a number that is not finite is null.

    Where the monitor allows late records, a line with `amended_by` takes the place of the one before it of its position.
    Raises InvalidInput where the source cannot be read at all.
    """
    tally, encode = FileTally(), msgspec.json.Encoder().encode
    source.open()
    try:
        scorer = StreamScorer.of(detector, monitor, source.name, exceptions)
        row_scorer = RowScorer(source.decoder(detector.schema), scorer, tell=True)
        for rows in score_records(source, row_scorer, batch_records):
            lines = [{"position": row["position"], **_NO_SCORE, **row} if "error" in row else row for row in rows]
            out.write(b"".join(encode(line) + b"\n" for line in lines))
            out.flush()  # whoever reads a pipe gets its answers as they are known
            reasons = [row["error"] for row in rows if "error" in row]
            former = [row["formerly_flagged"] for row in rows if "amended_by" in row]
            tally.records += len(rows) - len(reasons) - len(former)
            tally.unreadable += len(reasons)
            tally.amended += len(former)
            tally.flagged += sum(line["flagged"] for line in lines) - sum(former)
            tally.excepted += sum("excepted" in line for line in rows if "amended_by" not in line)
            tally.aligned, tally.passed = source.aligned, row_scorer.passed
            values = [why for row in rows if "amended_by" not in row for why in row.get("unread", {}).values()]
            tally.unread += len(values)
            tally.first_unread = tally.first_unread or (values[0] if values else "")
            tally.first_reason = tally.first_reason or (reasons[0] if reasons else "")
    finally:
        source.close()
    return tally


def open_input(path: str, format_: str, record: RecordSchema | None = None, clock: Clock | None = None) -> FileSource:
    """A file, or standard input for `-`, read as the monitor's `record` says. Raises InvalidInput for a format that does not exist."""
    if format_ not in ("auto", "csv", "jsonl", "parquet"):
        raise InvalidInput(f"--format {format_}: is not a format; choose auto, csv, jsonl or parquet")
    return FileSource(path, format_, clock or SystemClock(), record)


@contextmanager
def opened_output(path: str, source: str) -> Iterator[BinaryIO]:
    """Standard output for `-`; else a file that appears whole, when everything is scored.

    Raises InvalidInput where it cannot be written, or is the very file that is scored.
    """
    if path == "-":
        yield sys.stdout.buffer
        return
    target = Path(path)
    if target.exists() and Path(source).exists() and target.samefile(source):
        raise InvalidInput(f"{path}: is the file that is scored, and would be lost; give another --output")
    whole = not target.exists() or target.is_file()  # a device or a named pipe takes lines as they come
    written = target.with_name(target.name + ".part") if whole else target
    try:
        out = written.open("wb")
    except OSError as error:
        raise InvalidInput(
            f"{path}: cannot be written ({error.strerror}); check the folder and its permissions"
        ) from None
    try:
        with out:
            yield out
        if whole:
            os.replace(written, target)
    except BaseException:
        if whole:
            written.unlink(missing_ok=True)
        raise
