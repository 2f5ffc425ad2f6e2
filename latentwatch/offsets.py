"""`latentwatch offsets`: where a monitor's stream stands beside what its topic holds, and moving it by hand.

Monitor's name → Standing of every partition → Move of each, shown before anything is written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from latentwatch.alerts.database import Engine
from latentwatch.alerts.monitors import registered_monitor
from latentwatch.alerts.offsets import StoredOffset, move_offsets, stored_offsets
from latentwatch.domain.clock import Clock
from latentwatch.domain.errors import InvalidInput, Unavailable
from latentwatch.domain.monitor import Monitor
from latentwatch.domain.record import first_name, later_name
from latentwatch.settings import Settings
from latentwatch.streams.sources.array_source import STRIDE, name_of
from latentwatch.streams.sources.file_records import STDIN


@dataclass(frozen=True, slots=True)
class TopicNow:
    """What a monitor's topic holds at this moment."""

    topic_id: str | None
    spans: Mapping[int, tuple[int, int]]
    """Partition to its first offset and the one after its last, as the monitor's stream counts them."""


@dataclass(frozen=True, slots=True)
class PartitionStanding:
    """One partition of a stream: what is stored, and what the topic holds where that is known."""

    stream: str
    partition: int
    next_offset: int | None
    """None where nothing of the partition was taken up yet."""
    first: int | None
    end: int | None
    behind: int | None
    """Offsets from where it stands to its end."""
    topic_id: str | None
    current: bool
    """Whether the topic of this stream is the one that is there now."""
    updated: datetime | None


@dataclass(frozen=True, slots=True)
class Move:
    """What a reset does to one partition."""

    partition: int
    before: int | None
    after: int
    scored_again: int
    """Offsets that were accounted for and will be read again."""
    skipped: int
    """Offsets that will never be scored."""


@dataclass(frozen=True, slots=True)
class Reset:
    """A reset as it is shown before it is done."""

    monitor: str
    stream: str
    topic_id: str | None
    to: str
    moves: tuple[Move, ...]


def topic_now(monitor: Monitor, settings: Settings) -> TopicNow | None:
    """What the monitor's topic holds; None for a file. Raises Unavailable while broker or topic are away."""
    topic = monitor.source.kafka
    if topic is None:
        return None
    from latentwatch.streams.kafka.topic_offsets import topic_id, topic_offsets  # Kafka's client is not for files

    access, each = settings.kafka_access(), STRIDE if monitor.takes_apart else 1
    spans = {number: (first * each, end * each) for number, (first, end) in topic_offsets(topic.topic, access).items()}
    return TopicNow(topic_id(topic.topic, access), spans)


def standing(engine: Engine, monitor: Monitor, now: TopicNow | None) -> list[PartitionStanding]:
    """Every partition of the monitor's streams, and those of its topic that nobody has taken up yet."""
    stored = [offset for offset in stored_offsets(engine, monitor.name) if first_name(offset.source) == _base(monitor)]
    if now is None:
        return [_beside(offset, None, current=True) for offset in stored]
    stream = stream_now(monitor, stored, now)
    known = {offset.partition for offset in stored if offset.source == stream}
    unread = [
        PartitionStanding(stream, partition, None, first, end, end - first, now.topic_id, True, None)
        for partition, (first, end) in sorted(now.spans.items())
        if partition not in known
    ]
    current = [offset.source == stream for offset in stored]
    return [
        _beside(offset, now.spans.get(offset.partition) if here else None, current=here)
        for offset, here in zip(stored, current, strict=True)
    ] + unread


def _beside(offset: StoredOffset, span: tuple[int, int] | None, *, current: bool) -> PartitionStanding:
    first, end = span or (None, None)
    behind = None if end is None else max(0, end - offset.next_offset)
    return PartitionStanding(
        offset.source,
        offset.partition,
        offset.next_offset,
        first,
        end,
        behind,
        offset.topic_id,
        current,
        offset.updated,
    )


def _base(monitor: Monitor) -> str:
    topic, file = monitor.source.kafka, monitor.source.file
    if topic is not None:
        return name_of(topic.topic) if monitor.takes_apart else topic.topic
    assert file is not None  # a monitor has exactly one source
    return file.path


