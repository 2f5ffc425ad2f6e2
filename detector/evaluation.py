"""How a detector does on records it never saw, and whether it may replace the one that serves.

Detector + holdout → Evaluation; challenger + champion → Judgement with its reasons in words.
"""

from collections import defaultdict
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import numpy as np
from scipy.stats import beta

from latentwatch.detector.budget import amount
from latentwatch.detector.confirmed import confirmed_in_words, lost
from latentwatch.detector.corrected import under
from latentwatch.detector.entities import rows_by_entity
from latentwatch.detector.faults import PlantedFault, plant_faults, rows_by_series
from latentwatch.detector.fresh_reading import FreshReading, read_fresh
from latentwatch.detector.interface import Detector
from latentwatch.detector.overdispersion import overdispersion
from latentwatch.detector.rates import RateDetector
from latentwatch.detector.running_context import RunningContext
from latentwatch.detector.sensitivity import smallest_changes
from latentwatch.detector.weighted import under_weights
from latentwatch.domain.durations import format_duration
from latentwatch.domain.episodes import count_episodes
from latentwatch.domain.errors import InvalidHistory
from latentwatch.domain.exceptions import NO_EXCEPTIONS, Exceptions
from latentwatch.domain.model import Evaluation, Judgement
from latentwatch.domain.percent import percent
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.record import Batch
from latentwatch.domain.rules import NO_RULES, FeatureRules

PROMISE_FACTOR = 2.0
"""A promise counts as kept while the realised rate's 95 % interval reaches down to this multiple of the promised rate."""

_FAULTS_PER_KIND = 4
_SIZES = (1.0, 2.0, 4.0)
"""Of what is planted: three spreads of a sensor are much on one, and within the usual of another."""
_FAULT_RECORDS = 60
_DAY_MICROSECONDS = 86_400_000_000
BLIND_BELOW = 0.1
"""Share of the planted faults below which a model finds next to nothing."""
_FEWEST_TO_TELL = 8
"""Planted faults below which that says nothing."""
FAR_LARGER = 4.0
"""How many times the champion's smallest change is worth telling: sizes are told apart by factors of two."""
MOST_TOLD = 8
"""Features whose smallest change stands in the reasons."""
_IN_DOUBT = ", and may raise more than twice the false alarms that it promises: look whether it does"
MOST_LOST = 40
"""Features of which it is said that a change of them is no longer found: each is one that nobody watches any more."""


def evaluate(
    detector: Detector,
    holdout: Batch,
    policy: AlertPolicy,
    seed: int = 0,
    rules: FeatureRules = NO_RULES,
    exceptions: Exceptions = NO_EXCEPTIONS,
) -> Evaluation:
    """Measure realised against promised false alarms on `holdout`, and recall on faults planted into it.

    `holdout` is taken as normal. Records that the detector marks as warming up count only where nothing else is there.
    A planted fault is found when one of its records is flagged that is not flagged without the fault; so a detector
    that flags everything finds nothing. `rules` are what the monitor says matters of its features, and
    `exceptions` what people say is normal. Raises InvalidHistory when the holdout is empty.
    """
    if not len(holdout):
        raise InvalidHistory("the holdout is empty; train on a longer history")
    notes = detector.notes
    if isinstance(detector, RateDetector):
        contexts = RunningContext(detector.context).extend(holdout)
        holdout, detector = detector.in_rates(holdout, contexts), detector.inner
    detector = under(under_weights(detector, rules.weights), exceptions)
    budget = detector.budget(policy)
    threshold = budget.threshold
    clean = read_fresh(detector, holdout, threshold, rules, exceptions)
    counted = ~clean.scores.warming
    if not counted.any():
        counted = np.ones(len(holdout), bool)
    flagged = clean.flagged[counted]
    spread = overdispersion(clean.scores.surprise[counted], holdout.entities[counted], threshold)
    gap = policy.gap(detector.cadence)
    episodes = count_episodes(holdout.times[counted][flagged], holdout.entities[counted][flagged], gap)
    found, planted, details = _recall(detector, clean, threshold, seed, rules, exceptions)
    changes = smallest_changes(
        holdout,
        lambda batch: read_fresh(detector, batch, threshold, rules, exceptions).flagged,
        seed,
        in_time=detector.context.width > 0,
    )
    details["smallest_changes"] = [
        {"unit": holdout.schema.feature(each.feature).unit, **asdict(each)} for each in changes
    ]
    details["seconds_a_record"] = _pace(holdout)
    span_days = max(float(np.ptp(holdout.times)) / _DAY_MICROSECONDS, 1e-9)
    details |= {
        "threshold": round(float(threshold), 4),
        "overdispersion": round(spread, 2),
        "episodes_per_day": round(episodes / span_days, 3),
        "warming_records": int((~counted).sum()),
        "follows_drift": detector.follows_drift,
        "notes": list(notes),
        "budget": {
            "asked": budget.asked,
            "promised": budget.promised,
            "entities": budget.entities,
            "rate": float(f"{10.0**-threshold:.3g}"),
        },
        "unkept_budget": budget.in_words(),
    }
    if "half_found_at" in details:
        half = detector.budget(AlertPolicy(false_alarm_rate=min(details["half_found_at"], 0.5)))
        details["half_found_alarms"] = half.promised
    promised = policy.false_alarm_rate or float(10.0**-threshold)
    if holdout.schema.time is not None and span_days >= 1:
        details["promised_records_per_day"] = float(f"{promised * len(holdout) / span_days:.3g}")
    return Evaluation(
        promised_rate=promised,
        realised_rate=float(flagged.mean()),
        realised_interval=rate_interval(int(flagged.sum()), len(flagged), spread),
        holdout_records=len(holdout),
        faults_planted=sum(planted.values()),
        faults_found=sum(found.values()),
        recall_by_fault={kind: found[kind] / planted[kind] for kind in sorted(planted)},
        details=details,
    )


