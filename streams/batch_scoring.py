"""Scoring without a database: the scoring loop as a function of the records.

Batch -> Scored, and the earlier decisions that its late records change
messages -> rows of `{"position", "surprise", "reconstruction", "density", "flagged"}`; of dead letters `{"position", "error"}`

A flagged row may have `entity`, `time`, the guilty `features`, and `because` where rules of the monitor decided. A row that an
exception let pass has `excepted`, the exception's number; one of a message with values that their features cannot have is scored
without them, and has why by their names in `unread`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.interface import Detector
from latentwatch.detector.steps.detector import asking
from latentwatch.detector.weighted import under_weights
from latentwatch.domain.clock import from_microseconds
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.exceptions import NO_EXCEPTIONS, Exceptions
from latentwatch.domain.monitor import Monitor
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.record import Batch, DeadLetter
from latentwatch.domain.rules import NO_RULES, FeatureRules
from latentwatch.streams.amending import Changed, memory_of
from latentwatch.streams.decoding.sound_decoding import decode_sound
from latentwatch.streams.missed_runs import MissedRuns, RunRule
from latentwatch.streams.outcomes import Scored, Serving, decide_by, describe
from latentwatch.streams.ports import Decoder, Messages, Source
from latentwatch.streams.sound_scoring import extend_sound, score_sound

BATCH_RECORDS = 8_192
_POLL_SECONDS = 0.5
_NO_VERSION = 0
_IN_ORDER = timedelta(0)


@dataclass(frozen=True, slots=True)
class Findings:
    """What came of a batch."""

    scored: Scored
    flagged: NDArray[np.intp]
    """Rows of those, in order."""
    excepted: Mapping[int, int] = field(default_factory=dict)
    """Row to the exception that let it pass."""
    unscorable: tuple[DeadLetter, ...] = field(default=())
    changed: Changed | None = None
    """Decisions on earlier records that are other ones now."""


class StreamScorer:
    """Scores the batches of one stream in their order. Remembers contexts, writes nothing."""

    def __init__(
        self,
        detector: Detector,
        policy: AlertPolicy,
        source: str,
        late: timedelta = _IN_ORDER,
        rules: FeatureRules = NO_RULES,
        exceptions: Exceptions = NO_EXCEPTIONS,
    ) -> None:
        """`late` is how far a record may come after younger ones of its entity and still be put at its place; `rules` are
        the monitor's, where it says what matters of its features, and `exceptions` those that people made."""
        self.threshold = detector.threshold(policy)
        acting = asking(under_weights(detector, rules.weights), self.threshold, policy.after_step)
        self.serving = Serving(acting, _NO_VERSION, self.threshold, rules).excepting(exceptions)
        self.detector = self.serving.detector
        self._contexts, self._late = memory_of(self.detector, late, source)

    @classmethod
    def of(cls, detector: Detector, monitor: Monitor, source: str, exceptions: Exceptions = NO_EXCEPTIONS) -> Self:
        """For the stream of a monitor under its exceptions."""
        rules = FeatureRules.of(monitor.record, detector.schema)
        return cls(detector, monitor.alert, source, monitor.late.allowed, rules, exceptions)

    def score(self, batch: Batch, messages: Messages) -> Findings:
        """Decisions on a batch, which was decoded from these messages."""
        extended, unfit = extend_sound(self._contexts, batch, messages)
        if self._late is not None:
            extended = self._late.at_their_place(extended)
        scored, unscorable = score_sound(self.detector, extended, messages)
        flagged, _, excepted = decide_by(scored, self.serving)
        changed = None if self._late is None else self._late.judge(scored, flagged, self.serving, messages)
        return Findings(scored, flagged, excepted, (*unfit, *unscorable), changed)


