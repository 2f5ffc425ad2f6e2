"""`latentwatch replay`: stored verdicts scored again, or records scored with another version; nothing live is touched.

Without `--version` every stored flagged record is scored again with the bundle that flagged it, and must give the stored
score. With `--version` the monitor's records are read again and scored with that version, and its verdicts are compared
with the stored ones.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from alerts.database import Engine
from alerts.reading.flagged import flagged_records
from alerts.registry import ModelRegistry
from detector.bundle import load_bundle
from detector.interface import Detector
from domain.clock import to_microseconds
from domain.errors import InvalidInput, LoopFailed
from domain.monitor import Monitor, load_monitor
from domain.record import Position
from latentwatch.console import print_json, say
from latentwatch.settings import Settings, load_settings
from latentwatch.wiring import load_version, ready_database, serving_version
from review.replay import replay
from streams.context_store import ContextStore
from streams.salvage import extend_sound, score_sound

_SHOWN = 20


@dataclass(slots=True)
class Verification:
    """Stored verdicts against the bundles that gave them."""

    records: int = 0
    agreeing: int = 0
    differing: int = 0
    examples: list[str] = field(default_factory=list)
    """Positions that differ, with stored and replayed surprise; at most the first twenty."""


@dataclass(slots=True)
class Difference:
    """Stored verdicts against another version's."""

    version: int
    records: int = 0
    flagged_by_both: int = 0
    only_stored: list[str] = field(default_factory=list)
    """Positions that were flagged and would not be, at most the first twenty."""
    only_replayed: list[str] = field(default_factory=list)
    stored: int = 0
    replayed: int = 0


def replay_verdicts(
    monitor_file: Path,
    *,
    alert: int | None,
    since: str | None,
    until: str | None,
    version: int | None,
    input_: str | None,
    as_json: bool,
) -> None:
    """Verify, or compare with a version. Raises LoopFailed when a stored verdict does not replay."""
    settings, monitor = load_settings(), load_monitor(monitor_file)
    engine = ready_database(settings)
    start, end = _moment(since, "--since"), _moment(until, "--until")
    if version is None:
        _tell_verification(verify(engine, settings, monitor, alert, start, end), as_json)
        return
    if alert is not None:
        raise InvalidInput("--alert verifies stored verdicts; with --version give --since and --until instead")
    found = serving_version(ModelRegistry(engine), monitor, version)
    detector = load_version(settings, found, monitor)
    _tell_difference(compare(engine, monitor, detector, version, input_, start, end), as_json)


def verify(
    engine: Engine,
    settings: Settings,
    monitor: Monitor,
    alert: int | None,
    since: datetime | None,
    until: datetime | None,
) -> Verification:
    """Score stored flagged records again, each with its own bundle and its stored context."""
    result, detectors = Verification(), dict[str, Detector]()
    for flagged in flagged_records(engine, monitor.name, alert=alert, since=since, until=until):
        if flagged.bundle not in detectors:
            detectors[flagged.bundle] = load_bundle(settings.bundles, flagged.bundle)
        found = replay(detectors[flagged.bundle], flagged)
        result.records += 1
        result.agreeing += found.agrees
        result.differing += not found.agrees
        if not found.agrees and len(result.examples) < _SHOWN:
            result.examples.append(f"{flagged.position}: stored {found.stored:.6f}, replayed {found.replayed:.6f}")
    return result


def compare(
    engine: Engine,
    monitor: Monitor,
    detector: Detector,
    version: int,
    input_: str | None,
    since: datetime | None,
    until: datetime | None,
) -> Difference:
    """Read records again, score them with a version, and compare with what is stored for the same positions."""
    stored: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for flagged in flagged_records(engine, monitor.name, since=since, until=until):
        stored[flagged.position.source].add((flagged.position.partition, flagged.position.offset))
    result, replayed = Difference(version), set[Position]()
    names = set[str]()
    for source, positions, scored in _flagged_by(detector, monitor, input_, since, until):
        names.add(source)
        replayed |= positions
        result.records += scored
    before = {Position(name, *place) for name in names for place in stored.get(name, ())}
    result.stored, result.replayed = len(before), len(replayed)
    result.flagged_by_both = len(before & replayed)
    result.only_stored = [str(position) for position in sorted(before - replayed)[:_SHOWN]]
    result.only_replayed = [str(position) for position in sorted(replayed - before)[:_SHOWN]]
    return result


def _flagged_by(
    detector: Detector, monitor: Monitor, input_: str | None, since: datetime | None, until: datetime | None
) -> Iterator[tuple[str, set[Position], int]]:
    """Source, flagged positions and number of scored records, batch by batch; the context begins with the source."""
    from latentwatch.scoring import open_input

    path = input_ or (monitor.source.file.path if monitor.source.file else None)
    if path is None:
        raise InvalidInput("give the records to replay as --input DATA: a copy of what the topic held")
    source = open_input(path, monitor.source.file.format if monitor.source.file and not input_ else "auto")
    source.open()
    decoder, contexts, threshold = (
        source.decoder(monitor.record),
        ContextStore(detector.context),
        detector.threshold(monitor.alert),
    )
    source.seek(0, 0)
    first = -(2**62) if since is None else to_microseconds(since)
    last = 2**62 if until is None else to_microseconds(until)
    try:
        while not source.finished:
            messages = source.poll(4_096, 0.25)
            extended, _ = extend_sound(contexts, decoder.decode(messages).batch, messages)
            scored, _ = score_sound(detector, extended, messages)
            inside = (scored.batch.times >= first) & (scored.batch.times < last)
            rows = np.flatnonzero(inside & (scored.scores.surprise >= threshold))
            yield source.name, {scored.batch.position(int(row)) for row in rows}, int(inside.sum())
    finally:
        source.close()


def _moment(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{option} {text}: is not a time; write it as 2026-01-31 or 2026-01-31T12:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _tell_verification(result: Verification, as_json: bool) -> None:
    if as_json:
        print_json(asdict(result))
    else:
        say(f"{result.records:,} stored verdicts replayed, {result.agreeing:,} agree")
        for line in result.examples:
            say(f"  {line}")
    if result.differing:
        raise LoopFailed(
            f"{result.differing} stored verdicts do not replay; the bundle or the stored input has changed"
        )


def _tell_difference(result: Difference, as_json: bool) -> None:
    if as_json:
        print_json(asdict(result))
        return
    say(
        f"{result.records:,} records scored with version {result.version}: {result.replayed:,} flagged, {result.stored:,} stored"
    )
    say(f"flagged by both: {result.flagged_by_both:,}")
    for title, lines in (("only stored", result.only_stored), (f"only version {result.version}", result.only_replayed)):
        for line in lines:
            say(f"  {title}: {line}")
