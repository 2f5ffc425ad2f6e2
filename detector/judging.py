"""Whether a model may replace the one that serves.

Evaluations of challenger and champion on the same records -> Judgement with its reasons in words
"""

from scipy.stats import binom

from latentwatch.detector.budget import amount
from latentwatch.detector.confirmed import confirmed_in_words, lost
from latentwatch.detector.side_by_side import CHANCE, Shortfall, fewer_found, more_flagged
from latentwatch.domain.durations import spell_duration
from latentwatch.domain.model import Evaluation, Judgement
from latentwatch.domain.percent import percent

PROMISE_FACTOR = 2.0
"""A promise counts as kept while the realised rate's 95 % interval reaches down to this multiple of the promised rate."""

BLIND_BELOW = 0.1
"""Share of the planted faults below which a model finds next to nothing."""
_BLIND_AT_CHANCE_BELOW = 0.25
"""It does so too below this, where half of the faults look no stranger than normal stretches as long as they."""
_FEWEST_TO_TELL = 8
"""Planted faults below which that says nothing."""
FAR_LARGER = 4.0
"""How many times the champion's smallest change matters: sizes are told apart by factors of two."""
_DULLER_BY_CHANCE = 0.005
"""Share of the features of which a healthy retraining catches only changes so much larger; measured on sixty."""
MOST_TOLD = 8
"""Features whose smallest change stands in the reasons."""
_DOUBT_BELOW = 0.1
_IN_DOUBT = ", and may raise more than twice the false alarms that it promises: look whether it does"
_ONE_FEATURES = 0.5
"""From this share of the flagged normal records on, it is one feature that breaks the promise."""
MOST_LOST = 40
"""Features of which it is said that a change of them is no longer found: each is one that nobody watches any more."""


def is_blind(evaluation: Evaluation) -> bool:
    """Whether next to nothing of what was planted is found."""
    if evaluation.faults_planted < _FEWEST_TO_TELL:
        return False
    recall, details = _recall_of(evaluation), evaluation.details
    by_chance = 1.0 - 0.5 ** (
        1.0 / details.get("fault_records", 1)
    )  # the strangest of so many normal records, in half of cases
    look_normal = details.get("half_found_at", 0.0) >= by_chance
    return recall < BLIND_BELOW or (recall < _BLIND_AT_CHANCE_BELOW and look_normal)


def judge(
    challenger: Evaluation, champion: Evaluation | None, unfit: int | None = None, *, accept_blind: bool = False
) -> Judgement:
    """Whether the challenger is let in. Both must have been evaluated on the same holdout with the same seed.

    The first model is let in whatever it promises, since nothing serves otherwise, and its reasons say what to expect;
    so is one whose champion, version `unfit`, could not be evaluated and therefore cannot serve these records either. Where
    it finds next to nothing it is held, unless that is accepted: people would think themselves watched.
    A later one that misses a confirmed alert of the past which the champion finds is held, and so is one that catches no
    change of a feature, however large, of which the champion catches some, or only far larger ones of more features than
    chance explains. Otherwise a challenger is held only for what
    chance does not explain and what is large enough to matter: fewer of the same planted faults found, more normal records
    flagged while the promise is not kept. Where the champion no longer keeps it and the challenger does, that decides, if
    it still finds faults.
    """
    reasons = [
        _promise_in_words("The model" if champion is None else "The challenger", challenger),
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
            else _broken_in_words(challenger)
        )
        return Judgement(promote=True, reasons=tuple(reasons))
    reasons += [
        _promise_in_words("The champion", champion),
        _recall_in_words("it", champion),
        *confirmed_in_words(champion),
    ]
    fewer, louder = fewer_found(challenger, champion), more_flagged(challenger, champion)
    reasons += [*_difference_in_words(fewer), *_worse_in_words(challenger, champion)]
    promote, verdict = _compare(challenger, champion, fewer, louder)
    return Judgement(promote=promote, reasons=(*reasons, verdict))


def keeps_promise(evaluation: Evaluation) -> bool:
    """Whether the realised rate is compatible with at most PROMISE_FACTOR times the promised one."""
    return evaluation.realised_interval[0] <= PROMISE_FACTOR * evaluation.promised_rate


