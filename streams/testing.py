"""Fakes that ship with the room: an in-memory store, registry and detector that keep the ports' contracts."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.budget import Budget
from latentwatch.detector.drift import PromiseState
from latentwatch.detector.interface import ContextEncoder, Contexts, MapGround
from latentwatch.domain.alert import FlaggedRecord
from latentwatch.domain.errors import BundleChanged, BundleRefused, PartitionLost, Unavailable
from latentwatch.domain.exceptions import NO_EXCEPTIONS, Exceptions
from latentwatch.domain.model import ModelVersion, VersionStatus
from latentwatch.domain.outcome import AuditEntry, Outcome, Receipt, StoredSnapshot
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.record import Batch, Position, first_name
from latentwatch.domain.schema import RecordSchema
from latentwatch.domain.scores import Explanation, Scores
from latentwatch.streams.context.context_blob import ContextHead, pack_chunk, unpack_chunk, unpack_head


def bare_chunk(chunk: bytes) -> bytes:
    """A chunk of a context as if nobody had been told of its entities."""
    contexts = unpack_chunk(chunk)
    return pack_chunk(replace(contexts, untold=np.ones(len(contexts.entities), np.bool_)))


@dataclass
class MemoryStore:
    """A store that keeps what it was given, and raises AssertionError where a position would be written twice."""

    monitor: str
    offsets: dict[tuple[str, int], int] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    latest: dict[tuple[str, int], StoredSnapshot] = field(default_factory=dict)
    latest_chunks: dict[tuple[str, int], dict[int, bytes]] = field(default_factory=dict)
    topics: dict[str, str | None] = field(default_factory=dict)
    """The id of each stream's topic."""
    notes: list[AuditEntry] = field(default_factory=list)
    """What the audit table would hold of streams that began anew."""
    away: int = 0
    """How many calls find the database away."""
    lose_acknowledgement: bool = False
    """Whether the next commit is written but answers with Unavailable."""

    def _reach(self) -> None:
        if self.away > 0:
            self.away -= 1
            raise Unavailable("the memory database is away; wait")

    def positions(self, source: str) -> dict[int, int]:
        """Stored positions."""
        self._reach()
        return {partition: offset for (name, partition), offset in self.offsets.items() if name == source}

    def begin(
        self, source: str, starts: Mapping[int, int], topic_id: str | None = None, note: AuditEntry | None = None
    ) -> dict[int, int]:
        """All at once, unless somebody was first."""
        positions = self.positions(source)
        if positions:
            return positions
        self.offsets.update({(source, partition): offset for partition, offset in starts.items()})
        self.topics[source] = topic_id
        self.notes += [note] if note else []
        return dict(starts)

    def claim(self, source: str, partition: int, offset: int, topic_id: str | None = None) -> int:
        """First claim wins."""
        self._reach()
        self.topics.setdefault(source, topic_id)
        return self.offsets.setdefault((source, partition), offset)

    def topics_of(self, source: str) -> dict[str, str | None]:
        """Streams by name."""
        self._reach()
        return {name: topic_id for name, topic_id in self.topics.items() if first_name(name) == source}

    def learn_topic(self, source: str, topic_id: str) -> None:
        """Note what is not known."""
        self._reach()
        self.topics[source] = self.topics.get(source) or topic_id

    def commit(self, outcome: Outcome) -> Receipt:
        """Compare-and-swap every position, then keep the outcome."""
        self._reach()
        lost = [m.partition for m in outcome.moves if self.offsets.get((outcome.source, m.partition)) != m.start]
        if lost:
            raise PartitionLost(f"partitions {lost} were moved by another process", tuple(lost))
        for shot in outcome.snapshots:
            stored = self.latest.get((outcome.source, shot.partition))
            if (stored.stamp if stored else None) not in (shot.follows, shot.stamp):
                raise PartitionLost(f"another process wrote the context of {shot.partition}", (shot.partition,))
        for move in outcome.moves:
            self.offsets[outcome.source, move.partition] = move.end
        for shot in outcome.snapshots:
            key = outcome.source, shot.partition
            self.latest[key] = StoredSnapshot(shot.partition, shot.offset, shot.bundle, shot.stamp, shot.head)
            chunks = {**self.latest_chunks.get(key, {}), **shot.chunks}
            self.latest_chunks[key] = {number: chunks[number] for number in range(shot.count)}
        self.outcomes.append(outcome)
        if self.lose_acknowledgement:
            self.lose_acknowledgement = False
            raise Unavailable("the connection broke before the commit was acknowledged")
        return Receipt()

    def snapshots(self, source: str, partitions: Sequence[int]) -> dict[int, StoredSnapshot]:
        """Latest snapshots."""
        self._reach()
        return {p: self.latest[source, p] for p in partitions if (source, p) in self.latest}

    @contextmanager
    def chunks(self, source: str, snapshot: StoredSnapshot) -> Iterator[Iterator[bytes]]:
        """Of the latest snapshot."""
        self._reach()
        yield iter(self.latest_chunks.get((source, snapshot.partition), {}).values())

    def bare_contexts(self) -> dict[int, tuple[int, tuple[ContextHead, list[bytes]]]]:
        """The last snapshot of every partition: offset, head and chunks, without what its records alone do not settle:
        the promise, for which re-read records do not count, and who was told of the entities."""
        return {
            partition: (
                shot.offset,
                (
                    replace(unpack_head(shot.head), promise=PromiseState()),
                    [bare_chunk(chunk) for chunk in self.latest_chunks[source, partition].values()],
                ),
            )
            for (source, partition), shot in self.latest.items()
        }

    @property
    def scored(self) -> int:
        """Records counted as scored."""
        return sum(count.scored for outcome in self.outcomes for count in outcome.counts)

    @property
    def dead_letters(self) -> dict[Position, str]:
        """Reasons by position. Raises AssertionError for a position written twice."""
        letters = [letter for outcome in self.outcomes for letter in outcome.dead_letters]
        found = {letter.position: letter.reason for letter in letters}
        assert len(found) == len(letters), "a dead letter was written twice"
        return found

    @property
    def decisions(self) -> dict[Position, FlaggedRecord]:
        """The decision on every flagged record after all amendments. Raises AssertionError where one does not fit."""
        found: dict[Position, FlaggedRecord] = {}
        for outcome in self.outcomes:
            for record in outcome.flagged:
                assert record.position not in found, "a flagged record was written twice"
                found[record.position] = record
            for change in outcome.amendments:
                raised = not change.formerly_flagged
                assert change.position in found, "a record was amended that was not flagged"
                assert raised == (found[change.position] is change.flagged), "a decision was amended twice at once"
                if change.flagged is None:
                    del found[change.position]
                else:
                    found[change.position] = change.flagged
        return found

    @property
    def minutes(self) -> dict[tuple[datetime, int], tuple[int, ...]]:
        """Counts by event-time minute and model version: scored, flagged, and at least 1, 2, 3 and 4."""
        sums: dict[tuple[datetime, int], tuple[int, ...]] = {}
        for outcome in self.outcomes:
            for count in outcome.counts:
                key, more = (count.minute, count.model_version), (count.scored, count.flagged, *count.exceeding)
                sums[key] = tuple(map(sum, zip(sums.get(key, (0,) * 6), more, strict=True)))
        return sums

    @property
    def surprises(self) -> dict[Position, float]:
        """Surprise of every flagged record. Raises AssertionError for a position written twice."""
        records = [record for outcome in self.outcomes for record in outcome.flagged]
        found = {record.position: record.surprise for record in records}
        assert len(found) == len(records), "a flagged record was written twice"
        return found


