"""`latentwatch replay`: stored decisions scored again, or records scored with another version; nothing live is touched.

Without `--version` every stored flagged record is scored again with the bundle that flagged it, and must give the stored
score. With `--version` the monitor's records are read again, from its file or its topic, and scored with that version;
its decisions are compared with the stored ones, or with those of another version.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentwatch.alerts.database import Engine
from latentwatch.alerts.exceptions import exceptions_in_force
from latentwatch.alerts.reading.flagged import flagged_records
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.alerts.store import AlertStore
from latentwatch.console import print_json, say
from latentwatch.detector.bundle import load_bundle
from latentwatch.detector.interface import Detector
from latentwatch.domain.clock import SystemClock, to_microseconds
from latentwatch.domain.errors import BundleRefused, InvalidInput, LoopFailed
from latentwatch.domain.exceptions import Exceptions
from latentwatch.domain.monitor import Monitor, load_monitor
from latentwatch.domain.record import Batch, Position
from latentwatch.domain.schema import RecordSchema
from latentwatch.review.replay import replay
from latentwatch.settings import Settings, load_settings
from latentwatch.streams.alignment.alignment import alignment_of
from latentwatch.streams.batch_scoring import StreamScorer
from latentwatch.streams.decoding.columns import TimeBound
from latentwatch.streams.decoding.sound_decoding import decode_sound
from latentwatch.streams.decoding.unpacking import unpacker
from latentwatch.streams.outcomes import Scored, flagged_rows
from latentwatch.streams.ports import Messages
from latentwatch.streams.segments import segments
from latentwatch.streams.sources.array_source import split
from latentwatch.wiring import load_version, ready_database, serving_version

_SHOWN = 20
_BATCH_RECORDS = 4_096
_LEAD = timedelta(hours=1)
"""Of a topic is read before the time asked for, so that an entity's decisions begin with a context as the scorer's."""
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Span:
    """Event times from `since` on and before `until`; None where it has no such end."""

    since: datetime | None = None
    until: datetime | None = None

    def includes(self, batch: Batch) -> NDArray[np.bool_]:
        """[N] whether a record lies in it."""
        inside = np.ones(len(batch), bool)
        if self.since is not None:
            inside &= batch.times >= to_microseconds(self.since)
        if self.until is not None:
            inside &= batch.times < to_microseconds(self.until)
        return inside


EVER = Span()


class Opened(NamedTuple):
    """A version of a monitor's model, and its detector."""

    version: int
    detector: Detector


@dataclass(slots=True)
class Verification:
    """Stored decisions against the bundles that gave them."""

    records: int = 0
    agreeing: int = 0
    differing: int = 0
    no_longer: int = 0
    """Whose bundle is refused: what was stored stands, and cannot be had again."""
    refusals: list[str] = field(default_factory=list)
    """Why, once for each such bundle."""
    examples: list[str] = field(default_factory=list)
    """Positions that differ, with stored and replayed surprise; at most the first twenty."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The decisions of a version beside those that are stored, or another version's."""

    version: int
    against: int | None
    """The version compared with; None for what is stored."""
    records: int = 0
    flagged_by_both: int = 0
    only_against: list[str] = field(default_factory=list)
    """Positions that only the other side flags, at most the first twenty."""
    only_version: list[str] = field(default_factory=list)
    flagged_against: int = 0
    flagged_version: int = 0


def replay_decisions(
    monitor_file: Path,
    *,
    alert: int | None,
    since: str | None,
    until: str | None,
    version: int | None,
    against: int | None,
    input_: str | None,
    as_json: bool,
) -> None:
    """Verify, or compare with a version. Raises LoopFailed when a stored decision does not replay."""
    settings, monitor = load_settings(), load_monitor(monitor_file)
    engine = ready_database(settings)
    span = Span(_moment(since, "--since"), _moment(until, "--until"))
    if version is None:
        if against is not None:
            raise InvalidInput("--against compares two versions; give the other one as --version")
        _tell_verification(verify(engine, settings, monitor, alert, span), as_json)
        return
    if alert is not None:
        raise InvalidInput("--alert verifies stored decisions; with --version give --since and --until instead")
    registry = ModelRegistry(engine)
    opened = [
        Opened(number, load_version(settings, registry, serving_version(registry, monitor, number), monitor))
        for number in (version, against)
        if number is not None
    ]
    reading = (
        _topic(settings, monitor, opened[0].detector.schema if against is None else monitor.record, span.since)
        if input_ is None and monitor.source.kafka
        else _file(monitor, input_)
    )
    _tell_difference(compare(engine, monitor, opened, reading, span), as_json)