def rate_interval(flagged: int, records: int, overdispersion: float = 1.0) -> tuple[float, float]:
    """Clopper-Pearson 95 % interval of a rate, on the effective number of records where they are not independent.

    >>> low, high = rate_interval(1, 100)
    >>> round(low, 4), round(high, 4)
    (0.0003, 0.0545)
    """
    effective = records / max(1.0, overdispersion)
    hits = flagged / max(1.0, overdispersion)
    low = float(beta.ppf(0.025, hits, effective - hits + 1)) if hits > 0 else 0.0
    high = float(beta.ppf(0.975, hits + 1, effective - hits)) if hits < effective else 1.0
    return low, high


def is_blind(evaluation: Evaluation) -> bool:
    """Whether next to nothing of what was planted is found."""
    return evaluation.faults_planted >= _FEWEST_TO_TELL and _recall_of(evaluation) < BLIND_BELOW


def judge(
    challenger: Evaluation, champion: Evaluation | None, unfit: int | None = None, *, accept_blind: bool = False
) -> Judgement:
    """Whether the challenger is let in. Both must have been evaluated on the same holdout with the same seed.

    The first model is let in whatever it promises, since nothing serves otherwise, and its reasons say what to expect;
    so is one whose champion, version `unfit`, could not be evaluated and therefore cannot serve these records either. Where
    it finds next to nothing it is held, unless that is accepted: people would think themselves watched.
    A later one that misses a confirmed alert of the past which the champion finds is held. Others are let in when they keep the promise and find at least as many planted faults as the champion; when the
    champion no longer keeps the promise, a challenger that does is let in if it still finds faults; when neither keeps
    it, one that is nearer to it and finds at least as many.
    """
    reasons = [
        _promise_in_words("The challenger", challenger),
        *_budget_in_words(challenger),
        _recall_in_words("it", challenger),
        *confirmed_in_words(challenger),
        *_changes_in_words(challenger),
    ]
    if challenger.details.get("follows_drift"):
        reasons.append(
            "It follows levels that drift slowly, as its history's do: what is as slow as that it takes for normal."
        )
    reasons += challenger.details.get("notes", ())
    if champion is None:
        kept = keeps_promise(challenger)
        finds_nothing = is_blind(challenger)
        if unfit is not None:
            reasons.append(
                f"Nothing to compare it with: version {unfit}, the champion, cannot score these records any more; its "
                "bundle is missing or damaged, or the monitor's fields are others."
            )
        if finds_nothing and not accept_blind:
            reasons.append(
                "Held: it finds next to nothing, so that who relied on it would not be watched. Give it a longer history, "
                "features that tell more, or a promise of more false alarms; --accept-blind lets it in all the same."
            )
            return Judgement(promote=False, reasons=tuple(reasons))
        if finds_nothing:
            reasons.append("It finds next to nothing; that was accepted (--accept-blind). Do not rely on it.")
        reasons.append(
            f"It is {'the first model of this monitor and is ' if unfit is None else ''}let in{_IN_DOUBT if is_doubtful(challenger) else ''}."
            if kept
            else "It is let in all the same, because without it nothing would be watched: expect more false alarms than "
            "promised until it is retrained on history that shows what this one lacked."
        )
        return Judgement(promote=True, reasons=tuple(reasons))
    reasons += [
        _promise_in_words("The champion", champion),
        _recall_in_words("it", champion),
        *confirmed_in_words(champion),
    ]
    reasons += _worse_in_words(challenger, champion)
    promote, verdict = _compare(challenger, champion)
    return Judgement(promote=promote, reasons=(*reasons, verdict))


