"""From alerts that should not come again to an exception: proposed, each with a preview over the past, and accepted.

alerts -> candidates -> previews -> proposals -> exception. What the page, the API and the command line all do.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from latentwatch.alerts.database import Engine
from latentwatch.alerts.exception_proposals import store_proposals, stored_proposal
from latentwatch.alerts.exceptions import StoredException, add_exception
from latentwatch.alerts.reading.past import chosen_alerts, past_alerts, records_scored
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.detector.interface import Detector
from latentwatch.domain.clock import Clock, SystemClock
from latentwatch.domain.errors import BundleRefused, InvalidInput
from latentwatch.domain.exceptions import Form, NormalLevel, NormalPlace
from latentwatch.domain.monitor import Monitor
from latentwatch.review.exception_candidates import PastAlert, candidates, last_resort
from latentwatch.review.exception_previews import Preview, preview

MOST_PROPOSED = 8
_FEW_SIDES = 2
"""Numbers up to which places are proposed beside each other."""
_RECORDS_OF_AN_ALERT = 200
_MOST_ALERTS = 500
_LEAST_PASSING = 0.5
"""Share of the alerts' records from which a level is worth proposing that covers none of them whole: what else was strange
in them goes on alarming."""

Load = Callable[[str], Detector]
"""Opens a bundle by its content hash. Raises BundleRefused."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What could be excepted, and what that would have changed."""

    id: str
    form: Form
    preview: Preview
    given_covered: int
    """Of the alerts it was proposed for, how many would not have been."""

    @property
    def text(self) -> str:
        """What it says."""
        return self.form.in_words


def propose(
    engine: Engine, load: Load, monitor: Monitor, alerts: Sequence[int], clock: Clock | None = None
) -> list[Proposal]:
    """Exceptions under which at least one of these alerts would not have been, the best first, those that would lose a
    confirmed one last. A level is among them as well where most of the records pass under it.

    Better is what lets more of their records pass, then what lets fewer pass of all. Raises NotFound, InvalidInput where
    no model can say what was expected, Unavailable.
    """
    if not alerts:
        raise InvalidInput("name at least one alert that should not come again")
    if len(alerts) > _MOST_ALERTS:
        raise InvalidInput(f"{len(alerts)} alerts are too many to look at at once; name at most {_MOST_ALERTS}")
    given = [PastAlert(*each) for each in chosen_alerts(engine, monitor.name, alerts, _RECORDS_OF_AN_ALERT)]
    past = _together(given, [PastAlert(*each) for each in past_alerts(engine, monitor.name)])
    detector = _serving(engine, load, monitor)
    lasting = frozenset(case.alert.entity for case in past if case.alert.records > 1)
    tried = candidates(monitor.record, given, in_time=detector.context.width > 0, lasting=lasting)
    scored = records_scored(engine, monitor.name)
    ids = {case.alert.id for case in given}
    of_given = sum(case.alert.records for case in given)
    seen = {form: preview(form, given, scored, load) for form in tried}
    passing = {form: each.records / max(1, of_given) for form, each in seen.items()}
    useful = _narrowest(
        [form for form in tried if seen[form].covered or (_is_level(form) and passing[form] >= _LEAST_PASSING)], seen
    )
    if not any(seen[form].covered for form in useful):
        raised = last_resort(monitor.record, given, lasting)
        passing |= dict.fromkeys(raised, 1.0)
        useful, tried = [*useful, *raised], [*tried, *raised]
    found = [(form, preview(form, past, scored, load)) for form in useful]
    order = {form: place for place, form in enumerate(tried)}  # what is equal otherwise: the narrowest kind first
    found.sort(
        key=lambda each: (
            bool(each[1].confirmed),
            -round(passing[each[0]], 2),
            round(each[1].share_of_records, 6),
            order[each[0]],
        )
    )
    best = found[:MOST_PROPOSED]
    named = store_proposals(
        engine, monitor.name, [form for form, _ in best], [case.alert for case in given], (clock or SystemClock()).now()
    )
    return [
        Proposal(name, form, changed, len(changed.covered & ids))
        for name, (form, changed) in zip(named, best, strict=True)
    ]


def accept(
    engine: Engine,
    load: Load,
    monitor: str,
    proposal: str,
    *,
    author: str,
    note: str = "",
    until: datetime | None = None,
    clock: Clock | None = None,
) -> StoredException:
    """Make a proposal an exception.

    Raises NotFound, InvalidInput where its alerts have changed since or where it would cover a confirmed anomaly,
    Unavailable.
    """
    chosen = stored_proposal(engine, monitor, proposal)
    past = [PastAlert(*each) for each in past_alerts(engine, monitor)]
    confirmed = preview(chosen.form, past, 0, load).confirmed
    if confirmed:
        numbers = ", ".join(map(str, confirmed[:5])) + (" and others" if len(confirmed) > 5 else "")
        raise InvalidInput(
            f"proposal {proposal} ({chosen.form.in_words}) would cover what was confirmed: alert {numbers}; "
            "choose a narrower one, or correct that label first"
        )
    return add_exception(
        engine, monitor, chosen.form, author=author, note=note, until=until, alerts=chosen.alerts, clock=clock
    )


def _serving(engine: Engine, load: Load, monitor: Monitor) -> Detector:
    champion = ModelRegistry(engine).champion(monitor.name)
    if champion is None:
        raise InvalidInput(f"monitor {monitor.name!r}: no model serves; nothing can be said of what is expected")
    try:
        return load(champion.bundle)
    except BundleRefused as error:
        raise InvalidInput(
            f"monitor {monitor.name!r}: its model cannot be opened ({error}); nothing can be proposed"
        ) from None


def _is_level(form: Form) -> bool:
    return isinstance(form, NormalLevel)


def _narrowest(forms: Sequence[Form], seen: Mapping[Form, Preview]) -> list[Form]:
    """Without places that more numbers tell than are needed for the same alerts."""
    enough: dict[str | None, frozenset[int]] = {}
    kept = []
    for form in forms:
        if isinstance(form, NormalPlace):
            known = enough.get(form.entity, frozenset())
            if len(form.sides) > _FEW_SIDES and seen[form].covered <= known:
                continue
            enough[form.entity] = known | seen[form].covered
        kept.append(form)
    return kept


def _together(given: Sequence[PastAlert], past: Sequence[PastAlert]) -> list[PastAlert]:
    """Both, each alert once."""
    known = {case.alert.id for case in given}
    return [*given, *(case for case in past if case.alert.id not in known)]
