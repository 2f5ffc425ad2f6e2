"""A history as people's words say it is to be learned from.

history + labels + exceptions -> the records to learn from, and which of them are always learned from

Levels that are excepted are taken off, so that what is learned is what is scored. What was called normal is learned from
whatever part of the history it lies in; but where an exception was made for it, what still alarms under that is left out.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from latentwatch.alerts.episodes import entity_key
from latentwatch.alerts.exceptions import StoredException
from latentwatch.alerts.normal_stretches import NormalStretch
from latentwatch.alerts.reviewing import INCIDENT_MARGIN, Interval
from latentwatch.detector.corrected_readings import correct, under
from latentwatch.detector.decision import decide
from latentwatch.detector.interface import Detector
from latentwatch.detector.running_context import RunningContext
from latentwatch.domain.clock import from_microseconds, to_microseconds
from latentwatch.domain.exceptions import Exceptions, InForce, NormalLevel
from latentwatch.domain.monitor import Monitor
from latentwatch.domain.record import Batch
from latentwatch.domain.rules import FeatureRules

_CHUNK = 20_000
"""Records that are scored at a time: contexts are larger than records."""


def without_incidents(batch: Batch, intervals: Sequence[Interval]) -> Batch:
    """The batch without the records of labelled anomalies and open alerts; intervals are half open."""
    return batch.take(~within(batch, intervals))


def within(batch: Batch, stretches: Sequence[Interval] | Sequence[NormalStretch]) -> NDArray[np.bool_]:
    """[N] whether a record lies in one of the stretches, half open.

    Where the monitor names no entity, what the history's files are called tells nothing about whom an alert was: its time
    alone counts.
    """
    inside = np.zeros(len(batch), bool)
    anyone = batch.schema.entity is None
    names, owners = np.unique(batch.entities.astype(str), return_inverse=True)
    known = {entity_key(name): place for place, name in enumerate(names.tolist())}
    rows = np.argsort(owners, kind="stable")
    firsts = np.searchsorted(owners[rows], np.arange(len(names) + 1))
    for stretch in stretches:
        if anyone:
            mine: NDArray[np.intp] | slice = slice(None)
        elif stretch.entity in known:
            place = known[stretch.entity]
            mine = rows[firsts[place] : firsts[place + 1]]
        else:
            continue
        times = batch.times[mine]
        inside[mine] |= (times >= to_microseconds(stretch.start)) & (times < to_microseconds(stretch.end))
    return inside


def levels_of(exceptions: Exceptions) -> Exceptions:
    """Those that take a level off."""
    return Exceptions(tuple(one for one in exceptions if isinstance(one.form, NormalLevel)))


def others_of(exceptions: Exceptions) -> Exceptions:
    """Those that take no level off."""
    return Exceptions(tuple(one for one in exceptions if not isinstance(one.form, NormalLevel)))


def levelled(batch: Batch, exceptions: Exceptions) -> Batch:
    """The batch without the levels that are excepted."""
    return correct(batch, levels_of(exceptions))


def still_strange(
    batch: Batch,
    champion: Detector,
    monitor: Monitor,
    made: Sequence[StoredException],
    stretches: Sequence[NormalStretch],
) -> list[Interval]:
    """What alarms in stretches called normal although something was excepted for them, with a margin on both sides.

    `batch` is the history without the levels that are excepted, and has all that `champion` reads.
    """
    answered = {alert for each in made for alert in each.alerts}
    mine = [stretch for stretch in stretches if stretch.alert in answered]
    inside = within(batch, mine)
    if not inside.any():
        return []
    rows = flagged_under(batch.narrowed(champion.schema), champion, monitor, others_of(in_force(made)))
    return [
        Interval(entity_key(batch.entities[row]), moment - INCIDENT_MARGIN, moment + INCIDENT_MARGIN)
        for row in rows[inside[rows]].tolist()
        for moment in (from_microseconds(int(batch.times[row])),)
    ]


def flagged_under(batch: Batch, detector: Detector, monitor: Monitor, exceptions: Exceptions) -> NDArray[np.intp]:
    """Rows of a whole history that a detector flags under exceptions, each entity's past beginning with it."""
    acting = under(detector, exceptions)
    rules, threshold = FeatureRules.of(monitor.record, detector.schema), detector.threshold(monitor.alert)
    remembered = RunningContext(acting.context)
    found = [np.zeros(0, np.intp)]
    for start in range(0, len(batch), _CHUNK):
        part = batch.take(slice(start, start + _CHUNK))
        contexts = remembered.extend(part)
        scores = acting.score(part, contexts)
        found.append(start + decide(acting, rules, threshold, part, contexts, scores, exceptions).rows)
    return np.concatenate(found)


def in_force(made: Sequence[StoredException]) -> Exceptions:
    """Stored exceptions as they act, the oldest first."""
    return Exceptions(tuple(InForce(each.id, each.form, each.until) for each in sorted(made, key=lambda one: one.id)))