def stream_now(monitor: Monitor, stored: Sequence[StoredOffset], now: TopicNow) -> str:
    """The name of the stream that reads the topic as it is now: the topic's own, or a later one where it was made anew."""
    known = {offset.topic_id for offset in stored if offset.source == _base(monitor)} - {None}
    if now.topic_id is None or not known or now.topic_id in known:
        return _base(monitor)
    return later_name(_base(monitor), now.topic_id)


def plan_reset(
    engine: Engine, name: str, settings: Settings, to: str, partitions: Sequence[int] | None = None
) -> Reset:
    """What it would mean to move a monitor's stream to `earliest`, `latest` or a time.

    Raises NotFound for a monitor that is not registered, InvalidInput for a place that does not exist, Unavailable.
    """
    monitor = registered_monitor(engine, name)
    stored = stored_offsets(engine, monitor.name)
    topic = monitor.source.kafka
    if topic is None:
        base = _base(monitor)
        if to != "earliest" or base == STDIN:
            raise InvalidInput(
                f"--to {to}: monitor {name!r} reads {base}, which can only be begun anew; say --to earliest"
            )
        return Reset(name, base, None, to, _moves(stored, base, {0: 0}, {}))
    now = topic_now(monitor, settings)
    assert now is not None  # it reads a topic
    wanted = sorted(partitions or now.spans)
    strange = [partition for partition in wanted if partition not in now.spans]
    if strange:
        raise InvalidInput(
            f"--partition {strange[0]}: topic {topic.topic!r} has the partitions {min(now.spans)} to {max(now.spans)}"
        )
    targets = _targets(monitor, settings, now, to)
    stream = stream_now(monitor, stored, now)
    return Reset(name, stream, now.topic_id, to, _moves(stored, stream, {p: targets[p] for p in wanted}, now.spans))


def _targets(monitor: Monitor, settings: Settings, now: TopicNow, to: str) -> dict[int, int]:
    if to == "earliest":
        return {partition: first for partition, (first, _) in now.spans.items()}
    if to == "latest":
        return {partition: end for partition, (_, end) in now.spans.items()}
    try:
        moment = datetime.fromisoformat(to)
    except ValueError:
        raise InvalidInput(
            f"--to {to}: is neither earliest nor latest nor a time such as 2026-01-31T12:00:00Z"
        ) from None
    from latentwatch.streams.kafka.topic_offsets import offsets_at

    topic = monitor.source.kafka
    assert topic is not None  # the caller has looked
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    each = STRIDE if monitor.takes_apart else 1
    return {p: offset * each for p, offset in offsets_at(topic.topic, settings.kafka_access(), zoned).items()}


def _moves(
    stored: Sequence[StoredOffset], stream: str, targets: Mapping[int, int], spans: Mapping[int, tuple[int, int]]
) -> tuple[Move, ...]:
    before = {offset.partition: offset.next_offset for offset in stored if offset.source == stream}
    moves = []
    for partition, after in sorted(targets.items()):
        stands = before.get(partition)
        begin = spans.get(partition, (0, 0))[0]
        first_unread = begin if stands is None else max(stands, begin)
        again = 0 if stands is None else max(0, stands - after)
        moves.append(Move(partition, stands, after, again, max(0, after - first_unread)))
    return tuple(moves)


def carry_out(engine: Engine, reset: Reset, clock: Clock | None = None) -> Reset:
    """Move the offsets. A running scorer may have gone on since the preview: the result says what was true then.

    Raises Unavailable.
    """
    targets = {move.partition: move.after for move in reset.moves}
    why = f"moved by 'latentwatch offsets reset {reset.monitor} --to {reset.to}'"
    former = move_offsets(engine, reset.monitor, reset.stream, targets, reset.topic_id, why, clock)
    moves = tuple(
        Move(
            move.partition,
            former[move.partition],
            move.after,
            max(0, (former[move.partition] or 0) - move.after),
            max(0, move.skipped - ((former[move.partition] or 0) - (move.before or 0))),
        )
        for move in reset.moves
    )
    return Reset(reset.monitor, reset.stream, reset.topic_id, reset.to, moves)


def reachable_topic(monitor: Monitor, settings: Settings) -> tuple[TopicNow | None, str]:
    """As `topic_now`, and why it is not known where the broker is away."""
    try:
        return topic_now(monitor, settings), ""
    except Unavailable as error:
        return None, str(error)