def keeps_promise(evaluation: Evaluation) -> bool:
    """Whether the realised rate is compatible with at most PROMISE_FACTOR times the promised one."""
    return evaluation.realised_interval[0] <= PROMISE_FACTOR * evaluation.promised_rate


def is_doubtful(evaluation: Evaluation) -> bool:
    """Whether more than PROMISE_FACTOR times the promised rate was flagged, of too few records to tell that from chance."""
    return keeps_promise(evaluation) and evaluation.realised_rate > PROMISE_FACTOR * evaluation.promised_rate


def _compare(challenger: Evaluation, champion: Evaluation) -> tuple[bool, str]:
    missed = lost(challenger, champion)
    if missed is not None:
        return False, f"Held: it misses {missed}, which people confirmed and the champion finds."
    kept, kept_before = keeps_promise(challenger), keeps_promise(champion)
    recall, recall_before = _recall_of(challenger), _recall_of(champion)
    if kept and not kept_before:
        if recall > 0 or recall_before == 0:
            how = "nothing proves that it breaks the promise" if is_doubtful(challenger) else "it keeps the promise"
            return True, f"Let in: {how}, and the champion no longer does."
        return False, "Held: it keeps the promise only by finding nothing."
    if not kept and kept_before:
        return False, "Held: it would raise more false alarms than promised, and the champion does not."
    if recall < recall_before:
        return False, "Held: it finds fewer planted faults than the champion."
    if kept:
        how = (
            "nothing proves that it breaks the promise, and it"
            if is_doubtful(challenger)
            else "it keeps the promise and"
        )
        return True, f"Let in: {how} finds at least as many planted faults as the champion."
    if challenger.realised_rate <= champion.realised_rate:
        return True, "Let in: neither keeps the promise on these records, but it is nearer and finds as many faults."
    return False, "Held: neither keeps the promise on these records, and the champion is nearer."


def _recall_of(evaluation: Evaluation) -> float:
    return evaluation.faults_found / evaluation.faults_planted if evaluation.faults_planted else 0.0


def _promise_in_words(who: str, evaluation: Evaluation) -> str:
    low, high = evaluation.realised_interval
    doubtful = is_doubtful(evaluation)
    verdict = "may not keep" if doubtful else "keeps" if keeps_promise(evaluation) else "does not keep"
    records, alarms = (
        evaluation.details.get("promised_records_per_day"),
        (evaluation.details.get("budget") or {}).get("promised"),
    )
    daily = f", about {records:.2g} records a day" if records is not None else ""
    daily += f" in {amount(alarms)} alarms" if daily and alarms is not None else ""
    return (
        f"{who} {verdict} its promise: {percent(evaluation.realised_rate)} of {evaluation.holdout_records:,} normal records "
        f"flagged (95 % interval {percent(low)} to {percent(high)}), {percent(evaluation.promised_rate)} promised{daily}."
        + (" That is more than twice as many, of so few records that chance may do it." if doubtful else "")
    )


def _recall_in_words(who: str, evaluation: Evaluation) -> str:
    if not evaluation.faults_planted:
        return f"No fault could be planted into the holdout, so what {who} finds is unknown."
    missed = [kind for kind, recall in evaluation.recall_by_fault.items() if recall < 0.5]
    tail = f"; it mostly misses {', '.join(missed)}" if missed else ""
    half = evaluation.details.get("half_found_at")
    if half is not None and _recall_of(evaluation) < 0.5:
        tail += (
            f"; half of them would be found at a promise of {percent(half)} of records{_alarms_in_words(evaluation)}"
        )
    return f"Of {evaluation.faults_planted} planted faults {who} finds {evaluation.faults_found}{tail}."


def _budget_in_words(evaluation: Evaluation) -> list[str]:
    """What cannot be promised of what was asked."""
    said = evaluation.details.get("unkept_budget")
    return [said] if said else []


def _alarms_in_words(evaluation: Evaluation) -> str:
    """What half of the planted faults cost in false alarms a day."""
    alarms = evaluation.details.get("half_found_alarms")
    if not alarms:
        return ""
    entities = evaluation.details["budget"]["entities"]
    each = f", {amount(alarms / entities)} of each of {entities:,} entities ('per: entity')" if entities > 1 else ""
    return f", about {amount(alarms)} false alarms a day{each}"