class RowScorer:
    """Scores messages into rows. Of one partition, in their order."""

    def __init__(self, decoder: Decoder, scorer: StreamScorer, tell: bool = False) -> None:
        """`tell` has flagged rows say whom and when they are about, and why, and any row how many runs of its entity were
        `missed` before it."""
        self.decoder = decoder
        self.passed = 0
        """Messages so far that are not what `where` asks, and have no row."""
        self._scorer = scorer
        self._tell = tell
        self._missed = MissedRuns(RunRule.of(scorer.detector))

    def score(self, messages: Messages) -> list[dict[str, Any]]:
        """One row a message, in their order; then the rows of earlier records again whose score a late record changed,
        each with the position of the late record as `amended_by` and whether it was `formerly_flagged`.
        """
        decoded = decode_sound(self.decoder, messages)
        self.passed += len(decoded.passed)
        found = self._scorer.score(decoded.batch, messages)
        rows = self._rows(found.scored, found.flagged, found.excepted)
        if self._tell:
            for row, missed in zip(rows, self._missed.before(found.scored.batch), strict=True):
                if missed:
                    row["missed"] = missed
        errors = [
            {"position": letter.position.offset, "error": letter.reason}
            for letter in (*decoded.dead_letters, *found.unscorable)
        ]
        unread: dict[int, dict[str, str]] = {}
        for value in decoded.unread:
            unread.setdefault(value.position.offset, {})[value.feature] = value.reason
        for row in rows if unread else ():
            if row["position"] in unread:
                row["unread"] = unread[row["position"]]
        if errors:
            rows = sorted(rows + errors, key=lambda row: row["position"])
        if found.changed is not None:
            changed = found.changed
            decided = decide_by(changed.again, self._scorer.serving)
            again = self._rows(changed.again, decided.rows, decided.excepted)
            amended = zip(again, changed.causes, changed.former.flagged.tolist(), strict=True)
            rows += [
                {**row, "amended_by": offset, "formerly_flagged": flagged} for row, (_, offset), flagged in amended
            ]
        return rows

    def _rows(self, scored: Scored, flagged: NDArray[np.intp], excepted: Mapping[int, int]) -> list[dict[str, Any]]:
        batch, scores = scored.batch, scored.scores
        raised = np.zeros(len(batch), bool)
        raised[flagged] = True
        rows: list[dict[str, Any]] = [
            {
                "position": offset,
                "surprise": surprise,
                "reconstruction": reconstruction,
                "density": density,
                "flagged": flag,
            }
            for offset, surprise, reconstruction, density, flag in zip(
                batch.offsets.tolist(),
                scores.surprise.tolist(),
                scores.reconstruction.tolist(),
                scores.density.tolist(),
                raised.tolist(),
                strict=True,
            )
        ]
        for row, exception in excepted.items():
            rows[row]["excepted"] = exception
        if self._tell:
            for row, told in zip(flagged.tolist(), self._told(scored.take(flagged)), strict=True):
                rows[row] |= told
        return rows

    def _told(self, flagged: Scored) -> list[dict[str, Any]]:
        batch = flagged.batch
        told: list[dict[str, Any]] = []
        for record in describe(flagged, self._scorer.serving):
            because = {"because": " ".join(record.grounds.in_words)} if record.grounds else {}
            told.append({"features": record.features} | because)
        if batch.schema.entity:
            told = [{"entity": entity, **row} for entity, row in zip(batch.entities.tolist(), told, strict=True)]
        if batch.schema.time:
            times = map(from_microseconds, batch.times.tolist())
            told = [
                {"time": time.isoformat().replace("+00:00", "Z"), **row} for time, row in zip(times, told, strict=True)
            ]
        return told


def score_records(
    source: Source, scorer: RowScorer, batch_records: int = BATCH_RECORDS
) -> Iterator[list[dict[str, Any]]]:
    """Score a source of one partition from its beginning to its end, a batch of rows at a time.

    Raises InvalidInput for a source that never ends.
    """
    if source.live:
        raise InvalidInput(f"{source.name} never ends; score it into the database, without --input and --output")
    source.open()
    for partition in source.changes().gained:
        source.seek(partition, source.start_offset(partition))
    while not source.finished:
        messages = source.poll(batch_records, _POLL_SECONDS)
        if len(messages):
            yield scorer.score(messages)
