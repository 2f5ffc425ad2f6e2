"""What late records change in decisions that were given before: the loop's seam to the lateness of records.

Scored -> Outcome with amendments. A decision is amended only by the model version that gave it, so that every decision
replays with the bundle it names; and only what was in the database before counts as a former decision, so that what a
batch corrects in itself leaves no trace.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.interface import Contexts, Detector
from latentwatch.domain.alert import Amendment, Arrival, FlaggedRecord
from latentwatch.domain.outcome import MinuteCount, Outcome
from latentwatch.domain.record import Batch, Position
from latentwatch.domain.sources import TopicSettings
from latentwatch.streams.alignment.alignment import alignment_of
from latentwatch.streams.context.context_blob import CHUNK_BYTES
from latentwatch.streams.context.context_store import ContextStore
from latentwatch.streams.context.lateness import Key, LateContexts, Moved
from latentwatch.streams.context.recent import UNKNOWN_VERSION, Recent, matching
from latentwatch.streams.outcomes import Scored, ScoredBatch, Serving, count_minutes, describe, flagged_rows
from latentwatch.streams.ports import Messages
from latentwatch.streams.sound_scoring import Extended, extend_sound, score_sound
from latentwatch.streams.watching.metrics import ScorerMetrics
from latentwatch.streams.watching.traces import trace_point

_SAME = 1e-5
"""Relative difference in surprise within which a decision counts as unchanged: the arithmetic of another batch size."""


@dataclass(frozen=True, slots=True)
class Changed:
    """N decisions that a batch's late records change, of records that came before it."""

    former: Recent
    """[N] with the decisions they had."""
    again: Scored
    """[N] with those they have now."""
    causes: list[Key]
    """[N] the late record that changed each."""


def memory_of(
    detector: Detector,
    allowed: timedelta,
    source: str,
    topic: TopicSettings | None = None,
    *,
    live: bool = False,
    chunk_bytes: int = CHUNK_BYTES,
) -> tuple[ContextStore, "LateRecords | None"]:
    """An empty memory of one stream for a model; one that puts late records at their place where the monitor allows them."""
    if not allowed:
        contexts = ContextStore(detector.context, live=live, chunk_bytes=chunk_bytes)
        contexts.alignment = alignment_of(detector.schema, topic)
        return contexts, None
    late = LateContexts(detector.context, allowed, detector.schema, source, live=live, chunk_bytes=chunk_bytes)
    return late, LateRecords(late)