def _changes_in_words(evaluation: Evaluation) -> list[str]:
    """What must happen to each feature to be caught; of the first ones, where there are many."""
    changes = evaluation.details.get("smallest_changes") or []
    told = [
        f"{each['feature']} {_amount(each['change'], each['unit'])}" for each in changes if each["change"] is not None
    ][:MOST_TOLD]
    unseen = [each["feature"] for each in changes if each["change"] is None][:MOST_TOLD]
    said = []
    if told:
        records, pace = changes[0]["records"], evaluation.details.get("seconds_a_record")
        lasting = f" for {records} records" if records > 1 else ""
        if lasting and pace:
            lasting += f" ({format_duration(timedelta(seconds=round(records * pace, 1)))})"
        said.append(f"The smallest change that would be caught, up or down{lasting}: {', '.join(told)}.")
    if unseen:
        said.append(f"No change that was tried, however large, would be caught of {', '.join(unseen)}.")
    return said


def _worse_in_words(challenger: Evaluation, champion: Evaluation) -> list[str]:
    """The features of which the challenger needs a far larger change than the champion, or catches none any more."""
    before = {each["feature"]: each["change"] for each in champion.details.get("smallest_changes") or []}
    lost_of, larger = [], []
    for each in challenger.details.get("smallest_changes") or []:
        known, now = before.get(each["feature"]), each["change"]
        if known is not None and now is None:
            lost_of.append(each["feature"])
        elif known is not None and now >= FAR_LARGER * known:
            larger.append(f"{each['feature']} ({_amount(now, each['unit'])} instead of {_amount(known, each['unit'])})")
    said = []
    if lost_of:
        more = f" and {len(lost_of) - MOST_LOST} more" if len(lost_of) > MOST_LOST else ""
        said.append(f"No longer found, as the champion does: a change of {', '.join(lost_of[:MOST_LOST])}{more}.")
    if larger:
        said.append(f"Less is caught than by the champion of {', '.join(larger[:MOST_TOLD])}.")
    return said


def _amount(change: float, unit: str) -> str:
    """Two significant digits and the unit."""
    return f"{float(f'{change:.2g}'):g}{f' {unit}' if unit else ''}"


def _pace(batch: Batch) -> float | None:
    """The usual number of seconds between records of an entity; None where that is not known."""
    if batch.schema.time is None:
        return None
    steps = np.concatenate([np.diff(batch.times[rows]) for rows in rows_by_entity(batch.entities)])
    usual = float(np.median(steps[steps > 0])) / 1e6 if (steps > 0).any() else 0.0
    return round(usual, 3) or None


def _recall(
    detector: Detector, clean: FreshReading, threshold: float, seed: int, rules: FeatureRules, exceptions: Exceptions
) -> tuple[dict[str, int], dict[str, int], dict[str, Any]]:
    """Faults found and planted by kind, and what else is worth telling about them."""
    in_time = detector.context.width > 0
    longest = max(map(len, rows_by_series(clean.batch)))
    length = max(4, min(_FAULT_RECORDS, longest // 12)) if in_time else 1
    per_kind = _FAULTS_PER_KIND if in_time else 10 * _FAULTS_PER_KIND
    try:
        faulty, faults = plant_faults(
            clean.batch, seed, per_kind=per_kind, length=length, in_time=in_time, sizes=_SIZES
        )
    except InvalidHistory as error:
        return {}, {}, {"no_faults": str(error)}
    reading = read_fresh(detector, faulty, threshold, rules, exceptions)
    found: dict[str, int] = defaultdict(int)
    planted: dict[str, int] = defaultdict(int)
    delays: list[int] = []
    peaks: list[tuple[PlantedFault, int]] = []
    for fault in faults:
        planted[fault.kind.value] += 1
        hits = np.flatnonzero(reading.flagged[fault.rows] & ~clean.flagged[fault.rows])
        if len(hits):
            found[fault.kind.value] += 1
            delays.append(int(hits[0]))
            peaks.append((fault, int(fault.rows[np.argmax(reading.scores.surprise[fault.rows])])))
    strangest = [float(reading.scores.surprise[fault.rows].max()) for fault in faults]
    details: dict[str, Any] = {
        "fault_records": length,
        "half_found_at": float(f"{min(1.0, 10.0 ** -float(np.median(strangest))):.2g}"),
    }
    if peaks:
        details["median_delay_records"] = float(np.median(delays))
        details["guilty_in_top_2"] = round(_named(detector, reading, peaks), 3)
    return found, planted, details


def _named(detector: Detector, reading: FreshReading, peaks: list[tuple[PlantedFault, int]]) -> float:
    """Share of found faults whose guilty feature is among the two that contribute most at the peak."""
    rows = np.array([row for _, row in peaks], np.intp)
    batch, contexts, scores = reading.batch, reading.contexts, reading.scores
    explanations = detector.explain(batch.take(rows), contexts.take(rows), scores.take(rows))
    hits = 0
    for (fault, _), explanation in zip(peaks, explanations, strict=True):
        top = sorted(explanation.contributions, key=lambda name: -explanation.contributions[name])[:2]
        hits += bool(set(top) & set(fault.guilty))
    return hits / len(peaks)
