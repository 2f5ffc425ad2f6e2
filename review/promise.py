"""Realised against promised false alarms, with the uncertainty that the number of alarms leaves.

Alarms on normal data come in episodes, whose records are anything but independent: the episode is the unit that is
counted, and its number is taken as Poisson. The 95 % interval of a Poisson mean is Garwood's (1936).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scipy.stats import chi2

from latentwatch.alerts.reading import PromiseFacts
from latentwatch.detector.budget import amount
from latentwatch.domain.percent import percent
from latentwatch.domain.policies import AlertPolicy

_SHORTEST_DAYS = 1 / 1440


@dataclass(frozen=True, slots=True)
class Promise:
    """A promise and what became of it. Rates are false alarms a day, or a share of records, as `per_day` says.

    Alarms that nobody judged may be real. So there are two bounds: what people called false is certainly false;
    what nobody confirmed as real may be.
    """

    per_day: bool
    promised: float
    realised: float
    """Everything not confirmed as real."""
    interval: tuple[float, float]
    """95 % interval of `realised`."""
    refuted: float
    """What people called false alone."""
    days: float
    """How much of the stream it covers."""
    scored: int
    episodes: int
    confirmed: int
    false_episodes: int
    broken: bool
    """What people called false is, beyond chance, more than was promised."""
    unreviewed: bool
    """What nobody confirmed is, beyond chance, more than was promised: look at the alerts."""
    scope: str = ""
    """Whose alarms a day are promised, where training knew several entities."""
    other: str = ""
    """The same promise in the other unit: a share of records where it is said in alarms a day, and these where that; empty
    where the model's evaluation does not say."""

    @property
    def known(self) -> bool:
        """Whether anything was scored at all."""
        return self.scored > 0

    @property
    def scale(self) -> float:
        """The right end of a bar that shows promise and interval."""
        return max(self.promised * 2, self.interval[1], self.realised, 1e-12)


def poisson_interval(count: int) -> tuple[float, float]:
    """Garwood's 95 % interval of a Poisson mean.

    >>> low, high = poisson_interval(0)
    >>> low, round(high, 2)
    (0.0, 3.69)
    """
    low = float(chi2.ppf(0.025, 2 * count)) / 2 if count else 0.0
    return low, float(chi2.ppf(0.975, 2 * count + 2)) / 2


def promise_of(facts: PromiseFacts, policy: AlertPolicy, budget: Mapping[str, Any] | None = None) -> Promise:
    """How a monitor kept its policy over a stretch of its stream. `budget` is what the policy came to with the model that
    serves, as its evaluation has it: the entities that share it, and what its calibration can promise instead."""
    seconds = (facts.end - facts.start).total_seconds() if facts.start and facts.end else 0.0
    days = max(seconds / 86_400, _SHORTEST_DAYS)
    doubtful = facts.episodes - facts.confirmed
    entities = int(budget["entities"]) if budget else 1
    if policy.false_alarm_rate is None:
        per_day, promised = True, policy.daily_budget(entities)
        if budget and budget["asked"] == promised and budget["promised"] is not None:
            # By default the smaller of two limits counts: where that is the share of records, these are fewer alarms.
            promised = budget["promised"] if policy.is_default else max(promised, budget["promised"])
        size = refuted_size = 1 / days
    else:
        # A rate of records: episodes carry the uncertainty, their mean length turns them into records.
        per_day, promised = False, policy.false_alarm_rate
        records = max(0, facts.flagged - facts.confirmed_records)
        size = (records / doubtful if doubtful else 1.0) / max(1, facts.scored)
        refuted_size = (facts.refuted_records / facts.refuted if facts.refuted else 1.0) / max(1, facts.scored)
    low, high = poisson_interval(doubtful)
    return Promise(
        per_day=per_day,
        promised=promised,
        realised=doubtful * size,
        interval=(low * size, high * size),
        refuted=facts.refuted * refuted_size,
        days=seconds / 86_400,
        scored=facts.scored,
        episodes=facts.episodes,
        confirmed=facts.confirmed,
        false_episodes=facts.refuted,
        broken=facts.scored > 0 and poisson_interval(facts.refuted)[0] * refuted_size > promised,
        unreviewed=facts.scored > 0 and low * size > promised,
        scope=_scope(policy, entities, promised) if per_day else "",
        other=_other_unit(per_day, budget),
    )


def _other_unit(per_day: bool, budget: Mapping[str, Any] | None) -> str:
    """What the model's threshold comes to in the unit that the promise is not said in.

    >>> _other_unit(True, {"rate": 0.003, "promised": 1.4}), _other_unit(False, {"rate": 0.003, "promised": 1.4})
    ('0.3 % of records', 'about 1.4 alarms a day')
    """
    budget = budget or {}
    if per_day:
        return f"{percent(budget['rate'])} of records" if budget.get("rate") else ""
    return f"about {amount(budget['promised'])} alarms a day" if budget.get("promised") else ""


def _scope(policy: AlertPolicy, entities: int, promised: float) -> str:
    """Whose alarms they are, and what was asked where that cannot be promised.

    >>> _scope(AlertPolicy(false_alarms_per_day=0.1, per="entity"), 1000, 100.0)
    '0.1 of each of 1,000'
    """
    if entities == 1:
        return ""
    asked = policy.daily_budget(entities)
    if promised > 1.05 * asked:
        return f"of all {entities:,}; {amount(asked)} asked"
    return (
        f"{amount(promised / entities)} of each of {entities:,}" if policy.per == "entity" else f"of all {entities:,}"
    )
