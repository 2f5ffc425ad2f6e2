"""Alerts at a glance: of each, what its first feature showed, what was expected of it, and a short line of its course."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, select

from latentwatch.alerts.course_table import CourseRow, KeptTraceRow
from latentwatch.alerts.kept_trace import MOST_PIECES
from latentwatch.alerts.session import reading
from latentwatch.domain.course import Course, FeatureCourse, Usual
from latentwatch.domain.record import Value
from latentwatch.domain.trace_block import TraceBlock, blocks_together

MOST_POINTS = 60
"""Points of a line."""


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What one feature did over an alert."""

    feature: str
    value: Value
    """At the alert's strangest record, or its last known one before."""
    expected: Value
    """Of it, at that record."""
    usual: Usual | None
    """What it showed before the alert; None where that is not known."""
    line: NDArray[np.float64]
    """[N] its values over time, what led up to the alert first, NaN where one is missing; empty for what is no number."""
    began: int
    """Place in `line` of the first value within the alert."""


def glimpses_of(engine: Engine, features: Mapping[int, str]) -> dict[int, Glimpse]:
    """Of each alert the feature that is asked for; alerts that know nothing of theirs are left out. Raises Unavailable."""
    courses, pieces = CourseRow, KeptTraceRow
    asked = sorted(features)
    told: dict[int, FeatureCourse] = {}
    traces: dict[int, list[tuple[bool, TraceBlock]]] = {}
    with reading(engine) as session:
        stored = select(courses.alert_id, courses.course).where(courses.alert_id.in_(asked)).limit(len(asked))
        for alert, course in session.execute(stored):
            if (feature := Course.from_json(course).features.get(features[alert])) is not None:
                told[alert] = feature
        kept = (
            select(pieces.alert_id, pieces.leads_up, pieces.points)
            .where(pieces.alert_id.in_(told))
            .order_by(pieces.leads_up.desc(), pieces.since)
            .limit((MOST_PIECES + 1) * len(asked))
        )
        for alert, leads_up, points in session.execute(kept):
            traces.setdefault(alert, []).append((leads_up, points))
    return {alert: _glimpse(features[alert], course, traces.get(alert, [])) for alert, course in told.items()}


def _glimpse(name: str, course: FeatureCourse, pieces: list[tuple[bool, TraceBlock]]) -> Glimpse:
    before, within = ([points for leads_up, points in pieces if leads_up is wanted] for wanted in (True, False))
    led_up, during = _line(name, before), _line(name, within)
    led_up = led_up[-max(MOST_POINTS, len(during)) :]  # as much of what was usual as of what is strange, at most
    line = np.concatenate([led_up, during])
    shown = np.unique(np.linspace(0, len(line) - 1, min(MOST_POINTS, len(line))).round().astype(np.intp))
    began = int(np.searchsorted(shown, len(led_up)))
    return Glimpse(name, course.worst, course.expected, course.usual, line[shown], began)


def _line(name: str, blocks: list[TraceBlock]) -> NDArray[np.float64]:
    """[N] the values of a numeric feature in time order; none of any other."""
    whole = blocks_together(blocks)
    if name not in whole.numeric:
        return np.zeros(0)
    return whole.numbers[:, whole.numeric.index(name)].astype(np.float64)