@dataclass
class MemoryRegistry:
    """Promotions in memory."""

    monitor: str
    known: list[ModelVersion] = field(default_factory=list)
    refusals: dict[int, str] = field(default_factory=dict)
    excepted: Exceptions = NO_EXCEPTIONS

    def exceptions(self, monitor: str) -> Exceptions:
        """Those that were set."""
        return self.excepted

    def promote(self, bundle: str) -> ModelVersion:
        """Make a new version the champion."""
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        self.known = [replace(version, status=VersionStatus.RETIRED) for version in self.known]
        version = ModelVersion(
            monitor=self.monitor, version=len(self.known) + 1, bundle=bundle, status=VersionStatus.CHAMPION,
            kind="fake", created=moment, promoted=moment, trained_records=0, history_start=None, history_end=None,
            evaluation=None, reasons=(),
        )  # fmt: skip
        self.known.append(version)
        return version

    def champion(self, monitor: str) -> ModelVersion | None:
        """The one that serves."""
        return next((v for v in reversed(self.known) if v.status is VersionStatus.CHAMPION), None)

    def versions(self, monitor: str) -> list[ModelVersion]:
        """All of them, newest first."""
        return self.known[::-1]

    def refuse(self, monitor: str, version: int, reason: str) -> ModelVersion | None:
        """Mark refused; the one before serves again, and the last one stays."""
        self.refusals[version] = reason
        kept = [v for v in self.known if v.version != version and v.status is not VersionStatus.REFUSED]
        if kept:
            statuses = {version: VersionStatus.REFUSED, kept[-1].version: VersionStatus.CHAMPION}
            self.known = [replace(v, status=statuses.get(v.version, v.status)) for v in self.known]
        return self.champion(monitor)


