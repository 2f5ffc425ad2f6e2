"""Incidents, as the database shows them: the same in whatever order partitions are committed, and told once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from random import Random
from uuid import uuid4

import pytest
from sqlalchemy import Engine, select

from latentwatch.alerts.incident_members import IncidentMemberRow
from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.outbox import Notifier
from latentwatch.alerts.reading import AlertFilter, alert_detail, incident_inbox
from latentwatch.alerts.session import reading
from latentwatch.alerts.store import AlertStore
from latentwatch.alerts.tables import NotificationRow
from latentwatch.domain.alert import AlertStatus, Arrival, FlaggedRecord, Severity
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.incident_rule import IncidentRule
from latentwatch.domain.outcome import EntityState, Outcome, StoppedSending
from latentwatch.domain.scores import Explanation
from tests.alerts.build import MONITOR, SOURCE, at, flagged, outcome
from tests.alerts.contract.amending import amended
from tests.alerts.contract.outbox import PUMP, RecordingChannel

HOSTS = 30
LATENCY, DISK = {"latency": 3.0, "connections": 2.0}, {"disk": 3.0, "wait": 1.5}


def because(record: FlaggedRecord, contributions: dict[str, float]) -> FlaggedRecord:
    """The record, flagged for these reasons."""
    return replace(record, explanation=Explanation({}, contributions, (), (0.0, 0.0), (0.0, 0.0)))


class IncidentContract:
    """Promises about incidents."""

    @pytest.fixture
    def store(self, engine: Engine, clock: ManualClock) -> AlertStore:
        store = AlertStore(engine, MONITOR, clock)
        register_monitor(engine, PUMP, clock.now())
        for partition in range(HOSTS):
            store.claim(SOURCE, partition, 0)
        return store

    def incidents(self, engine: Engine, monitor: str = MONITOR) -> set[frozenset[str]]:
        """The entities of each."""
        with reading(engine) as session:
            row = IncidentMemberRow
            found: dict[int, set[str]] = {}
            for incident, entity in session.execute(select(row.incident, row.entity).where(row.monitor == monitor)):
                found.setdefault(incident, set()).add(entity)
            return {frozenset(each) for each in found.values()}

    def outage(self, host: int, seconds: float | None = None) -> Outcome:
        """A host's partition, in which one record is flagged for its latency."""
        record = flagged(0, float(host if seconds is None else seconds), f"web-{host}", partition=host)
        return outcome(0, 1, [because(record, LATENCY)], partition=host)

    @pytest.mark.parametrize("together", [False, True])
    def test_a_late_tail_joins_its_outage(self, store: AlertStore, engine: Engine, together: bool) -> None:
        """Hosts that recover unevenly are flagged once more, a while after: no further incident, whatever the commits."""
        rule = IncidentRule(within=timedelta(seconds=60))

        def records(host: int) -> list[FlaggedRecord]:
            times = (0.0, 40.0, 80.0, 190.0)  # the last is 110 s after the end, and more than the gap of 60 s
            return [
                because(flagged(each, time, f"web-{host}", partition=host), LATENCY) for each, time in enumerate(times)
            ]

        for host in (0, 1):
            if together:
                store.commit(replace(outcome(0, 4, records(host), partition=host), incident_rule=rule))
                continue
            for each, record in enumerate(records(host)):
                store.commit(replace(outcome(each, each + 1, [record], partition=host), incident_rule=rule))
        later = because(flagged(4, 400.0, "web-0", partition=0), LATENCY)
        store.commit(replace(outcome(4, 5, [later], partition=0), incident_rule=rule))
        page = incident_inbox(engine, AlertFilter(), "recent")
        assert [(one.count, one.entity_count) for one in page.incidents] == [(1, 1), (4, 2)]

    def test_a_rack_that_fails_is_one_incident(self, store: AlertStore, engine: Engine) -> None:
        """Related by a field of the records, whatever their reasons; kept for alerts that come in later commits."""
        rule = IncidentRule(within=timedelta(seconds=60), fields=("rack",))
        for host, (rack, reasons) in enumerate((("r1", LATENCY), ("r1", DISK), ("r2", {"level": 1.0}))):
            record = because(flagged(0, float(host), f"web-{host}", partition=host), reasons)
            record = replace(record, values={**record.values, "rack": rack})
            store.commit(replace(outcome(0, 1, [record], partition=host), incident_rule=rule))
        assert self.incidents(engine) == {frozenset({"web-0", "web-1"}), frozenset({"web-2"})}

    def test_a_late_record_that_makes_an_alert_longer_brings_its_tail_in(
        self, store: AlertStore, engine: Engine
    ) -> None:
        """As if it had come in time."""
        rule = IncidentRule(within=timedelta(seconds=60))
        for offset, seconds in enumerate((0.0, 170.0)):
            record = because(flagged(offset, seconds, "web-0"), LATENCY)
            store.commit(replace(outcome(offset, offset + 1, [record]), incident_rule=rule))
        assert incident_inbox(engine, AlertFilter(), "recent").total == 2
        late = replace(because(flagged(2, 55.0, "web-0"), LATENCY), arrival=Arrival.LATE)
        store.commit(replace(outcome(2, 3, [late]), incident_rule=rule))
        assert incident_inbox(engine, AlertFilter(), "recent").total == 1

    def test_an_outage_is_one_incident_and_one_message(
        self, store: AlertStore, engine: Engine, clock: ManualClock
    ) -> None:
        """Thirty hosts in thirty commits, and a disk of the same minute, which is another."""
        disk = because(flagged(1, 10.0, "db-4", partition=0), DISK)
        for host in range(HOSTS):
            store.commit(replace(self.outage(host), settle_seconds=5.0))
        store.commit(replace(outcome(1, 2, [disk]), settle_seconds=5.0))
        assert self.incidents(engine) == {frozenset(f"web-{host}" for host in range(HOSTS)), frozenset({"db-4"})}
        desk = RecordingChannel()
        notifier = Notifier(engine, {"oncall": RecordingChannel(), "desk": desk}, clock)
        assert notifier.deliver().sent == 0
        clock.advance(6.0)
        notifier.deliver()
        assert [message.title for message in desk.taken] == [
            "[medium] pump: 30 entities not normal",
            "[low] pump / db-4: not normal",
        ]
        assert "in order of onset: web-0, web-1, web-2 and 27 more" in desk.taken[0].body
        assert "Most unusual: latency, connections." in desk.taken[0].body
        assert "Medium: 1.2 times the threshold for 29 s on 30 entities." in desk.taken[0].body
        wide = incident_inbox(engine, AlertFilter(at_least=Severity.MEDIUM), "severity").incidents
        assert [one.entity_count for one in wide] == [HOSTS]
        assert wide[0].severity_in_words == "medium: 1.2 times the threshold for 29 s on 30 entities"

    def test_an_incident_that_spreads_is_told_again_not_each_time(
        self, store: AlertStore, engine: Engine, clock: ManualClock
    ) -> None:
        """At four times the entities that people were told of, and at four times that."""
        desk = RecordingChannel()
        notifier = Notifier(engine, {"oncall": RecordingChannel(), "desk": desk}, clock)
        for host in range(HOSTS):
            store.commit(self.outage(host))
            notifier.deliver()
        assert [message.title for message in desk.taken] == [
            "[low] pump / web-0: not normal",
            "[low] pump: 4 entities spreading",
            "[medium] pump: 16 entities spreading",
        ]

    @pytest.mark.parametrize("seed", range(6))
    def test_the_order_of_commits_changes_nothing(self, engine: Engine, seed: int) -> None:
        """Three chains of hosts, one of them broken, their partitions committed in any order, some together."""
        random, rule = Random(seed), IncidentRule(timedelta(seconds=70))
        seen = []
        for _ in range(2):
            monitor = f"m{uuid4().hex}"
            store = AlertStore(engine, monitor)
            outcomes = [self.outage(host, 20.0 * host + 500.0 * (host % 3)) for host in range(24) if host != 9]
            random.shuffle(outcomes)
            while outcomes:
                batch = [outcomes.pop() for _ in range(min(len(outcomes), random.randint(1, 4)))]
                for each in batch:
                    store.claim(SOURCE, each.moves[0].partition, 0)
                store.commit(
                    replace(
                        batch[0],
                        monitor=monitor,
                        moves=tuple(move for each in batch for move in each.moves),
                        flagged=tuple(record for each in batch for record in each.flagged),
                        incident_rule=rule,
                    )
                )
            seen.append(self.incidents(engine, monitor))
        assert seen[0] == seen[1]
        assert sorted(map(len, seen[0])) == [3, 4, 8, 8]

    def test_scorers_that_commit_at_once_see_each_other(self, store: AlertStore, engine: Engine) -> None:
        """Of partitions that are committed at the same moment no alert stays outside."""
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda host: store.commit(self.outage(host)), range(HOSTS)))
        assert self.incidents(engine) == {frozenset(f"web-{host}" for host in range(HOSTS))}

    def test_an_alert_of_which_nothing_is_left_holds_nothing_together(self, store: AlertStore, engine: Engine) -> None:
        """Two hosts that only a third connects are two incidents when a late record withdraws the third."""
        rule = IncidentRule(timedelta(seconds=60))
        for host, seconds in enumerate((0.0, 50.0, 100.0)):
            store.commit(replace(self.outage(host, seconds), incident_rule=rule))
        assert len(self.incidents(engine)) == 1
        middle = self.outage(1, 50.0).flagged[0]
        store.commit(replace(outcome(1, 2, partition=1), amendments=(amended(middle, 1.0),), incident_rule=rule))
        assert self.incidents(engine) == {frozenset({"web-0"}), frozenset({"web-2"})}

    def test_people_are_still_told_of_the_others(self, store: AlertStore, engine: Engine) -> None:
        """The alert under which an incident's message waits is withdrawn before it is sent."""
        for host in range(2):
            store.commit(self.outage(host))
        first = self.outage(0).flagged[0]
        store.commit(replace(outcome(1, 2), amendments=(amended(first, 1.0),)))
        with reading(engine) as session:
            assert {message.status for message in session.scalars(select(NotificationRow))} == {"due"}

    def test_entities_that_stopped_together_are_one(self, store: AlertStore, engine: Engine) -> None:
        """One message of three, in words that say so."""
        stops = tuple(StoppedSending(f"web-{n}", 0, n, at(n), model_version=1, threshold=3.0) for n in range(3))
        store.commit(replace(outcome(0, 1), stopped=stops))
        assert self.incidents(engine) == {frozenset({"web-0", "web-1", "web-2"})}
        with reading(engine) as session:
            titles = session.scalars(select(NotificationRow.title).where(NotificationRow.channel == "desk")).all()
        assert titles == ["[medium] pump: 3 entities stopped sending"]

    def test_people_are_told_when_it_is_over(self, store: AlertStore, engine: Engine, clock: ManualClock) -> None:
        """Not before every host has been normal for longer than the gap; a stretch that goes on again is told again."""
        desk = RecordingChannel()
        notifier = Notifier(engine, {"oncall": RecordingChannel(), "desk": desk}, clock)
        for host in range(2):
            store.commit(self.outage(host))
        notifier.deliver()

        def hear(host: int, seconds: float, position: int) -> list[str]:
            state = EntityState(f"web-{host}", host, at(seconds), 9, warming=False)
            store.commit(replace(outcome(position, position + 1, partition=host), entities=(state,)))
            notifier.deliver()
            return [message.title for message in desk.taken[1:]]

        assert hear(0, 60.0, 1) == []
        assert hear(0, 61.0, 2) == []
        assert hear(1, 90.0, 1) == ["[low] pump: 2 entities normal again after 1 s"]
        (found,) = incident_inbox(engine, AlertFilter()).incidents
        assert (found.over, found.status) == (True, AlertStatus.OPEN)
        detail = alert_detail(engine, found.alerts[0].id)
        assert detail is not None
        assert [event.kind for event in detail.events] == ["over"]

    def test_a_message_that_all_is_over_is_taken_back_where_another_host_joins(
        self, store: AlertStore, engine: Engine, clock: ManualClock
    ) -> None:
        """A scorer that catches up reads one partition's recovery before another's outage."""
        desk = RecordingChannel()
        notifier = Notifier(engine, {"oncall": RecordingChannel(), "desk": desk}, clock)

        def commit(host: int, done: Outcome, *normal: float) -> None:
            heard = tuple(EntityState(f"web-{host}", host, at(each), 9, warming=False) for each in normal)
            store.commit(replace(done, settle_seconds=5.0, entities=heard))

        commit(0, self.outage(0))
        commit(0, outcome(1, 2, partition=0), 100.0)
        commit(1, self.outage(1))
        clock.advance(6)
        notifier.deliver()
        assert [message.title for message in desk.taken] == ["[low] pump: 2 entities not normal"]
        commit(1, outcome(1, 2, partition=1), 100.0)
        clock.advance(6)
        notifier.deliver()
        assert [message.title for message in desk.taken[1:]] == ["[low] pump: 2 entities normal again after 1 s"]
        # What joins after that is told, once.
        commit(2, self.outage(2))
        notifier.deliver()
        assert [message.title for message in desk.taken[2:]] == ["[low] pump: 3 entities not normal again"]
        commit(3, self.outage(3))
        notifier.deliver()
        assert len(desk.taken) == 3

    def test_entities_that_send_again_end_their_incident(
        self, store: AlertStore, engine: Engine, clock: ManualClock
    ) -> None:
        """One message as they stop, one when the last of them is back."""
        stops = tuple(StoppedSending(f"web-{n}", 0, n, at(n), model_version=1, threshold=3.0) for n in range(2))
        store.commit(replace(outcome(0, 1), stopped=stops))
        desk = RecordingChannel()
        notifier = Notifier(engine, {"oncall": RecordingChannel(), "desk": desk}, clock)
        notifier.deliver()
        store.commit(replace(outcome(1, 2), heard={"web-0": at(600)}))
        store.commit(replace(outcome(2, 3), heard={"web-1": at(601)}))
        notifier.deliver()
        assert [message.title for message in desk.taken] == [
            "[medium] pump: 2 entities stopped sending",
            "[low] pump: 2 entities normal again after 10 min 1 s",
        ]