def is_doubtful(evaluation: Evaluation) -> bool:
    """Whether more than PROMISE_FACTOR times the promised rate was flagged, which chance would do to records that stand alone less
    than once in ten times; since flagged ones come together, it is no proof."""
    allowed = PROMISE_FACTOR * evaluation.promised_rate
    flagged = round(evaluation.realised_rate * evaluation.holdout_records)
    by_chance = binom.sf(flagged - 1, evaluation.holdout_records, min(1.0, allowed))
    return keeps_promise(evaluation) and evaluation.realised_rate > allowed and bool(by_chance < _DOUBT_BELOW)


def _broken_in_words(evaluation: Evaluation) -> str:
    """What to expect of a first model that breaks its promise, and what would mend it."""
    blamed = evaluation.details.get("blamed") or {}
    leading = next(iter(blamed), None)
    expected = (
        "It is let in all the same, because without it nothing would be watched: expect about "
        f"{percent(evaluation.realised_rate)} of normal records flagged, not {percent(evaluation.promised_rate)}."
    )
    if leading is not None and blamed[leading] >= _ONE_FEATURES:
        return f"{expected} Look at {leading} first: leave it out, or give it another type, if it says something new in every record."
    return f"{expected} A longer history, with more of what is normal, lowers that."


def _compare(challenger: Evaluation, champion: Evaluation, fewer: Shortfall, louder: Shortfall) -> tuple[bool, str]:
    missed, unseen = lost(challenger, champion), _no_longer_caught(challenger, champion)
    if missed is not None:
        return False, f"Held: it misses {missed}, which people confirmed and the champion finds."
    if unseen:
        return False, f"Held: it catches no change of {_listed(unseen)}, however large; the champion does."
    duller = _duller_in_words(challenger, champion)
    kept, kept_before = keeps_promise(challenger), keeps_promise(champion)
    if kept and not kept_before:
        if challenger.faults_found or not champion.faults_found:
            return True, f"Let in: {_kept_in_words(challenger)}, and the champion is no longer within twice of it."
        return False, "Held: it keeps the promise only by finding nothing."
    if duller is not None:
        return False, duller
    if fewer.is_real:
        return False, "Held: it finds fewer planted faults than the champion, by more than chance explains."
    if kept:
        return True, (
            f"Let in: {_kept_in_words(challenger)}, and it finds as many planted faults as the champion, as far as can be told."
        )
    if not louder.is_real:
        return True, (
            "Let in: it does not keep the promise on these records, but raises no more false alarms than the champion, and "
            "finds as many planted faults, as far as can be told."
        )
    if kept_before:
        return False, "Held: it would raise more false alarms than promised, and the champion does not."
    return False, "Held: neither keeps the promise on these records, and the champion is nearer."


def _recall_of(evaluation: Evaluation) -> float:
    return evaluation.faults_found / evaluation.faults_planted if evaluation.faults_planted else 0.0


def _promise_in_words(who: str, evaluation: Evaluation) -> str:
    """What is promised and what the holdout shows, each with its number; where it is more, what it is about."""
    low, high = evaluation.realised_interval
    doubtful = is_doubtful(evaluation)
    more = _is_exceeded(evaluation)
    verdict = (
        f"{who} may not keep its promise"
        if doubtful
        else f"{who} does not keep its promise"
        if not keeps_promise(evaluation)
        else f"{who} flags more than promised{_within_in_words(evaluation)}"
        if more
        else f"{who} keeps its promise"
    )
    said = (
        f"{verdict}: {percent(evaluation.realised_rate)} of {evaluation.holdout_records:,} normal records flagged (95 % interval "
        f"{percent(low)} to {percent(high)}); promised are {percent(evaluation.promised_rate)}{_daily_in_words(evaluation)}."
    )
    if doubtful:
        said += " That is more than twice as many, of records too few and too alike to prove it."
    return said + (_blamed_in_words(evaluation) if doubtful or more else "")


def _kept_in_words(evaluation: Evaluation) -> str:
    """How a promise that is not broken is kept."""
    if is_doubtful(evaluation):
        return "nothing proves that it breaks the promise"
    if _is_exceeded(evaluation):
        return f"it flags more than promised{_within_in_words(evaluation)}"
    return "it keeps the promise"


def _within_in_words(evaluation: Evaluation) -> str:
    within = evaluation.realised_rate <= PROMISE_FACTOR * evaluation.promised_rate
    return ", within twice of it" if within else ", but nothing proves that it is more than twice as much"