class FakeContext:
    """The running mean of each entity's numbers, in float32: a context whose every bit depends on the order."""

    warm_after = 3

    def __init__(self, width: int) -> None:
        self.width = width
        self.state_size = width + 1

    def fresh(self, entities: Sequence[str]) -> NDArray[np.float32]:
        """Nothing seen yet."""
        return np.zeros((len(entities), self.state_size), np.float32)

    def extend(self, states: NDArray[np.float32], owners: NDArray[np.intp], batch: Batch) -> Contexts:
        """One row after the other."""
        features = np.empty((len(batch), self.width), np.float32)
        seen = np.empty(len(batch), np.int64)
        for row, owner in enumerate(owners.tolist()):
            state = states[owner]
            seen[row] = int(state[-1])
            state[:-1] += (np.nan_to_num(batch.numbers[row]) - state[:-1]) * np.float32(0.1)
            state[-1] += 1
            features[row] = state[:-1]
        return Contexts(features, seen)

    def adopt(self, states: NDArray[np.float32], previous: ContextEncoder) -> NDArray[np.float32] | None:
        """States of equal size go on."""
        return states.copy() if previous.state_size == self.state_size else None


class FakeDetector:
    """Surprise = gain x the largest distance of a number from its entity's running mean. Both halves are that number."""

    kind = "fake"
    cadence = 0.0
    recurring_gap = 0.0
    follows_drift = False
    notes: tuple[str, ...] = ()

    def __init__(self, schema: RecordSchema, bundle: str = "fake", gain: float = 1.0, threshold: float = 3.0) -> None:
        self.schema = schema
        self.bundle = bundle
        self.context = FakeContext(len(schema.numbers))
        self._gain = np.float32(gain)
        self._threshold = threshold

    def score(self, batch: Batch, contexts: Contexts) -> Scores:
        """Row by row independent. Raises ValueError for the number -1: a record that breaks a model."""
        if (batch.numbers == -1).any():
            raise ValueError("the number -1 breaks this model")
        distance = np.abs(np.nan_to_num(batch.numbers) - contexts.features)
        surprise = self._gain * distance.max(axis=1, initial=0.0)
        return Scores(
            surprise, surprise, surprise, {}, np.zeros(len(batch), bool), contexts.seen < self.context.warm_after
        )

    def explain(self, batch: Batch, contexts: Contexts, scores: Scores) -> list[Explanation]:
        """The running mean is what was expected."""
        names = self.schema.numbers
        return [
            Explanation(
                expected=dict(zip(names, contexts.features[row].tolist(), strict=True)),
                contributions=dict.fromkeys(names, 0.0),
                neighbours=(),
                code=(0.0,),
                place=(0.0, 0.0),
            )
            for row in range(len(batch))
        ]

    def deviations(self, batch: Batch, contexts: Contexts, names: Sequence[str]) -> NDArray[np.float64]:
        """From the running mean."""
        places = [self.schema.numbers.index(name) for name in names]
        return (batch.numbers - contexts.features)[:, places].astype(np.float64)

    def with_stand_ins(self, batch: Batch, names: Sequence[str]) -> Batch:
        """The records themselves."""
        return batch

    def score_without(self, batch: Batch, contexts: Contexts, names: Sequence[str], left: NDArray[np.bool_]) -> Scores:
        """With the running mean in place of what is left out."""
        numbers, places = batch.numbers.copy(), [self.schema.numbers.index(name) for name in names]
        numbers[:, places] = np.where(left, contexts.features[:, places], numbers[:, places])
        return self.score(replace(batch, numbers=numbers), contexts)

    def ongoing(self, batch: Batch, contexts: Contexts, scores: Scores) -> NDArray[np.float32]:
        """The surprise itself."""
        return scores.surprise

    def budget(self, policy: AlertPolicy) -> Budget:
        """Nothing that is not kept."""
        return Budget(self._threshold, 1, None, None, 6.0)

    def threshold(self, policy: AlertPolicy) -> float:
        """The one it was made with."""
        return self._threshold

    def map_ground(self) -> MapGround:
        """An empty map."""
        return MapGround(*(np.zeros(1, np.float32),) * 2, np.zeros((1, 1), np.float32), np.zeros((0, 2), np.float32))


class FakeBundles:
    """Detectors by bundle hash; every other hash is taken for a bundle whose content was changed."""

    def __init__(self, *detectors: FakeDetector) -> None:
        self.detectors = {detector.bundle: detector for detector in detectors}
        self.refusals: dict[str, BundleRefused] = {}
        """What loading a bundle raises instead, by its hash."""

    def load(self, bundle: str) -> FakeDetector:
        """The detector of that hash. Raises BundleRefused."""
        if bundle in self.refusals:
            raise self.refusals[bundle]
        if bundle not in self.detectors:
            raise BundleChanged(f"bundle {bundle} is corrupt; train again")
        return self.detectors[bundle]