class LateRecords:
    """Sees every batch of a scorer between its stages. Used by one thread."""

    def __init__(self, contexts: LateContexts) -> None:
        self._contexts = contexts
        self._moved: dict[Key, Moved] = {}

    def recall(self, batch: Batch, messages: Messages, positions: Mapping[int, int], model: Serving) -> Batch:
        """The records that the database does not have yet, after the others have rebuilt context and decisions.

        Records that are read again are scored again, so that later ones can amend what is stored of them.
        """
        known = batch.offsets < np.array([positions[p] for p in batch.partitions.tolist()], np.int64)
        if not known.any():
            return batch
        extended, _ = extend_sound(self._contexts, batch.take(known), messages)
        scored, _ = score_sound(model.detector, self.at_their_place(extended), messages)
        self._judge_again(model, messages)
        ours = ~np.isin(scored.batch.partitions, list(self._contexts.foreign))
        self._note(scored, flagged_rows(scored, model), model, ours)
        self._contexts.take_arrivals()
        return batch.take(~known)

    def at_their_place(self, extended: Extended) -> Extended:
        """The batch's contexts after all of it has come: its own late records may stand before others of its records."""
        self._moved = self._contexts.take_moved()
        if not self._moved:
            return extended
        batch = extended.batch
        features, seen = extended.contexts.features.copy(), extended.contexts.seen.copy()
        for row, key in enumerate(zip(batch.partitions.tolist(), batch.offsets.tolist(), strict=True)):
            moved = self._moved.pop(key, None)
            if moved is not None:
                features[row], seen[row] = moved.features, moved.seen
        return Extended(batch, Contexts(features, seen))

    def amend(
        self,
        outcome: Outcome,
        scored: ScoredBatch,
        flagged: NDArray[np.intp],
        model: Serving,
        messages: Messages,
        metrics: ScorerMetrics,
    ) -> Outcome:
        """The outcome of a scored batch, of which some rows are flagged, with what its late records change in earlier ones."""
        arrivals = self._contexts.take_arrivals()
        metrics.late.inc(sum(arrival is Arrival.LATE for arrival in arrivals.values()))
        metrics.too_late.inc(sum(arrival is Arrival.TOO_LATE for arrival in arrivals.values()))
        if arrivals:
            told = tuple(
                replace(record, arrival=arrivals.get(record.position[1:], record.arrival)) for record in outcome.flagged
            )
            outcome = replace(outcome, flagged=told)
        changed = self.judge(scored, flagged, model, messages)
        return outcome if changed is None else _with_amendments(outcome, changed, model)

    def judge(
        self, scored: ScoredBatch, flagged: NDArray[np.intp], model: Serving, messages: Messages
    ) -> Changed | None:
        """Take note of a batch's decisions, of which some rows are flagged; what its late records change in earlier ones."""
        changed = self._judge_again(model, messages)
        self._note(scored, flagged, model, np.ones(len(scored.batch), bool))
        self._contexts.take_arrivals()  # whoever wants to know has asked
        return changed

    def _note(self, scored: ScoredBatch, rows: NDArray[np.intp], model: Serving, ours: NDArray[np.bool_]) -> None:
        flagged = np.zeros(len(scored.batch), bool)
        flagged[rows] = True
        version = np.where(ours, model.version, UNKNOWN_VERSION).astype(np.int32)
        self._contexts.judge_new(scored.batch, scored.scores.surprise, flagged, version)

    def _judge_again(self, model: Serving, messages: Messages) -> Changed | None:
        """Score what late records have moved."""
        moved, self._moved = self._moved, {}
        if not moved:
            return None
        recent, places = self._contexts.kept(list(moved))
        ours = (recent.version == model.version) & ~np.isnan(recent.surprise)
        recent, places = recent.take(ours), places[ours]
        if not len(recent):
            return None
        keys = list(zip(recent.batch.partitions.tolist(), recent.batch.offsets.tolist(), strict=True))
        contexts = Contexts(
            np.stack([moved[key].features for key in keys]), np.array([moved[key].seen for key in keys], np.int64)
        )
        # A record that cannot be scored any more keeps the decision it has.
        again, _ = score_sound(model.detector, Extended(recent.batch, contexts), messages)
        rows, found = matching(recent.batch, again.batch)
        former, again, places = recent.take(rows), again.take(found), places[rows]
        flagged = np.zeros(len(again.batch), bool)
        flagged[flagged_rows(again, model)] = True
        difference = np.abs(again.scores.surprise - former.surprise)
        changed = (flagged != former.flagged) | (difference > _SAME * np.maximum(1.0, np.abs(former.surprise)))
        former, again, places = former.take(changed), again.take(changed), places[changed]
        self._contexts.judge(places, again.scores.surprise, flagged[changed], former.version)
        return Changed(former, again, [moved[keys[row]].cause for row in rows[changed].tolist()])


def _with_amendments(outcome: Outcome, changed: Changed, model: Serving) -> Outcome:
    """The outcome with new decisions: exact counts for all, and amendments where the record was or is flagged."""
    former, again, causes = changed.former, changed.again, changed.causes
    rows = flagged_rows(again, model)
    decisions = dict(zip(rows.tolist(), describe(again.take(rows), model), strict=True))
    thresholds = model.exceptions.thresholds(model.threshold, again.batch)
    amendments: list[Amendment] = []
    raised: list[FlaggedRecord] = []
    for row in np.union1d(rows, np.flatnonzero(former.flagged)).tolist():
        decision = decisions.get(row)
        if decision is not None and former.late[row]:
            decision = replace(decision, arrival=Arrival.LATE)
        if decision is not None and not former.flagged[row]:
            raised.append(decision)
        amendments.append(
            Amendment(
                position=again.batch.position(row),
                entity=again.batch.entities[row],
                time=again.batch.time(row),
                cause=Position(again.batch.source, *causes[row]),
                model_version=model.version,
                threshold=float(thresholds[row]),
                former_surprise=float(former.surprise[row]),
                formerly_flagged=bool(former.flagged[row]),
                surprise=float(again.scores.surprise[row]),
                reconstruction=float(again.scores.reconstruction[row]),
                density=float(again.scores.density[row]),
                flagged=decision,
            )
        )
    before = replace(again, scores=replace(again.scores, surprise=former.surprise))
    return replace(
        outcome,
        flagged=outcome.flagged + tuple(raised),
        amendments=tuple(amendments),
        counts=outcome.counts
        + count_minutes(again, rows, model)
        + tuple(map(_taken_away, count_minutes(before, former.flagged, model))),
        trace=outcome.trace
        + tuple(
            trace_point(again.batch, again.scores, row, row in decisions)
            for row in np.union1d(rows, np.flatnonzero(former.flagged)).tolist()
        ),
    )


def _taken_away(count: MinuteCount) -> MinuteCount:
    one, two, three, four = count.exceeding
    return replace(count, scored=-count.scored, flagged=-count.flagged, exceeding=(-one, -two, -three, -four))
