"""Alerts of the past that people confirmed, replayed: does a model still find them?

Detector + history with its anomalies + confirmed alerts -> of each whether it is found, missed, or not in the history
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.corrected_readings import under
from latentwatch.detector.fresh_reading import read_fresh
from latentwatch.detector.interface import Detector
from latentwatch.domain.alert import ConfirmedAlert
from latentwatch.domain.clock import to_microseconds
from latentwatch.domain.exceptions import NO_EXCEPTIONS, Exceptions
from latentwatch.domain.model import Evaluation
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.record import Batch
from latentwatch.domain.rules import NO_RULES, FeatureRules

MOST_REPLAYED = 50
"""Confirmed alerts that are replayed, the newest."""
_LEAD_RECORDS = 200
_LEAD_CONTEXTS = 4
"""How many records before an alert are read with it: as many at least, and as many times what fills a context."""
_LOUD = 0.1
"""Share of those records from which on a detector that flags the alert as well has found nothing."""
_MOST_NAMED = 5


def replay_confirmed(
    detector: Detector,
    history: Batch,
    confirmed: Sequence[ConfirmedAlert],
    policy: AlertPolicy,
    rules: FeatureRules = NO_RULES,
    exceptions: Exceptions = NO_EXCEPTIONS,
) -> list[dict[str, Any]]:
    """Of each of the newest: `alert`, `name` in words, and `found`, None where the history has none of its records.

    `history` holds what was left out of training. An alert is found where one of its records is flagged, and of those
    before it fewer than a tenth are.
    """
    history, detector = history.narrowed(detector.schema), under(detector, exceptions)
    threshold, gap = detector.threshold(policy), policy.gap(detector.cadence)
    newest = sorted(confirmed, key=lambda each: each.started)[-MOST_REPLAYED:]
    order = np.argsort(history.times, kind="stable")
    told = []
    for alert in newest:
        own = order if history.schema.entity is None else order[history.entities[order] == alert.entity]
        times = history.times[own]
        first = int(np.searchsorted(times, to_microseconds(alert.started)))
        last = int(np.searchsorted(times, to_microseconds(alert.ended + gap), side="right"))
        found: bool | None = None
        if first < last:
            lead = max(_LEAD_RECORDS, _LEAD_CONTEXTS * detector.context.warm_after)
            before = min(first, lead)
            part = history.take(own[first - before : last])
            found = _is_found(read_fresh(detector, part, threshold, rules, exceptions).flagged, before)
        told.append({"alert": alert.id, "name": alert.in_words, "found": found})
    return told


def _is_found(flagged: NDArray[np.bool_], before: int) -> bool:
    loud = before > 0 and bool(flagged[:before].mean() >= _LOUD)
    return bool(flagged[before:].any()) and not loud


def confirmed_in_words(evaluation: Evaluation) -> list[str]:
    """What a model finds of them, and what it misses; nothing where there were none."""
    told = evaluation.details.get("confirmed") or []
    replayed = [each for each in told if each["found"] is not None]
    said = []
    if replayed:
        missed = [each["name"] for each in replayed if not each["found"]]
        tail = f"; it misses {_listed(missed)}" if missed else ""
        said.append(f"Of {len(replayed)} confirmed alerts of the past it finds {len(replayed) - len(missed)}{tail}.")
    if len(told) > len(replayed):
        said.append(f"{len(told) - len(replayed)} more lie outside the history, so that they could not be replayed.")
    return said


def lost(challenger: Evaluation, champion: Evaluation) -> str | None:
    """Confirmed alerts that the champion finds and the challenger misses, in words; None where there are none."""
    known = {each["alert"] for each in champion.details.get("confirmed") or [] if each["found"]}
    missed = [
        each["name"]
        for each in challenger.details.get("confirmed") or []
        if each["found"] is False and each["alert"] in known
    ]
    return _listed(missed) if missed else None


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
