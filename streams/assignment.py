"""Partitions come, go and recover: positions from the database, context from snapshots, gaps by explicit policy."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Literal, TypeVar

import numpy as np
import structlog

from latentwatch.detector.interface import Detector
from latentwatch.domain.clock import Clock
from latentwatch.domain.errors import BundleRefused, InvalidInput, StreamRefused, TopicRecreated, Unavailable
from latentwatch.domain.outcome import AuditEntry, OffsetMove, Outcome, StoredSnapshot
from latentwatch.domain.record import DeadLetter, Passed, UnreadValue
from latentwatch.domain.sources import TopicSettings
from latentwatch.streams.context.context_blob import unpack_head
from latentwatch.streams.context.context_store import ContextStore
from latentwatch.streams.ports import Gap, Messages, Source, Store
from latentwatch.streams.recreation import RecreationPolicy, refusal
from latentwatch.streams.segments import segments
from latentwatch.streams.sound_scoring import Extended
from latentwatch.streams.waiting import Backoff

log = structlog.get_logger()

GapPolicy = Literal["stop", "skip"]

Placed = TypeVar("Placed", DeadLetter, UnreadValue)
_NEVER = np.iinfo(np.int64).max
_LOOK_SECONDS = 3.0


class Partitions:
    """The partitions this process reads, and where each stands.

    A gained partition is silent until it was admitted: position read, context loaded, source sought. What lies between
    its snapshot and its position is read again to rebuild the context, and not scored.
    """

    def __init__(
        self,
        source: Source,
        store: Store,
        contexts: ContextStore,
        load: Callable[[str], Detector],
        clock: Clock,
        topic: TopicSettings | None,
        on_no_context: Callable[[int], None],
    ) -> None:
        """`load` opens the bundle that wrote a snapshot; `topic` says what to do about gaps, none is to stop;
        `on_no_context` hears of partitions that start without one.
        """
        self._source = source
        self._store = store
        self._contexts = contexts
        self._load = load
        self._clock = clock
        self._on_gap: GapPolicy = topic.on_retention_gap if topic else "stop"
        self._on_recreated: RecreationPolicy = topic.on_recreated if topic else "stop"
        self._on_no_context = on_no_context
        self._waiting: dict[int, float] = {}
        self._backoff = Backoff()
        self._look_again = clock.monotonic() + _LOOK_SECONDS
        self.positions: dict[int, int] = {}
        """Admitted partition to the first offset that is not in the database."""
        self.read_to: dict[int, int] = {}
        """Admitted partition to the first offset that is not in its context; behind its position while re-reading."""

    def settle(self, bundle: str) -> list[tuple[OffsetMove, AuditEntry]]:
        """Follow what happened to the source's partitions; `bundle` is the model that serves.

        Returns the gaps to be skipped, each with what the audit table should say. Raises StreamRefused for a gap or a
        topic made anew that the policy does not let pass, TopicRecreated where it does.
        """
        changes = self._source.changes()
        if changes.recreated is not None:
            self._leave(changes.recreated)
        for partition in changes.lost:
            self._forget(partition)
            self._waiting.pop(partition, None)
        for partition in changes.gained:
            self._forget(partition)
            self._waiting[partition] = 0.0
        if self._waiting:
            self._admit_waiting(bundle)
        return [skip for gap in changes.gaps if (skip := self._bridge(gap)) is not None]

    def readmit(self, partitions: tuple[int, ...], delay_seconds: float) -> None:
        """Start these over from what the database says, not before the delay: another process moved one of them."""
        for partition in partitions:
            self._forget(partition)
            self._source.hold(partition)
            self._waiting[partition] = self._clock.monotonic() + delay_seconds

    def notice_moves(self) -> None:
        """Start over what another process, or a person, has moved in the database; look while no commit is on its way.

        A commit would find it out too, but a partition at its end may have none for days.
        """
        now = self._clock.monotonic()
        if now < self._look_again or not self.positions:
            return
        self._look_again = now + _LOOK_SECONDS
        with suppress(Unavailable):  # the next commit tells
            stored = self._store.positions(self._source.name)
            moved = tuple(p for p, position in self.positions.items() if stored.get(p, position) != position)
            if moved:
                log.warning("offsets were moved in the database, starting over from there", partitions=moved)
                self.readmit(moved, 0.0)

    @property
    def waiting(self) -> tuple[int, ...]:
        """Partitions that are ours and are not read yet."""
        return tuple(self._waiting)

    def advance(self, moves: tuple[OffsetMove, ...]) -> None:
        """The database has taken these moves."""
        for move in moves:
            if move.partition in self.positions:
                self.positions[move.partition] = move.end

    def ours(self, messages: Messages) -> Messages:
        """The messages of admitted partitions that come next in them; anything else was delivered too late."""
        wanted = np.ones(len(messages), bool)
        for partition, first, last in segments(messages.partitions):
            wanted[first:last] = messages.offsets[first:last] >= self.read_to.get(partition, _NEVER)
        return messages if wanted.all() else messages.take(wanted)

    def again(self, messages: Messages) -> Messages:
        """None of the messages; they will be delivered again, from where the context of each partition stands."""
        for partition, offset in self.read_to.items():
            with suppress(KeyError):  # given away meanwhile; the next look at the source's changes tells
                self._source.seek(partition, offset)
        return messages.take(np.zeros(len(messages), bool))

    def read(self, messages: Messages) -> None:
        """These messages have entered the context."""
        for partition, _, last in segments(messages.partitions):
            self.read_to[partition] = int(messages.offsets[last - 1]) + 1

    def unscored(self, extended: Extended) -> Extended:
        """The records that the database does not have yet."""
        batch = extended.batch
        fresh = np.ones(len(batch), bool)
        for partition, first, last in segments(batch.partitions):
            fresh[first:last] = batch.offsets[first:last] >= self.positions[partition]
        return extended if fresh.all() else extended.take(fresh)

    def unwritten(self, letters: Iterable[Placed]) -> tuple[Placed, ...]:
        """The dead letters or unread values that the database does not have yet."""
        return tuple(
            letter for letter in letters if letter.position.offset >= self.positions[letter.position.partition]
        )

    def unpassed(self, passed: Passed) -> int:
        """How many of the messages that are neither scored nor dead the database does not count as done with yet."""
        return sum(
            int((passed.offsets[first:last] >= self.positions[partition]).sum())
            for partition, first, last in segments(passed.partitions)
        )

    def moves(self, messages: Messages) -> tuple[OffsetMove, ...]:
        """Each partition's step over these messages, from where the database stands. Offsets may have gaps."""
        ends = {partition: int(messages.offsets[last - 1]) + 1 for partition, _, last in segments(messages.partitions)}
        return tuple(
            OffsetMove(partition, self.positions[partition], end)
            for partition, end in sorted(ends.items())
            if end > self.positions[partition]
        )

    def _leave(self, topic_id: str) -> None:
        """Read no more under this name: the topic has another id now."""
        words = refusal(self._store.monitor, self._source.name, str(self._source.topic_id), topic_id)
        raise StreamRefused(words) if self._on_recreated == "stop" else TopicRecreated(words)

    def fenced(self, outcome: Outcome, partitions: Iterable[int]) -> Outcome:
        """The outcome with a move of each of these partitions, be it one to where it stands already."""
        still = set(partitions) - {move.partition for move in outcome.moves}
        fences = (OffsetMove(each, self.positions[each], self.positions[each]) for each in sorted(still))
        return replace(outcome, moves=(*outcome.moves, *fences))

    def _forget(self, partition: int) -> None:
        self.positions.pop(partition, None)
        self.read_to.pop(partition, None)
        self._contexts.drop(partition)

    def _admit_waiting(self, bundle: str) -> None:
        now = self._clock.monotonic()
        due = sorted(partition for partition, at in self._waiting.items() if at <= now)
        if not due:
            return
        try:
            positions = self._store.positions(self._source.name)
            if not positions:
                # All at once, so that a partition without a position is known to have been added later: whatever the
                # monitor's start, nothing of it was there before, and it is read from its first record.
                positions = self._store.begin(self._source.name, self._source.starts(), self._source.topic_id)
            snapshots = self._store.snapshots(self._source.name, due)
            for partition in due:
                position = positions.get(partition)
                if position is None:
                    first = self._source.start_offset(partition)
                    position = self._store.claim(self._source.name, partition, first, self._source.topic_id)
                self._admit(partition, position, snapshots.get(partition), bundle)
                del self._waiting[partition]
            self._backoff = Backoff()
        except Unavailable as error:
            delay = self._backoff.next()
            log.warning(
                "cannot take up partitions yet", partitions=due, reason=str(error), again_seconds=round(delay, 1)
            )
            for partition, at in self._waiting.items():
                self._waiting[partition] = max(at, now + delay)  # one that is held back longer stays so

    def _admit(self, partition: int, position: int, snapshot: StoredSnapshot | None, bundle: str) -> None:
        begin = position
        usable = snapshot if snapshot is not None and snapshot.offset <= position else None
        if usable is not None and self._load_context(usable, bundle):
            begin = usable.offset
        else:
            self._on_no_context(partition)
        if usable is not None and self._take_up_rows(usable):
            begin = usable.offset
        self._contexts.follow(partition, None if snapshot is None else snapshot.stamp)
        try:
            self._source.seek(partition, begin)
        except KeyError:  # it went away again before it was taken up
            self._contexts.drop(partition)
            return
        self.positions[partition] = position
        self.read_to[partition] = begin
        log.info(
            "partition taken up", source=self._source.name, partition=partition, offset=position, context_from=begin
        )

    def _load_context(self, snapshot: StoredSnapshot, bundle: str) -> bool:
        try:
            previous = None if snapshot.bundle == bundle else self._load(snapshot.bundle).context
            with self._store.chunks(self._source.name, snapshot) as chunks:
                return self._contexts.load(snapshot.partition, snapshot.head, chunks, previous)
        except (InvalidInput, BundleRefused) as error:
            log.warning("context not restored, entities warm up anew", partition=snapshot.partition, reason=str(error))
            self._contexts.drop(snapshot.partition)
            return False

    def _take_up_rows(self, snapshot: StoredSnapshot) -> bool:
        """Whether rows are in the making since the snapshot: then what came after it is read again, whatever the context does."""
        alignment = self._contexts.alignment
        if alignment is None:
            return False
        try:
            same = alignment.unpack(snapshot.partition, unpack_head(snapshot.head).rows)
        except InvalidInput as error:
            log.warning("rows in the making are lost", partition=snapshot.partition, reason=str(error))
            return False
        if not same:  # another model's: the next snapshot must not be told by the fields of this one
            self._on_no_context(snapshot.partition)
        return same is not None

    def _bridge(self, gap: Gap) -> tuple[OffsetMove, AuditEntry] | None:
        position = self.positions.get(gap.partition)
        if position is None:
            return None
        if gap.start <= gap.end <= position:
            # Only records that were to rebuild the context are gone; nothing unscored is lost.
            self._source.seek(gap.partition, gap.end)
            self.read_to[gap.partition] = gap.end
            return None
        where = f"{self._source.name}[{gap.partition}]"
        if position <= gap.end < gap.start:
            # The log lost its end, but nothing that the database has: what took the place is read.
            self._source.seek(gap.partition, self.read_to[gap.partition])
            return None
        if gap.end < gap.start:
            raise StreamRefused(
                f"{where} ends before offset {position}, where the database stands: the log lost its end, as it does when"
                " a broker that lags behind becomes the leader, or the topic was made anew by a broker that numbers none."
                " Nothing was scored twice. Say where to go on in what is there now: latentwatch offsets reset"
                f" {self._store.monitor} --to earliest|latest|TIME"
            )
        missing = f"{gap.end - position} offsets ({position} to {gap.end - 1}) were deleted before they were scored"
        if self._on_gap == "stop":
            raise StreamRefused(
                f"{where}: {missing}. Set on_retention_gap: skip to go on at {gap.end} with a note in the audit table,"
                " and give the topic a longer retention"
            )
        return OffsetMove(gap.partition, position, gap.end), AuditEntry(
            "retention_gap", gap.partition, f"{where}: {missing}; skipped as on_retention_gap says"
        )

    def resume_after(self, move: OffsetMove) -> None:
        """A gap was skipped and the database knows: go on behind it."""
        self.advance((move,))
        self.read_to[move.partition] = move.end
        self._source.seek(move.partition, move.end)
