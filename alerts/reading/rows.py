"""Rows to the domain's nouns."""

from latentwatch.alerts.former_verdicts import FormerVerdictRow
from latentwatch.alerts.tables import AlertRow, FlaggedRecordRow, KeptTraceRow, LabelRow, TraceRow
from latentwatch.domain.alert import Alert, FlaggedRecord, FormerVerdict, Label
from latentwatch.domain.outcome import TracePoint
from latentwatch.domain.record import Position
from latentwatch.domain.rules import Crossing, Grounds
from latentwatch.domain.scores import Explanation, Neighbour
from latentwatch.domain.steps import LastingChange, StepAnswer


def alert_of(row: AlertRow, asked: tuple[LastingChange, StepAnswer | None] | None = None) -> Alert:
    """An alert as people see it; `asked` is the question that it asks, and the answer."""
    step, answer = asked or (None, None)
    return Alert(
        id=row.id,
        monitor=row.monitor,
        entity=row.entity,
        kind=row.kind,
        status=row.status,
        severity=row.severity,
        started=row.started,
        ended=row.ended,
        records=row.records,
        peak_surprise=row.peak_surprise,
        threshold=row.threshold,
        model_version=row.model_version,
        features=tuple(row.features),
        crossed=tuple(Crossing(**one) for one in row.crossed),
        verdict=row.verdict,
        silence=row.silence_id,
        over=row.over,
        step=step,
        answer=answer,
        assignee=row.assignee,
        snoozed_until=row.snoozed_until,
    )


def label_of(row: LabelRow) -> Label:
    """A person's verdict."""
    return Label(
        alert=row.alert_id,
        verdict=row.verdict,
        author=row.author,
        cause=row.cause,
        note=row.note,
        created=row.created,
    )


def flagged_of(row: FlaggedRecordRow) -> FlaggedRecord:
    """A flagged record with its explanation."""
    return FlaggedRecord(
        position=Position(row.source, row.partition, row.offset),
        entity=row.entity,
        time=row.time,
        surprise=row.surprise,
        reconstruction=row.reconstruction,
        density=row.density,
        extrapolated=row.extrapolated,
        warming=row.warming,
        threshold=row.threshold,
        model_version=row.model_version,
        bundle=row.bundle,
        values=row.values,
        context=row.context,
        seen=row.seen,
        explanation=Explanation(
            expected=row.expected,
            contributions=row.contributions,
            neighbours=tuple(Neighbour(one["distance"], one["values"]) for one in row.neighbours),
            code=tuple(float(value) for value in row.code),
            place=(row.place_x, row.place_y),
            parts=row.components,
        ),
        grounds=Grounds.from_json(row.grounds),
        arrival=row.arrival,
        revision=row.revision,
    )


def former_of(row: FormerVerdictRow) -> FormerVerdict:
    """A verdict as it was."""
    return FormerVerdict(
        position=Position(row.source, row.partition, row.offset),
        time=row.time,
        surprise=row.surprise,
        flagged=row.flagged,
        threshold=row.threshold,
        model_version=row.model_version,
        cause=Position(row.source, row.cause_partition, row.cause_offset),
        amended=row.amended,
        surprise_since=row.surprise_since,
        flagged_since=row.flagged_since,
    )


def trace_of(row: TraceRow | KeptTraceRow, entity: str) -> TracePoint:
    """A sampled record; what is kept of it for alerts has no position any more."""
    offset, partition = (row.offset, row.partition) if isinstance(row, TraceRow) else (-1, -1)
    return TracePoint(
        entity=entity,
        time=row.time,
        offset=offset,
        partition=partition,
        surprise=row.surprise,
        reconstruction=row.reconstruction,
        density=row.density,
        flagged=row.flagged,
        values=row.values,
    )