def _is_exceeded(evaluation: Evaluation) -> bool:
    """Whether more than promised was flagged, and chance does not explain it."""
    return evaluation.realised_interval[0] > evaluation.promised_rate


def _daily_in_words(evaluation: Evaluation) -> str:
    """What is promised a day, where records have times."""
    records = evaluation.details.get("promised_records_per_day")
    alarms = (evaluation.details.get("budget") or {}).get("promised")
    if records is None:
        return ""
    return f", {records:.2g} records a day" + (f" in {amount(alarms)} alarms" if alarms is not None else "")


def _blamed_in_words(evaluation: Evaluation) -> str:
    """The features that most of the flagged normal records are about."""
    blamed = evaluation.details.get("blamed") or {}
    about = [f"{name} ({percent(share)} of them)" for name, share in blamed.items()]
    return f" What is flagged is mostly about {', '.join(about)}." if about else ""


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
    unseen = [
        f"{each['feature']} (up to {_amount(each['tried'], each['unit'])})"
        for each in changes
        if each["change"] is None
    ][:MOST_TOLD]
    said = []
    records, pace = changes[0]["records"] if changes else 1, evaluation.details.get("seconds_a_record")
    lasting = f" for {records} records" if records > 1 else ""
    if lasting and pace:
        lasting += f" ({spell_duration(records * pace)})"
    if told:
        said.append(f"The smallest change that would be caught, up or down{lasting}: {', '.join(told)}.")
    if unseen:
        said.append(
            f"Of these no sudden change{lasting} was caught in half of the places where it was tried: {', '.join(unseen)}."
        )
    return said


def _difference_in_words(fewer: Shortfall) -> list[str]:
    """What one of them finds of the same faults and the other does not."""
    if not fewer.paired or not (fewer.worse or fewer.better):
        return []
    return [
        f"Of the same faults the champion finds {fewer.worse} that the challenger does not even nearly, and the challenger "
        f"{fewer.better} that the champion does not."
    ]


def _worse_in_words(challenger: Evaluation, champion: Evaluation) -> list[str]:
    """The features of which the challenger needs a far larger change than the champion, or catches none any more."""
    unseen, duller = _no_longer_caught(challenger, champion), _duller(challenger, champion)
    said = []
    if unseen:
        said.append(f"No longer found, as the champion does: a change of {_listed(unseen)}.")
    if duller:
        said.append(f"Less is caught than by the champion of {', '.join(duller[:MOST_TOLD])}.")
    return said


def _duller(challenger: Evaluation, champion: Evaluation) -> list[str]:
    """Features of which it takes a far larger change to be caught, in words."""
    before, larger = _caught(champion), []
    for each in challenger.details.get("smallest_changes") or []:
        known, now = before.get(each["feature"]), each["change"]
        if known is not None and now is not None and now >= FAR_LARGER * known:
            larger.append(f"{each['feature']} ({_amount(now, each['unit'])} instead of {_amount(known, each['unit'])})")
    return larger


def _duller_in_words(challenger: Evaluation, champion: Evaluation) -> str | None:
    """What holds a challenger that takes far larger changes of more features than chance explains; None where it does not."""
    duller, of = _duller(challenger, champion), len(_caught(challenger))
    if not duller or float(binom.sf(len(duller) - 1, of, _DULLER_BY_CHANCE)) >= CHANCE:
        return None
    return (
        f"Held: only far larger changes are caught than by the champion of {', '.join(duller[:MOST_TOLD])}. Where a label says "
        "that a level or a value is normal, an exception does so too and leaves the rest as sharp as it is."
    )


def _no_longer_caught(challenger: Evaluation, champion: Evaluation) -> list[str]:
    """Features of which the champion catches some change, and the challenger none that was tried."""
    before = _caught(champion)
    told = challenger.details.get("smallest_changes") or []
    return [each["feature"] for each in told if each["change"] is None and before.get(each["feature"]) is not None]


def _caught(evaluation: Evaluation) -> dict[str, float | None]:
    """By feature, the smallest change that is caught."""
    return {each["feature"]: each["change"] for each in evaluation.details.get("smallest_changes") or []}


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MOST_LOST} more" if len(names) > MOST_LOST else ""
    return ", ".join(names[:MOST_LOST]) + more


def _amount(change: float, unit: str) -> str:
    """Two significant digits and the unit."""
    return f"{float(f'{change:.2g}'):g}{f' {unit}' if unit else ''}"
