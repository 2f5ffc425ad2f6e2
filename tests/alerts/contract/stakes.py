"""What is at stake in alerts: added up as they grow, corrected by late records, told, and an order of the queue."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.reading import AlertFilter, inbox, incident_inbox
from latentwatch.alerts.session import reading
from latentwatch.alerts.store import AlertStore
from latentwatch.alerts.tables import NotificationRow
from latentwatch.domain.alert import FlaggedRecord
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.incident_rule import IncidentRule
from latentwatch.domain.outcome import MissedRun, Outcome
from latentwatch.domain.stake import Stake
from tests.alerts.build import MONITOR, SOURCE, at, outcome
from tests.alerts.build import flagged as flagged_record
from tests.alerts.contract.amending import amended
from tests.alerts.contract.outbox import PUMP

BY_AMOUNT = IncidentRule(within=timedelta(seconds=1), stake=Stake("amount", "EUR"))


def paid(offset: int, card: str, amount: float | None, surprise: float = 3.5) -> FlaggedRecord:
    """A flagged payment, ten seconds after the one before."""
    record = flagged_record(offset, 10.0 * offset, card, surprise)
    return replace(record, values={**record.values, "amount": amount})


def weighed(outcome: Outcome, rule: IncidentRule = BY_AMOUNT) -> Outcome:
    """As a monitor with a weight has it."""
    return replace(outcome, incident_rule=rule)


class StakesContract:
    """Promises about what is at stake."""

    @pytest.fixture
    def store(self, engine: Engine, clock: ManualClock) -> AlertStore:
        register_monitor(engine, PUMP, clock)
        store = AlertStore(engine, MONITOR, clock)
        store.claim(SOURCE, 0, 0)
        return store

    def test_the_most_at_stake_comes_first(self, engine: Engine, store: AlertStore) -> None:
        """Of alerts and of incidents, over commits; what is missing adds nothing; loud ones are ordered by it among themselves."""
        store.commit(weighed(outcome(0, 3, [paid(0, "a", 40.0), paid(1, "b", 900.0), paid(2, "c", 5.0, surprise=9.0)])))
        store.commit(weighed(outcome(3, 6, [paid(3, "a", -60.0), paid(4, "a", None), paid(5, "d", 200.0)])))
        found = inbox(engine, AlertFilter(), "stake").alerts
        assert [(each.entity, each.at_stake) for each in found] == [("b", 900), ("d", 200), ("a", 100), ("c", 5)]
        assert {each.stake_named for each in found} == {"EUR of amount"}
        assert [each.entity for each in inbox(engine, AlertFilter(), "severity").alerts] == ["c", "b", "d", "a"]
        incidents = incident_inbox(engine, AlertFilter(), "stake").incidents
        assert [each.at_stake for each in incidents] == [900, 200, 100, 5]
        assert incidents[0].severity_in_words == "low: 1.2 times the threshold, in 1 record, 900 EUR of amount at stake"
        with reading(engine) as session:
            bodies = session.scalars(select(NotificationRow.body)).all()
        assert any("900 EUR of amount at stake." in body for body in bodies), bodies

    def test_a_withdrawn_record_puts_nothing_at_stake(self, engine: Engine, store: AlertStore) -> None:
        """What late records change, the sum follows."""
        first, second = paid(0, "a", 40.0), paid(1, "a", 60.0)
        store.commit(weighed(outcome(0, 2, [first, second])))
        store.commit(weighed(replace(outcome(2, 3), amendments=(amended(second, 0.5),))))
        assert [each.at_stake for each in inbox(engine, AlertFilter()).alerts] == [40.0]

    def test_a_monitor_can_have_one_weight(self, engine: Engine, store: AlertStore) -> None:
        """However many records; of what misses a run too."""
        rule = replace(BY_AMOUNT, stake=Stake(weight=3.0))
        run = MissedRun("late", 0, 1, due=at(50), until=None, runs=1, model_version=7, threshold=3.0)
        store.commit(weighed(replace(outcome(0, 2, [paid(0, "a", 40.0), paid(1, "a", 60.0)]), missed=(run,)), rule))
        assert {each.entity: each.at_stake for each in inbox(engine, AlertFilter()).alerts} == {"a": 3.0, "late": 3.0}
        assert incident_inbox(engine, AlertFilter()).incidents[0].at_stake_in_words == "weight 3"
