"""Exceptions replayed on a history by a model before it is let in.

history + exceptions + detector -> of each exception, how many records it is about, and how many of them alarm without it and
under it -> what the judge makes of that: one that is not needed any more, or that does not hold.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from latentwatch.detector.exception_facts import DETAIL, replays_of
from latentwatch.detector.interface import Detector
from latentwatch.domain.exceptions import NO_EXCEPTIONS, Exceptions, GroupThreshold, InForce, NormalDeviation
from latentwatch.domain.model import Evaluation, Judgement
from latentwatch.domain.monitor import Monitor
from latentwatch.domain.record import Batch
from latentwatch.labelled_history import flagged_under

_WORSE = 0.1
"""Share of an exception's records from which more alarms under it than the champion raised are no accident."""


def with_replays(
    evaluation: Evaluation, detector: Detector, history: Batch, monitor: Monitor, exceptions: Exceptions
) -> Evaluation:
    """The evaluation with what each exception would come to under this detector.

    `exceptions` take no level off: that is done to a history before anything learns from it. Deviations that are too small
    to count are about every record, and thresholds of groups about every one of theirs, so that they are never called needless.
    """
    found = []
    for one in exceptions:
        covered = one.covers(history)
        if not covered.any() or isinstance(one.form, NormalDeviation | GroupThreshold):
            continue
        read = history.take(covered) if not detector.context.width else history
        about = np.ones(len(read), bool) if read is not history else covered
        alone, under = (
            int(about[flagged_under(read, detector, monitor, made)].sum())
            for made in (NO_EXCEPTIONS, Exceptions((one,)))
        )
        found.append(_told(one, int(covered.sum()), alone, under))
    return replace(evaluation, details={**evaluation.details, DETAIL: found}) if found else evaluation


def _told(one: InForce, records: int, alone: int, under: int) -> dict[str, Any]:
    return {"id": one.id, "text": one.form.in_words, "records": records, "alarming": alone, "alarming_under": under}


def judged_with(judgement: Judgement, monitor: str, challenger: Evaluation, champion: Evaluation | None) -> Judgement:
    """The judgement, in the light of the exceptions: which are not needed any more, and which the challenger breaks."""
    before = {each["id"]: each for each in replays_of(champion)}
    reasons, broken = [], []
    for each in replays_of(challenger):
        if not each["alarming"]:
            reasons.append(
                f"Exception {each['id']} ({each['text']}) is not needed any more: of {each['records']:,} records that it is"
                f" about none would alarm; 'latentwatch exceptions remove {monitor} {each['id']}' undoes it."
            )
        known = before.get(each["id"])
        if known is not None and each["alarming_under"] - known["alarming_under"] > max(1, _WORSE * each["records"]):
            broken.append(
                f"Held: under exception {each['id']} ({each['text']}) {each['alarming_under']:,} of {each['records']:,}"
                f" records would alarm, of the champion's {known['alarming_under']:,}."
            )
    if judgement.promote and broken:
        return Judgement(False, (*judgement.reasons[:-1], *reasons, *broken))
    return Judgement(judgement.promote, (*judgement.reasons[:-1], *reasons, *judgement.reasons[-1:]))