def verify(
    engine: Engine,
    settings: Settings,
    monitor: Monitor,
    alert: int | None,
    span: Span,
) -> Verification:
    """Score stored flagged records again, each with its own bundle and its stored context."""
    result, detectors = Verification(), dict[str, Detector | None]()
    for flagged in flagged_records(engine, monitor.name, alert=alert, since=span.since, until=span.until):
        if flagged.bundle not in detectors:
            detectors[flagged.bundle] = _loaded(settings, flagged.bundle, result)
        detector = detectors[flagged.bundle]
        result.records += 1
        if detector is None:
            result.no_longer += 1
            continue
        found = replay(detector, flagged)
        result.agreeing += found.agrees
        result.differing += not found.agrees
        if not found.agrees and len(result.examples) < _SHOWN:
            result.examples.append(f"{flagged.position}: stored {found.stored:.6f}, replayed {found.replayed:.6f}")
    return result


def _loaded(settings: Settings, bundle: str, result: Verification) -> Detector | None:
    """The detector of a bundle; None, with the reason noted, where it is refused: the other bundles' decisions replay."""
    try:
        return load_bundle(settings.bundles, bundle)
    except BundleRefused as error:
        result.refusals.append(str(error))
        return None


def compare(
    engine: Engine,
    monitor: Monitor,
    opened: Sequence[Opened],
    reading: Iterator[tuple[Messages, Batch]],
    span: Span = EVER,
) -> Difference:
    """Score records with one or two versions, all that are read, and compare the decisions of those in the span.

    One version is compared with what is stored: then only records that the monitor has scored count.
    """
    version, against = opened[0].version, opened[1].version if len(opened) > 1 else None
    scored_to = _Progress(AlertStore(engine, monitor.name)) if against is None else None
    exceptions = exceptions_in_force(engine, monitor.name)
    sides = [_Side(one.detector, monitor, span, scored_to, exceptions) for one in opened]
    begins: dict[tuple[str, int], int] = {}
    for messages, batch in reading:
        for partition, start, _ in segments(batch.partitions):
            begins.setdefault((batch.source, partition), int(batch.offsets[start]))
        for side in sides:
            side.score(messages, batch)
    after = sides[0].flagged
    if against is None:
        stored = (found.position for found in flagged_records(engine, monitor.name, since=span.since, until=span.until))
        # What the topic no longer holds, or what arrived before the stretch that was read, was not scored again.
        before = {at for at in stored if at.offset >= begins.get((at.source, at.partition), _NEVER)}
    else:
        before = sides[1].flagged
    return Difference(
        version,
        against,
        records=sides[0].records,
        flagged_by_both=len(before & after),
        only_against=[str(position) for position in sorted(before - after)[:_SHOWN]],
        only_version=[str(position) for position in sorted(after - before)[:_SHOWN]],
        flagged_against=len(before),
        flagged_version=len(after),
    )


class _Side:
    """A version's decisions on the records that count."""

    def __init__(
        self,
        detector: Detector,
        monitor: Monitor,
        span: Span,
        scored_to: "_Progress | None",
        exceptions: Exceptions,
    ) -> None:
        self._detector = detector
        self._monitor = monitor
        self._span = span
        self._scored_to = scored_to
        self._exceptions = exceptions
        self._scorer: StreamScorer | None = None
        self.records = 0
        self.flagged: set[Position] = set()

    def score(self, messages: Messages, batch: Batch) -> None:
        """Score the next batch; late records may amend what was said of earlier ones."""
        if self._scorer is None:
            monitor = self._monitor
            self._scorer = StreamScorer.of(self._detector, monitor, messages.source, self._exceptions)
        found = self._scorer.score(batch.narrowed(self._detector.schema), messages)
        counts = self._counted(found.scored.batch)
        self.records += int(counts.sum())
        self.flagged |= _positions(found.scored, found.flagged[counts[found.flagged]])
        if found.changed is not None:
            again = found.changed.again.take(self._counted(found.changed.again.batch))
            self.flagged -= {again.batch.position(row) for row in range(len(again.batch))}
            self.flagged |= _positions(again, flagged_rows(again, self._scorer.serving))

    def _counted(self, batch: Batch) -> NDArray[np.bool_]:
        inside = self._span.includes(batch)
        return inside if self._scored_to is None else inside & self._scored_to.includes(batch)


