"""How a detector does on records it never saw.

Detector + holdout → Evaluation
"""

from collections import Counter
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from latentwatch.detector.corrected_readings import under
from latentwatch.detector.entities import rows_by_entity
from latentwatch.detector.fresh_reading import Beginnings, FreshReading, read_fresh, records_before
from latentwatch.detector.interface import Detector
from latentwatch.detector.overdispersion import overdispersion
from latentwatch.detector.planted import find_planted
from latentwatch.detector.rates import RateDetector
from latentwatch.detector.running_context import RunningContext
from latentwatch.detector.sensitivity import smallest_changes
from latentwatch.detector.side_by_side import FLAGGED_BY_PART, by_part
from latentwatch.detector.weighted import under_weights
from latentwatch.domain.episodes import count_episodes
from latentwatch.domain.errors import InvalidHistory
from latentwatch.domain.exceptions import NO_EXCEPTIONS, Exceptions
from latentwatch.domain.model import Evaluation
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.record import Batch
from latentwatch.domain.rules import NO_RULES, FeatureRules
from latentwatch.domain.scores import Explanation, ranked

_MOST_EXPLAINED = 200
"""Flagged normal records of which it is asked what they are about."""
_MOST_BLAMED, _WORTH_BLAMING = 3, 0.1
"""Features that are told, and the share of those records from which on one is."""
_DAY_MICROSECONDS = 86_400_000_000


def evaluate(
    detector: Detector,
    holdout: Batch,
    policy: AlertPolicy,
    seed: int = 0,
    rules: FeatureRules = NO_RULES,
    exceptions: Exceptions = NO_EXCEPTIONS,
    history: Batch | None = None,
) -> Evaluation:
    """Measure realised against promised false alarms on `holdout`, and recall on faults planted into it.

    `holdout` is taken as normal. Records that the detector marks as warming up count only where nothing else is there.
    A planted fault is found when one of its records is flagged that is not flagged without the fault; so a detector
    that flags everything finds nothing. `rules` are what the monitor says matters of its features, and
    `exceptions` what people say is normal. With a `history`, of which the holdout may be a part, entities go on from their
    records before it, as a scorer's do that runs; without one they begin anew. Raises InvalidHistory when the holdout is empty.
    """
    if not len(holdout):
        raise InvalidHistory("the holdout is empty; train on a longer history")
    notes = detector.notes
    past = None if history is None else records_before(history, holdout)
    if isinstance(detector, RateDetector):
        running = RunningContext(detector.context)
        past = None if past is None else detector.in_rates(past, running.extend(past))
        holdout, detector = detector.in_rates(holdout, running.extend(holdout)), detector.inner
    detector = under(under_weights(detector, rules.weights), exceptions)
    budget = detector.budget(policy)
    threshold = budget.threshold
    begin = Beginnings.after(detector.context, past)

    def read(batch: Batch) -> FreshReading:
        return read_fresh(detector, batch, threshold, rules, exceptions, begin)

    clean = read(holdout)
    counted = ~clean.scores.warming
    if not counted.any():
        counted = np.ones(len(holdout), bool)
    flagged = clean.flagged[counted]
    spread = overdispersion(clean.scores.surprise[counted], holdout.entities[counted], threshold)
    gap = policy.gap(detector.cadence)
    episodes = count_episodes(holdout.times[counted][flagged], holdout.entities[counted][flagged], gap)
    blamed = _blamed(detector, clean, np.flatnonzero(clean.flagged & counted))
    planted, details = find_planted(
        clean,
        read,
        lambda reading, rows: _explained(detector, reading, rows),
        threshold,
        seed,
        in_time=detector.context.width > 0,
    )
    changes = smallest_changes(
        holdout,
        lambda batch: read(batch).flagged,
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
        FLAGGED_BY_PART: by_part(flagged, holdout.times[counted]),
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
        "blamed": blamed,
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
        faults_planted=planted.count,
        faults_found=planted.found,
        recall_by_fault=planted.by_kind,
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


def _pace(batch: Batch) -> float | None:
    """The usual number of seconds between records of an entity; None where that is not known."""
    if batch.schema.time is None:
        return None
    steps = np.concatenate([np.diff(batch.times[rows]) for rows in rows_by_entity(batch.entities)])
    usual = float(np.median(steps[steps > 0])) / 1e6 if (steps > 0).any() else 0.0
    return round(usual, 3) or None


def _blamed(detector: Detector, reading: FreshReading, rows: NDArray[np.intp]) -> dict[str, float]:
    """Of the flagged `rows`, the share that each feature contributes most to; the few with the largest share, those first.

    Of many rows some are looked at, spread over all.
    """
    if not len(rows):
        return {}
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, _MOST_EXPLAINED).astype(int))]
    first = Counter(name for each in _explained(detector, reading, rows) for name in ranked(each.contributions)[:1])
    return {
        name: round(count / len(rows), 3)
        for name, count in first.most_common(_MOST_BLAMED)
        if count >= _WORTH_BLAMING * len(rows)
    }


def _explained(detector: Detector, reading: FreshReading, rows: NDArray[np.intp]) -> list[Explanation]:
    return detector.explain(reading.batch.take(rows), reading.contexts.take(rows), reading.scores.take(rows))
