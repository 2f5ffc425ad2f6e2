"""What an exception would have changed in the past: alerts that would not have been, confirmed ones among them.

A form + past alerts with records -> Preview. Records are scored again from what was stored of them.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.exceptions import can_leave_out, claims, without
from latentwatch.detector.interface import Detector
from latentwatch.domain.alert import FlaggedRecord, Verdict
from latentwatch.domain.errors import BundleRefused
from latentwatch.domain.exceptions import Exceptions, Form, GroupThreshold, InForce, NormalLevel, NormalValue
from latentwatch.domain.percent import percent
from latentwatch.review.exception_candidates import PastAlert
from latentwatch.review.replay import batch_of, contexts_of


@dataclass(frozen=True, slots=True)
class Preview:
    """What an exception would have changed."""

    alerts_like: int
    """Alerts, not confirmed, of which it is about some record."""
    alerts_covered: int
    """Those of them that would not have been at all."""
    share_of_alerts: float
    """Records of those like it that it would have let pass, of all that they have."""
    confirmed: tuple[int, ...]
    """Alerts labelled true that would not have been."""
    share_of_records: float
    """Records that it would have let pass, of all that were scored."""
    covered: frozenset[int] = frozenset()
    """Every alert that would not have been."""
    records: float = 0.0
    """Records of all alerts that it would have let pass."""

    @property
    def in_words(self) -> str:
        """A sentence for people."""
        one, part = self.alerts_like == 1, self.alerts_covered < self.alerts_like
        records = f", {percent(self.share_of_alerts)} of their records" if part else ""
        return (
            f"{self.alerts_covered} of {self.alerts_like} alert{'' if one else 's'} like it would not have been{records}; "
            f"{len(self.confirmed)} confirmed would be lost; {percent(self.share_of_records)} of records"
        )


def preview(form: Form, past: Sequence[PastAlert], scored: int, load: Callable[[str], Detector]) -> Preview:
    """Over past alerts, of a monitor that scored so many records. `load` opens a bundle, or raises BundleRefused.

    Records whose bundle cannot be opened any more are taken to alarm as they did.
    """
    about, passing = _verdicts(form, [record for case in past for record in case.records], load)
    like, covered, confirmed, records, all_of_like, of_like, at = 0, set[int](), [], 0.0, 0, 0.0, 0
    for case in past:
        mine = slice(at, at + len(case.records))
        at += len(case.records)
        if not about[mine].any():
            continue
        passed = case.alert.records * float(passing[mine].mean())
        true = case.alert.verdict is Verdict.TRUE
        records += passed
        if not true:
            like, all_of_like, of_like = like + 1, all_of_like + case.alert.records, of_like + passed
        if passing[mine].all():
            covered.add(case.alert.id)
            confirmed += [case.alert.id] if true else []
    share = min(1.0, records / scored) if scored else 0.0
    return Preview(
        alerts_like=like,
        alerts_covered=len(covered) - len(confirmed),
        share_of_alerts=of_like / all_of_like if all_of_like else 0.0,
        confirmed=tuple(sorted(confirmed)),
        share_of_records=share,
        covered=frozenset(covered),
        records=records,
    )


def _verdicts(
    form: Form, records: Sequence[FlaggedRecord], load: Callable[[str], Detector]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """[N] whether the form is about a record, and [N] whether it would let it pass."""
    about, passing = np.zeros(len(records), bool), np.zeros(len(records), bool)
    by_bundle: dict[str, list[int]] = defaultdict(list)
    for place, record in enumerate(records):
        by_bundle[record.bundle].append(place)
    for bundle, places in by_bundle.items():
        try:
            detector = load(bundle)
        except BundleRefused:
            continue
        about[places], passing[places] = _decisions_on(detector, form, [records[place] for place in places])
    return about, passing


def _decisions_on(
    detector: Detector, form: Form, records: Sequence[FlaggedRecord]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    batch, contexts = batch_of(detector, *records), contexts_of(*records)
    one = InForce(0, form)
    if isinstance(form, GroupThreshold):
        covered = one.covers(batch)
        above = np.array([record.surprise - record.threshold for record in records])
        beyond_a_limit = np.array([bool(record.grounds.crossed) for record in records])
        return covered, covered & (above < form.shift) & ~beyond_a_limit
    if isinstance(form, NormalValue) and detector.context.width:
        # What was remembered is not stored word by word: every record that shows the word is taken to pass.
        covered = one.covers(batch)
        return covered, covered
    if isinstance(form, NormalLevel):
        covered, names = one.covers(batch), tuple(name for name in form.features if can_leave_out(detector, name))
    else:
        found = claims(detector, Exceptions((one,)), batch, contexts)
        covered = found[0].covered if found else np.zeros(len(batch), bool)
        names = found[0].features if found else ()
    passing = np.zeros(len(batch), bool)
    rows = np.flatnonzero(covered) if names else np.zeros(0, np.intp)
    if len(rows):
        discounted = sorted({name for row in rows.tolist() for name in records[row].grounds.discounted} - {*names})
        left = np.ones((len(rows), len(names) + len(discounted)), bool)
        for column, name in enumerate(discounted, len(names)):
            left[:, column] = [name in records[row].grounds.discounted for row in rows.tolist()]
        remaining = without(detector, batch.take(rows), contexts.take(rows), [*names, *discounted], left)
        thresholds = np.array([records[row].threshold for row in rows.tolist()])
        beyond_a_limit = np.array([bool(records[row].grounds.crossed) for row in rows.tolist()])
        passing[rows] = (remaining < thresholds) & ~beyond_a_limit
    return covered, passing
