"""`latentwatch backfill`: an archive of Parquet files -> a folder of Parquet, one row a record, nothing in the database.

The files in the order of their names are one stream: an entity's context goes on from one file to the next. One file gives
what `latentwatch score --input` gives, and Spark gives the same rows as this process, in more parts. An archive is taken to
be in order: what a monitor says of late records does not count here, so that there is one row a record.
"""

import glob
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from latentwatch.alerts.registry import ModelRegistry
from latentwatch.archive_scores import SCORED, ArchiveTally, complete
from latentwatch.console import print_json, progress_bars, say
from latentwatch.detector.interface import Detector
from latentwatch.domain.clock import Clock, SystemClock
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.exceptions import NO_EXCEPTIONS, Exceptions
from latentwatch.domain.monitor import load_monitor
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.rules import NO_RULES, FeatureRules
from latentwatch.domain.schema import RecordSchema
from latentwatch.settings import load_settings
from latentwatch.streams.alignment.alignment import alignment_of
from latentwatch.streams.batch_scoring import RowScorer, StreamScorer, score_records
from latentwatch.streams.sources.file_source import FileSource
from latentwatch.wiring import load_version, ready_database, serving_version


def backfill_archive(
    monitor_file: Path, input_: str, output: str, *, engine: str, version: int | None, as_json: bool
) -> None:
    """Score an archive and say what came of it."""
    settings, monitor, clock = load_settings(), load_monitor(monitor_file), SystemClock()
    registry = ModelRegistry(ready_database(settings))
    found = serving_version(registry, monitor, version)
    detector = load_version(settings, registry, found, monitor)
    rules, exceptions = FeatureRules.of(monitor.record, detector.schema), registry.exceptions(monitor.name)
    started = clock.monotonic()
    if engine == "spark":
        shaped = monitor.record.is_shaped or monitor.record.takes_apart or monitor.record.long is not None
        if monitor.record.entity_is_file or shaped:
            raise InvalidInput(
                "--engine spark spreads the rows of files over workers before it reads them, and so knows no files as entities, no"
                " entities of several fields, no 'where', 'arrays', 'collector', 'unpack' or 'long'; leave it out, or score the topic with"
                " 'latentwatch score --engine spark', which knows all but the first"
            )
        from latentwatch.spark.archive import ScoreRows, score_archive
        from latentwatch.spark.session import begin_spark

        spark = begin_spark(settings, f"latentwatch backfill {monitor.name}")
        try:
            with progress_bars() as report:
                score = ScoreRows(settings.bundles, found.bundle, monitor.alert, rules=rules, exceptions=exceptions)
                tally = score_archive(spark, input_, output, monitor.record, score, report)
        finally:
            spark.stop()
    else:
        with progress_bars() as report:
            tally = score_here(
                archive_files(input_),
                Path(output),
                detector,
                monitor.alert,
                report,
                clock,
                monitor.record,
                rules,
                exceptions,
            )
    seconds = clock.monotonic() - started
    if as_json:
        print_json(
            {
                "monitor": monitor.name,
                "version": found.version,
                "records": tally.records,
                "flagged": tally.flagged,
                "unreadable": tally.unreadable,
                "unread": tally.unread,
                "output": output,
                "seconds": round(seconds, 1),
            }
        )
        return
    say(f"scored {tally.records:,} records with version {found.version} in {seconds:.0f} s: {tally.flagged:,} flagged")
    if tally.unreadable:
        say(f"{tally.unreadable:,} records could not be read; their rows say why, such as: {tally.first_reason}")
    if tally.unread:
        say(
            f"{tally.unread:,} records were scored without values that could not be read; their rows say which, such as:"
            f" {tally.first_unread}"
        )
    say(f"the scores are in {output}")


def archive_files(input_: str) -> list[Path]:
    """The Parquet files of a path, a folder or a glob, in the order of their names. Raises InvalidInput for none."""
    place = Path(input_)
    found = place.rglob("*.parquet") if place.is_dir() else map(Path, glob.glob(input_, recursive=True))
    files = sorted((path.absolute() for path in found if path.is_file()), key=Path.as_uri)
    if not files:
        raise InvalidInput(f"--input {input_}: no Parquet file is there; give a file, a folder, or a glob in quotes")
    return files


def score_here(
    files: list[Path],
    output: Path,
    detector: Detector,
    policy: AlertPolicy,
    report: Callable[[str, float], None],
    clock: Clock | None = None,
    record: RecordSchema | None = None,
    rules: FeatureRules = NO_RULES,
    exceptions: Exceptions = NO_EXCEPTIONS,
) -> ArchiveTally:
    """Score files in one process into a new folder. Raises InvalidInput where the folder is not new."""
    if output.exists():
        raise InvalidInput(f"--output {output}: exists already; give a folder that does not")
    written = output.with_name(output.name + ".part")
    try:
        written.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"--output {output}: cannot be made ({error.strerror}); check its permissions") from None
    sizes = [path.stat().st_size for path in files]
    scorer: StreamScorer | None = None
    alignment = None if record is None else alignment_of(record, None)
    records = flagged = unreadable = unread = 0
    reason = first_unread = ""
    with pq.ParquetWriter(written / "part-00000.parquet", SCORED) as out:
        for number, path in enumerate(files):
            source = FileSource(str(path), "parquet", clock, record, alignment, more=path != files[-1])
            scorer = scorer or StreamScorer(detector, policy, source.name, rules=rules, exceptions=exceptions)
            for rows in score_records(source, RowScorer(source.decoder(detector.schema), scorer)):
                out.write_batch(complete(rows, [str(path)] * len(rows), [row["position"] for row in rows]))
                errors = [row["error"] for row in rows if "error" in row]
                records += len(rows) - len(errors)
                unreadable += len(errors)
                flagged += sum(row.get("flagged", False) for row in rows)
                reason = reason or (errors[0] if errors else "")
                values = [why for row in rows for why in row.get("unread", {}).values()]
                unread += sum("unread" in row for row in rows)
                first_unread = first_unread or (values[0] if values else "")
            source.close()
            report("scoring", sum(sizes[: number + 1]) / max(1, sum(sizes)))
    os.replace(written, output)
    return ArchiveTally(records, flagged, unreadable, reason, unread, first_unread)
