"""The scoring loop: records in, decisions out. Begin reading here.

One micro-batch, one straight line, one transaction. Positions live in the database, so that whatever dies, the next
process goes on exactly where the last commit stands. While one batch is being committed the next is fetched and decoded,
which changes nothing that counts; everything else waits until the commit has ended.
"""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from datetime import datetime
from threading import Event
from typing import Any

import structlog

from latentwatch.detector.interface import Detector
from latentwatch.domain.clock import Clock
from latentwatch.domain.errors import StreamRefused, Unavailable
from latentwatch.domain.monitor import Monitor
from latentwatch.domain.outcome import STREAM_REFUSED, AuditEntry, OffsetMove, Outcome
from latentwatch.domain.record import Batch, Decoded
from latentwatch.streams.amending import memory_of
from latentwatch.streams.assignment import Partitions
from latentwatch.streams.batch_size import BatchSize
from latentwatch.streams.committing import Committer
from latentwatch.streams.context.context_blob import CHUNK_BYTES
from latentwatch.streams.context.snapshots import ReportSchedule, SnapshotSchedule
from latentwatch.streams.decoding.patient_decoding import PatientDecoder
from latentwatch.streams.excepting import take_up
from latentwatch.streams.failpoints import Reach, pass_by
from latentwatch.streams.judging import Judged, in_pieces, join, judged
from latentwatch.streams.missed_runs import LEAST_CADENCE, RunRule
from latentwatch.streams.outcomes import Serving, count_minutes, describe, outcome_of
from latentwatch.streams.poison import DeadLetterLimit
from latentwatch.streams.ports import DecodeAs, Messages, Registry, Source, Store
from latentwatch.streams.process_memory import ProcessMemory
from latentwatch.streams.recreation import take_up_stream
from latentwatch.streams.scorer_state import ScorerState
from latentwatch.streams.serving import ChampionWatch
from latentwatch.streams.sound_scoring import extend_sound, score_sound
from latentwatch.streams.waiting import Stopped, wait_for
from latentwatch.streams.watching.health import HealthRecord
from latentwatch.streams.watching.metrics import ScorerMetrics
from latentwatch.streams.watching.promises import promise_broken, read_promises, state_in_words
from latentwatch.streams.watching.run_watch import RunWatch
from latentwatch.streams.watching.stopped_sending import SendingWatch
from latentwatch.streams.watching.totals import Totals
from latentwatch.streams.watching.traces import POINTS_PER_SECOND, REPLAYED_POINTS_PER_SECOND, TraceSampler

log = structlog.get_logger()

_POLL_SECONDS = 0.25
_READMIT_SECONDS = 3.0
_TELL_SECONDS = 1.0


