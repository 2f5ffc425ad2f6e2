"""From scored records to what the database takes: flagged records with reasons, exact minute counts, offset moves."""

from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.corrected_readings import corrected_values
from latentwatch.detector.decision import Decision, decide, in_steps
from latentwatch.detector.interface import Contexts, Detector
from latentwatch.detector.steps.detector import acting_under, asking
from latentwatch.detector.weighted import under_weights
from latentwatch.domain.alert import FlaggedRecord
from latentwatch.domain.clock import from_microseconds
from latentwatch.domain.exceptions import NO_EXCEPTIONS, Exceptions
from latentwatch.domain.monitor import Monitor
from latentwatch.domain.outcome import MinuteCount, OffsetMove, Outcome
from latentwatch.domain.record import Batch
from latentwatch.domain.rules import NO_GROUNDS, NO_RULES, FeatureRules, Grounds
from latentwatch.domain.scores import Scores
from latentwatch.streams.group_counting import GroupCounter

_MINUTE = 60_000_000


@dataclass(frozen=True, slots=True)
class Serving:
    """The model in force: its detector, its version and the threshold the monitor's policy asks of it."""

    detector: Detector
    version: int
    threshold: float
    rules: FeatureRules = NO_RULES
    """What the monitor says matters of the features that the model reads."""
    exceptions: Exceptions = NO_EXCEPTIONS
    """What people say is normal; the detector reads records as those say that act before the past is remembered."""
    groups: GroupCounter = field(default_factory=GroupCounter, compare=False)
    """Counts records by the groups that the monitor asks for."""

    @classmethod
    def of(cls, detector: Detector, version: int, monitor: Monitor, exceptions: Exceptions = NO_EXCEPTIONS) -> Self:
        """A model under a monitor's policy and rules, and under its exceptions."""
        rules, threshold = FeatureRules.of(monitor.record, detector.schema), detector.threshold(monitor.alert)
        weighted = under_weights(detector, rules.weights)
        acting = acting_under(asking(weighted, threshold, monitor.alert.after_step), exceptions)
        groups = GroupCounter(version, monitor.segments, monitor.record.timezone)
        return cls(acting, version, threshold, rules, exceptions, groups)

    def excepting(self, exceptions: Exceptions) -> Self:
        """The same model under other exceptions."""
        return replace(self, detector=acting_under(self.detector, exceptions), exceptions=exceptions)


@dataclass(frozen=True, slots=True)
class ScoredBatch:
    """A batch with its scores."""

    batch: Batch
    scores: Scores


@dataclass(frozen=True, slots=True)
class Scored(ScoredBatch):
    """A batch with its scores and with the contexts that explain them."""

    contexts: Contexts

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> "Scored":
        """The chosen rows."""
        return Scored(self.batch.take(rows), self.scores.take(rows), self.contexts.take(rows))


def flagged_rows(scored: Scored, serving: Serving) -> NDArray[np.intp]:
    """Rows that are flagged by the threshold in force, the monitor's rules and its exceptions."""
    return decide_by(scored, serving).rows


def decide_by(scored: Scored, serving: Serving) -> Decision:
    """Rows that are flagged, what rules and exceptions had to do with each, and which exceptions let others pass."""
    return decide(
        serving.detector,
        serving.rules,
        serving.threshold,
        scored.batch,
        scored.contexts,
        scored.scores,
        serving.exceptions,
    )


def describe(scored: Scored, serving: Serving) -> tuple[FlaggedRecord, ...]:
    """Flagged records with everything needed to understand and to replay them; all rows of `scored` are flagged."""
    batch, scores = scored.batch, scored.scores
    if not len(batch):
        return ()
    grounds, asks = _grounds(scored, serving), in_steps(batch, scores, serving.exceptions)[1].tolist()
    reasons = serving.detector.explain(batch, scored.contexts, scores)
    values, times = batch.all_values(), batch.times.tolist()
    contexts = np.ascontiguousarray(scored.contexts.features, "<f4")
    surprise, reconstruction, density = (
        half.tolist() for half in (scores.surprise, scores.reconstruction, scores.density)
    )
    thresholds = serving.exceptions.thresholds(serving.threshold, batch).tolist()
    nothing = [False] * len(batch)
    extrapolated = scores.extrapolated.tolist() or nothing
    warming = scores.warming.tolist() or nothing
    return tuple(
        FlaggedRecord(
            position=batch.position(row),
            entity=batch.entities[row],
            time=from_microseconds(times[row]),
            surprise=surprise[row],
            reconstruction=reconstruction[row],
            density=density[row],
            extrapolated=extrapolated[row],
            warming=warming[row],
            threshold=thresholds[row],
            model_version=serving.version,
            bundle=serving.detector.bundle,
            values=values[row],
            context=contexts[row].tobytes(),
            seen=int(scored.contexts.seen[row]),
            explanation=reasons[row],
            grounds=replace(grounds.get(row, NO_GROUNDS), step=reasons[row].step if asks[row] else None),
        )
        for row in range(len(batch))
    )


def _grounds(scored: Scored, serving: Serving) -> dict[int, Grounds]:
    """What rules and exceptions had to do with each row, of those of which there is something to say."""
    weights = serving.rules.weights
    if not (serving.rules or serving.exceptions or weights):
        return {}
    decided, read_as = decide_by(scored, serving), corrected_values(serving.detector, scored.batch)
    return {
        row: replace(grounds, read_as=read_as[row], weights=weights)
        for row, grounds in zip(decided.rows.tolist(), decided.grounds, strict=True)
    }


def count_minutes(
    scored: ScoredBatch, flagged: NDArray[np.intp] | NDArray[np.bool_], serving: Serving
) -> tuple[MinuteCount, ...]:
    """Exact counts of every event-time minute in the batch; `flagged` are its flagged rows."""
    if not len(scored.batch):
        return ()
    surprise = scored.scores.surprise
    minutes, places = np.unique(scored.batch.times // _MINUTE, return_inverse=True)
    counted = [slice(None), flagged, *(surprise >= level for level in (1.0, 2.0, 3.0, 4.0))]
    table = np.stack([np.bincount(places[rows], minlength=len(minutes)) for rows in counted], axis=1)
    return tuple(
        MinuteCount(
            minute=from_microseconds(int(minute) * _MINUTE),
            model_version=serving.version,
            scored=row[0],
            flagged=row[1],
            exceeding=(row[2], row[3], row[4], row[5]),
        )
        for minute, row in zip(minutes.tolist(), table.tolist(), strict=True)
    )


def outcome_of(
    monitor: Monitor, detector: Detector | None, source: str, moves: tuple[OffsetMove, ...], **parts: Any
) -> Outcome:
    """What a micro-batch changes, grouped into alerts and incidents as the monitor says.

    `detector` knows at what pace an entity's records come, None where no model serves yet; `parts` are further fields.
    """
    alert, cadence = monitor.alert, 0.0 if detector is None else detector.cadence
    return Outcome(
        monitor.name,
        source,
        moves,
        group_gap_seconds=alert.gap(cadence).total_seconds(),
        one_by_one=detector is not None and not detector.cadence and not detector.context.width,
        incident_rule=monitor.incident_rule(cadence),
        settle_seconds=alert.settle.total_seconds(),
        **parts,
    )
