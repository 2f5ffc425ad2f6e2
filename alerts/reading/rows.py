"""Rows to the domain's nouns."""

from latentwatch.alerts.former_decisions import FormerDecisionRow
from latentwatch.alerts.tables import AlertRow, LabelRow
from latentwatch.domain.alert import Alert, FormerDecision, Label
from latentwatch.domain.record import Position
from latentwatch.domain.rules import Crossing
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
        summary=row.summary,
        crossed=tuple(Crossing(**one) for one in row.crossed),
        verdict=row.verdict,
        at_stake=row.at_stake,
        stake_named=row.stake_named,
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


def former_of(row: FormerDecisionRow) -> FormerDecision:
    """A decision as it was."""
    return FormerDecision(
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