class Scorer:
    """Scores one monitor's stream into its store. One thread; `run` returns when stopped or when the source ends."""

    def __init__(
        self,
        monitor: Monitor,
        source: Source,
        decode_as: DecodeAs,
        store: Store,
        registry: Registry,
        load: Callable[[str], Detector],
        *,
        clock: Clock,
        metrics: ScorerMetrics | None = None,
        health: HealthRecord | None = None,
        pace: BatchSize | None = None,
        limit: DeadLetterLimit | None = None,
        snapshot_seconds: float = 5.0,
        chunk_bytes: int = CHUNK_BYTES,
        beat: Callable[["Scorer"], None] | None = None,
        reach: Reach = pass_by,
        executor: Executor | None = None,
    ) -> None:
        """`decode_as` makes the decoder of the fields that a model reads, and `load` opens a bundle by its content hash;
        `beat` is called about once a second; `reach` at each step, never while a commit is on its way; `executor` runs
        the commits, in a thread of its own if none is given.
        """
        self.totals = Totals()
        self.last_commit: datetime | None = None
        self.metrics = metrics or ScorerMetrics(monitor.name, clock)
        self._health = health or HealthRecord(clock)
        self._monitor, self._source = monitor, source
        self._decode_as = decode_as
        self._store = store
        self._load = load
        self._clock = clock
        self._pace = pace or BatchSize()
        self._limit = limit or DeadLetterLimit()
        self._beat = beat
        self._reach = reach
        self._watch = ChampionWatch(monitor, registry, load, clock, self.metrics.models_refused.inc, self._health)
        self._committer = Committer(store, source, clock, self.metrics, self._health, executor)
        self._chunk_bytes = chunk_bytes
        self._snapshots, self._reports = SnapshotSchedule(clock, snapshot_seconds), ReportSchedule(clock)
        self._traces = TraceSampler(clock, POINTS_PER_SECOND if source.live else REPLAYED_POINTS_PER_SECOND)
        self._process_memory = ProcessMemory(clock)
        self._told = float("-inf")
        self._begun: ScorerState | None = None

    def run(self, stop: Event) -> Totals:
        """Score until stopped, or until a finite source ends.

        Raises StreamRefused, which the audit table has then, where the stream is not what the monitor describes, and
        TopicRecreated where a scorer with a source opened anew is to go on in the topic that took the name."""
        try:
            self.begin(stop)
            while not stop.is_set() and not self._source.finished:
                self.turn(stop)
            self.finish(stop)
            self._save_context(stop)
            self._source.acknowledge(dict(self._running.partitions.positions))
        except Stopped:
            log.info("stopped while a service was away; what was not committed will be read again")
        except StreamRefused as error:
            self._write_audit(AuditEntry(STREAM_REFUSED, None, str(error)))
            raise
        finally:
            self._committer.close()
            self._source.close()
        return self.totals

    def begin(self, stop: Event) -> None:
        """Wait for a model to serve; nothing where one does already. Raises Stopped."""
        if self._begun is not None:
            return
        self._health.source_open()
        model = self._watch.wait(stop, lambda: self._beat and self._beat(self))
        topic, late = self._monitor.source.kafka, self._monitor.late.allowed
        policy = topic.on_recreated if topic else "stop"
        wait_for(lambda: take_up_stream(self._source, self._store, policy), self._clock, stop)
        contexts, late_records = memory_of(
            model.detector, late, self._source.name, topic, live=self._source.live, chunk_bytes=self._chunk_bytes
        )
        partitions = Partitions(
            self._source, self._store, contexts, self._load, self._clock, topic, self._snapshots.miss
        )
        watches = SendingWatch(contexts, self._source.name, self._clock), RunWatch(contexts, self._clock)
        self._begun = ScorerState(model, contexts, late_records, *watches, partitions, self._decoder_of(model))
        self._show_model()

    def turn(self, stop: Event) -> None:
        """One turn of the loop; its commit ends in the next one. Raises Stopped and StreamRefused."""
        started = self._clock.monotonic()
        messages, decoded = self._receive(stop)
        self._send(self._judge(messages, decoded))
        self._pace.note(len(messages), self._clock.monotonic() - started)

    def _receive(self, stop: Event) -> tuple[Messages, Decoded]:
        """The next messages of the partitions that are ours, decoded; meanwhile the commit before them comes to its end."""
        running = self._running
        disturbed, decoder = self._committer.disturbed, running.decoder
        with self.metrics.stage("poll"):
            messages = self._source.poll(self._pace.records, 0.0 if self._committer.busy else _POLL_SECONDS)
        decoded = self._decode(messages, stop)
        if self._committer.busy:
            self.finish(stop)
            small = len(messages) <= self._pace.records // 2
            if small and self._committer.disturbed == disturbed and decoded is not None:
                messages, decoded = self._top_up(messages, decoded, stop)
        self._between_batches(stop)
        for move, note in running.partitions.settle(running.model.detector.bundle):
            self._send(self._outcome((move,), audit=(note,)))
            if self.finish(stop):
                running.partitions.resume_after(move)
        self._health.turned(running.model.version, running.partitions.positions, running.partitions.waiting)
        self._reach("polled")
        ours = running.partitions.ours(messages)
        if self._committer.disturbed > disturbed or decoded is None:
            # The stream may not stand any more where it did when they came.
            ours = running.partitions.again(messages)
        if ours is not messages or running.decoder is not decoder:
            decoded = self._decode(ours, stop)
        while decoded is None:
            ours = running.partitions.again(ours)
            decoded = self._decode(ours, stop)  # nothing, which can always be decoded
        self._reach("decoded")
        return ours, decoded

    def _top_up(self, messages: Messages, decoded: Decoded, stop: Event) -> tuple[Messages, Decoded | None]:
        """A small batch, with what arrived during the commit before it: that need not wait for this one's."""
        with self.metrics.stage("poll"):
            more = self._source.poll(self._pace.records - len(messages), 0.0)
        if not len(more):
            return messages, decoded
        further = self._decode(more, stop)
        return messages.followed_by(more), None if further is None else decoded.followed_by(further)

    def _decode(self, messages: Messages, stop: Event) -> Decoded | None:
        with self.metrics.stage("decode"):
            return self._running.decoder.decode(messages, stop)

    def _decoder_of(self, model: Serving) -> PatientDecoder:
        return PatientDecoder(self._decode_as(model.detector.schema), self._source, self._clock)

    def _judge(self, messages: Messages, decoded: Decoded) -> Outcome:
        """One micro-batch from columns to what the database takes: extend, score, flag, explain."""
        metrics, running = self.metrics, self._running
        model, late = running.model, running.late
        decoded = running.aligned(decoded, messages)
        pieces = in_pieces(decoded.batch)
        if late is not None:  # a late record may change what is said of any other of its batch
            with metrics.stage("context"):
                pieces = [late.recall(decoded.batch, messages, running.partitions.positions, model)]
        found = join([self._judge_piece(piece, messages) for piece in pieces])
        running.partitions.read(messages)
        with metrics.stage("describe"):
            letters = (*running.partitions.unwritten((*decoded.dead_letters, *found.unfit)), *found.unscorable)
            scored, aligned = len(found.scored.batch), running.partitions.unpassed(decoded.aligned)
            self._limit.check(scored + aligned + len(letters), letters)
            outcome = self._outcome(
                running.partitions.moves(messages),
                flagged=describe(found.strange, model),
                dead_letters=letters,
                unread=running.partitions.unwritten(decoded.unread),
                passed=running.partitions.unpassed(decoded.passed),
                aligned=aligned,
                counts=count_minutes(found.scored, found.flagged, model),
                groups=model.groups.count(found.scored.batch),
                trace=self._traces.sample(found.scored.batch, found.scored.scores, found.flagged),
                stretches=running.stretches(found.scored, found.flagged, self._monitor.alert),
                heard=running.sending.take_heard(),
                missed=running.runs.found(model),
                audit=running.shapes.look(decoded, messages),
                excepted=found.excepted,
            )
            if late is not None:
                outcome = late.amend(outcome, found.scored, found.flagged, model, messages, metrics)
        self._reach("described")
        done = scored + len(letters) + outcome.passed + aligned
        metrics.received(len(messages), len(decoded.batch), len(messages) - done)
        return outcome

    def _judge_piece(self, batch: Batch, messages: Messages) -> Judged:
        """Some of a batch's records in order: extend, score, flag."""
        running = self._running
        with self.metrics.stage("context"):
            extended, unfit = extend_sound(running.contexts, batch, messages)
            if running.late is not None:
                extended = running.late.at_their_place(extended)
        self._reach("extended")
        with self.metrics.stage("score"):
            scored, unscorable = score_sound(running.model.detector, running.partitions.unscored(extended), messages)
            found = judged(scored, running.model, unfit, unscorable)
            read_promises(running.contexts.promises, found.scored)
        self._reach("scored")
        return found

    def _send(self, outcome: Outcome) -> None:
        """One transaction: results, dead letters, counts and positions together, now and then the context with them."""
        if not outcome.snapshots and self._snapshots.due(move.partition for move in outcome.moves):
            outcome = self._with_context(outcome)
        outcome = self._with_entities(outcome)
        if outcome.moves:
            self._reach("before commit")
            self._committer.send(outcome)

    def finish(self, stop: Event) -> bool:
        """Hear how the commit on its way ended, if there is one: whether the database took it.

        If not, its partitions start over from what the database says.
        """
        if not self._committer.busy:
            return True
        running = self._running
        outcome, lost = self._committer.arrive(stop)
        if lost:
            self.metrics.partitions_lost.inc(len(lost))
            others = (move.partition for move in outcome.moves if move.partition not in lost)
            running.partitions.readmit(lost, _READMIT_SECONDS)
            running.partitions.readmit(tuple(others), 0.0)
            return False
        running.partitions.advance(outcome.moves)
        self._note(outcome)
        self._reach("committed")
        return True

    def _between_batches(self, stop: Event) -> None:
        """Take up a newly promoted model or other exceptions; once in a while, tell others how it goes."""
        running = self._running
        found = self._watch.look(running.model)
        if found is not None and found.version == running.model.version:
            take_up(found, running)
            self._save_context(stop)
        elif found is not None:
            self._swap(found, stop)
        now = self._clock.monotonic()
        if now - self._told >= _TELL_SECONDS:
            self._told = now
            lag = self._source.lag()
            self._tell_stopped(lag, stop)
            running.partitions.notice_moves()
            self.metrics.lag(lag)
            self.metrics.entities.set(len(running.contexts))
            self.metrics.promise_broken.set(promise_broken(running.contexts.promises))
            self._source.acknowledge(dict(running.partitions.positions))
            self._process_memory.look(self.totals.batches)
            self._reach("acknowledged")
            if self._beat is not None:
                self._beat(self)

    def _tell_stopped(self, lag: dict[int, int], stop: Event) -> None:
        """Open alerts about entities that stopped sending or miss a run, each with its partition's context: nothing is read again."""
        running = self._running
        positions = running.partitions.positions
        admitted = {partition: behind for partition, behind in lag.items() if partition in positions}
        if not self._source.live:
            return
        stops, missed = (watch.look(admitted, running.model) for watch in (running.sending, running.runs))
        if stops or missed:
            self._snapshots.note(entity.partition for entity in (*stops, *missed))
            self._send(self._with_context(self._outcome((), stopped=stops, missed=missed)))
            self.finish(stop)

    def _swap(self, found: Serving, stop: Event) -> None:
        running, before = self._running, self._running.model
        continued = running.contexts.swap(found.detector.context, found.detector.schema)
        running.model = found
        if found.detector.schema.fingerprint() != before.detector.schema.fingerprint():
            running.decoder = self._decoder_of(found)
        self.totals.swaps += 1
        self._reach("swapped")
        log.info("model swapped", version=found.version, before=before.version, context_continued=continued)
        self._show_model()
        self._save_context(stop)

    def _save_context(self, stop: Event) -> None:
        """Write a snapshot of every partition now, and tell of all entities."""
        positions, outcome = self._running.partitions.positions, self._outcome(())
        self._snapshots.note(positions)
        told = self._running.contexts.report(sorted(positions))
        self._send(replace(self._with_context(outcome), entities=told))
        self.finish(stop)

    def _with_context(self, outcome: Outcome) -> Outcome:
        """The outcome with snapshots of what moved."""
        running = self._running
        self._snapshots.note(move.partition for move in outcome.moves)
        snapshots = self._snapshots.take(running.contexts, running.partitions.read_to, running.model.detector.bundle)
        self._reach("snapshotted")
        return replace(running.partitions.fenced(outcome, {each.partition for each in snapshots}), snapshots=snapshots)

    def _with_entities(self, outcome: Outcome) -> Outcome:
        """The outcome with the states of entities whose turn it is to be told."""
        partitions = self._running.partitions
        states = outcome.entities + self._reports.take(self._running.contexts, sorted(partitions.positions))
        return replace(partitions.fenced(outcome, {state.partition for state in states}), entities=states)

    def _outcome(self, moves: tuple[OffsetMove, ...], **parts: Any) -> Outcome:
        detector = None if self._begun is None else self._begun.model.detector
        return outcome_of(self._monitor, detector, self._source.name, moves, **parts)

    def _note(self, outcome: Outcome) -> None:
        self.totals.note(outcome)
        self.metrics.committed(outcome)
        self.last_commit = self._clock.now()
        self.metrics.last_commit.set(self.last_commit.timestamp())
        self._snapshots.note(move.partition for move in outcome.moves if move.start != move.end)

    def _show_model(self) -> None:
        detector, late = self._running.model.detector, self._monitor.late.allowed
        self._running.contexts.run_gaps.rule = RunRule.of(detector, late, LEAST_CADENCE)
        self.metrics.model_version.set(self._running.model.version)
        self.metrics.threshold.set(self._running.model.threshold)

    @property
    def positions(self) -> dict[int, int]:
        """The next offset of every partition that is read now; to be asked from `beat`."""
        return {} if self._begun is None else dict(self._begun.partitions.positions)

    @property
    def state(self) -> str:
        """In words: scoring, why the champion is not served here, or that the promise no longer holds."""
        return self._watch.notice or state_in_words({} if self._begun is None else self._begun.contexts.promises)

    def lag(self) -> dict[int, int]:
        """Records behind the end, by partition, where known."""
        return self._source.lag()

    @property
    def serving(self) -> Serving | None:
        """The model that scores; None before the first."""
        return None if self._begun is None else self._begun.model

    @property
    def _running(self) -> ScorerState:
        assert self._begun is not None  # `begin` comes before anything else
        return self._begun

    def _write_audit(self, entry: AuditEntry) -> None:
        try:
            self._store.commit(self._outcome((), audit=(entry,)))
        except Unavailable as error:
            log.warning("audit entry not written", entry=entry.message, reason=str(error))