def _positions(scored: Scored, rows: NDArray[np.intp]) -> set[Position]:
    return {scored.batch.position(row) for row in rows.tolist()}


class _Progress:
    """How far the monitor's scorers have come in each source."""

    def __init__(self, store: AlertStore) -> None:
        self._store = store
        self._positions: dict[str, dict[int, int]] = {}

    def includes(self, batch: Batch) -> NDArray[np.bool_]:
        """[N] whether a row was scored. Every row of a source that was never scored counts."""
        positions = self._positions.setdefault(batch.source, self._store.positions(batch.source))
        inside = np.ones(len(batch), bool)
        for partition, start, stop in segments(batch.partitions) if positions else ():
            inside[start:stop] = batch.offsets[start:stop] < positions.get(partition, 0)
        return inside


def _file(monitor: Monitor, input_: str | None) -> Iterator[tuple[Messages, Batch]]:
    """The records of a file, batch by batch, from its beginning."""
    from latentwatch.scoring import open_input

    own = monitor.source.file
    path = input_ or (own.path if own else "")
    source = open_input(path, own.format if own and not input_ else "auto", monitor.record)
    source.open()
    decoder = source.decoder(monitor.record)
    source.seek(0, 0)
    try:
        while not source.finished:
            messages = source.poll(_BATCH_RECORDS, 0.25)
            yield messages, decode_sound(decoder, messages).batch
    finally:
        source.close()


def _topic(
    settings: Settings, monitor: Monitor, schema: RecordSchema, since: datetime | None
) -> Iterator[tuple[Messages, Batch]]:
    """The records of the monitor's topic, with the positions the scorer gives them, read outside of its group.

    From those that arrived a while before `since`, which fill the contexts, to the topic's end: a record's own time is
    known only when it was read, and may lie long before it arrived. Where messages hold one value each, the rows are those that
    a model of `schema` would see.
    """
    from latentwatch.streams.kafka.topic_history import read_messages  # Kafka's client is not for files
    from latentwatch.streams.sources.opening import topic_decoder

    topic = monitor.source.kafka
    assert topic is not None  # the caller has looked
    kafka = settings.kafka_access()
    if not kafka.servers:
        raise InvalidInput(
            f"monitor {monitor.name} reads the Kafka topic {topic.topic!r}, but no Kafka address is set; set"
            " LATENTWATCH_KAFKA to host:port, or give the records as --input DATA"
        )
    decoder = topic_decoder(monitor, settings.registry_access(), TimeBound(SystemClock()))
    unpack = unpacker(monitor.record, topic.arrays)
    arrived = None if since is None else since - _LEAD
    alignment = alignment_of(schema, topic)
    for read, _ in read_messages(topic.topic, kafka, arrived):
        messages = read if unpack is None else split(read, unpack=unpack)
        decoded = decode_sound(decoder, messages)
        yield messages, (decoded if alignment is None else alignment.take(decoded, messages)).batch


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
        replayed = result.records - result.no_longer
        say(f"{replayed:,} stored decisions replayed, {result.agreeing:,} agree")
        if result.no_longer:
            say(f"{result.no_longer:,} no longer replay, what was stored of them stands: {'; '.join(result.refusals)}")
        for line in result.examples:
            say(f"  {line}")
    if result.differing:
        raise LoopFailed(
            f"{result.differing} stored decisions do not replay; the bundle or the stored input has changed"
        )
    if result.no_longer and not result.agreeing:
        raise BundleRefused(f"no stored decision can be replayed: {'; '.join(result.refusals)}")


def _tell_difference(result: Difference, as_json: bool) -> None:
    if as_json:
        print_json(asdict(result))
        return
    other = "what is stored" if result.against is None else f"version {result.against}"
    say(f"{result.records:,} records scored again, to compare version {result.version} with {other}")
    say(
        f"flagged by version {result.version}: {result.flagged_version:,}, by {other}: {result.flagged_against:,},"
        f" by both: {result.flagged_by_both:,}"
    )
    for title, lines in ((other, result.only_against), (f"version {result.version}", result.only_version)):
        for line in lines:
            say(f"  only {title}: {line}")
