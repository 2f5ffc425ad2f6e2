"""Many alerts at once: all or nothing, with one step back; incidents split and put together by hand."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine

from latentwatch.alerts.bulk_review import MOST_AT_ONCE, BulkAction, Said, act_on_many, undo
from latentwatch.alerts.incident_review import alerts_of_incident, put_together, split_off
from latentwatch.alerts.reading import AlertFilter, alert_detail, inbox, incident_events, incident_inbox, incident_of
from latentwatch.alerts.reviewing import excluded_intervals, label
from latentwatch.alerts.store import AlertStore
from latentwatch.domain.alert import AlertStatus, Severity, Verdict
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import InvalidInput, NotFound
from tests.alerts.build import MONITOR, SOURCE, flagged, outcome
from tests.alerts.contract.incidents import LATENCY, because

ANN = "Ann"


class BulkReviewContract:
    """Promises about what is done to many alerts."""

    @pytest.fixture
    def store(self, engine: Engine, clock: ManualClock) -> AlertStore:
        store = AlertStore(engine, MONITOR, clock)
        for partition in range(8):
            store.claim(SOURCE, partition, 0)
        return store

    @pytest.fixture
    def alerts(self, store: AlertStore, engine: Engine) -> list[int]:
        """Of four hosts in one incident."""
        records = [because(flagged(host, 0.0, f"web-{host}", surprise=4.0 + host), LATENCY) for host in range(4)]
        store.commit(outcome(0, 4, records))
        return sorted(alert.id for alert in inbox(engine, AlertFilter()).alerts)

    def states(self, engine: Engine) -> list[tuple[AlertStatus, Verdict | None]]:
        """Of every alert, by number."""
        found = inbox(engine, AlertFilter()).alerts
        return [(one.status, one.verdict) for one in sorted(found, key=lambda one: one.id)]

    def test_one_label_for_all_and_one_step_back(self, engine: Engine, alerts: list[int]) -> None:
        """What was there before is there again; the labels stay in the history."""
        label(engine, alerts[0], Verdict.UNSURE, "Bob")
        before = self.states(engine)
        done = act_on_many(engine, alerts, BulkAction.TRUE, Said(ANN, cause="outage"))
        assert done.changed == tuple(alerts)
        assert self.states(engine) == [(AlertStatus.CLOSED, Verdict.TRUE)] * 4
        assert undo(engine, done.id, ANN).changed == tuple(alerts)  # type: ignore[arg-type]
        assert self.states(engine) == before
        detail = alert_detail(engine, alerts[1])
        assert detail is not None
        assert [one.verdict for one in detail.labels] == [Verdict.TRUE]
        assert [event.kind for event in detail.events] == ["labelled", "undone"]
        with pytest.raises(InvalidInput, match="undone already"):
            undo(engine, done.id, ANN)  # type: ignore[arg-type]

    def test_what_somebody_changed_since_stays(self, engine: Engine, alerts: list[int]) -> None:
        """A step back takes nobody's later word away."""
        done = act_on_many(engine, alerts, BulkAction.FALSE, Said(ANN))
        label(engine, alerts[2], Verdict.TRUE, "Bob")
        assert undo(engine, done.id, ANN).changed == (alerts[0], alerts[1], alerts[3])  # type: ignore[arg-type]
        assert self.states(engine)[2] == (AlertStatus.CLOSED, Verdict.TRUE)
        assert len(excluded_intervals(engine, MONITOR)) == 4

    def test_it_is_all_or_nothing(self, engine: Engine, alerts: list[int]) -> None:
        """One number that does not exist, and nothing is done; so with none, too many, or no name."""
        before = self.states(engine)
        for numbers, author, problem in (
            ([*alerts, 10**6], ANN, NotFound),
            ([], ANN, InvalidInput),
            (list(range(1, MOST_AT_ONCE + 2)), ANN, InvalidInput),
            (alerts, " ", InvalidInput),
        ):
            with pytest.raises(problem):
                act_on_many(engine, numbers, BulkAction.ACKNOWLEDGE, Said(author))
        assert self.states(engine) == before

    def test_what_is_so_already_is_not_changed(self, engine: Engine, alerts: list[int]) -> None:
        """An acknowledged alert is not acknowledged again, and stays so when the others are taken back."""
        first = act_on_many(engine, alerts[:1], BulkAction.ACKNOWLEDGE, Said(ANN))
        second = act_on_many(engine, alerts, BulkAction.ACKNOWLEDGE, Said(ANN))
        assert (first.changed, second.changed) == ((alerts[0],), tuple(alerts[1:]))
        undo(engine, second.id, ANN)  # type: ignore[arg-type]
        assert [status for status, _ in self.states(engine)] == [AlertStatus.ACKNOWLEDGED, *[AlertStatus.OPEN] * 3]

    def test_an_incident_is_told_as_one(self, engine: Engine, alerts: list[int]) -> None:
        """Its entities in order of onset, the severity of the loudest, open as long as one alert is."""
        act_on_many(engine, alerts[1:], BulkAction.FALSE, Said(ANN))
        (found,) = incident_inbox(engine, AlertFilter()).incidents
        assert (found.id, found.count, found.entity_count) == (alerts[0], 4, 4)
        assert found.entities == ["web-0", "web-1", "web-2", "web-3"]
        assert found.named == "web-0, web-1, web-2 and 1 more"
        assert (found.status, found.verdict, found.severity) == (AlertStatus.OPEN, None, Severity.CRITICAL)
        assert found.features == ["latency", "connections"]
        assert found.loudest.entity == "web-3"
        assert incident_inbox(engine, AlertFilter(entity="web-2")).incidents == (found,)
        assert incident_inbox(engine, AlertFilter(entity="web-9")).total == 0

    def test_what_is_split_off_stays_apart(self, store: AlertStore, engine: Engine, alerts: list[int]) -> None:
        """A later alert joins the others, also where the first is the one that was split off."""
        assert split_off(engine, alerts[0], [alerts[0], alerts[2]], ANN) == alerts[0]
        assert alerts_of_incident(engine, alerts[0]) == [alerts[0], alerts[2]]
        assert alerts_of_incident(engine, alerts[1]) == [alerts[1], alerts[3]]
        store.commit(outcome(4, 5, [because(flagged(4, 1.0, "web-4"), LATENCY)]))
        assert incident_of(engine, alerts[1]).count == 3  # type: ignore[union-attr]
        for chosen in ([alerts[1]], alerts, []):
            with pytest.raises(InvalidInput):
                split_off(engine, alerts[0], chosen, ANN)

    def test_a_split_keeps_status_and_history(self, engine: Engine, alerts: list[int]) -> None:
        """Of both parts: what was said of each alert before goes on to count, and both histories say who split them."""
        act_on_many(engine, alerts, BulkAction.ASSIGN, Said(ANN, assignee="ben"))
        act_on_many(engine, alerts[2:], BulkAction.FALSE, Said(ANN))
        act_on_many(engine, alerts[:1], BulkAction.ACKNOWLEDGE, Said(ANN))
        before = self.states(engine)
        new = split_off(engine, alerts[0], alerts[2:], "eve")
        assert self.states(engine) == before
        first, second = incident_of(engine, alerts[0]), incident_of(engine, new)
        assert first is not None
        assert second is not None
        assert (first.status, first.verdict, first.assignees) == (AlertStatus.OPEN, None, ["ben"])
        assert (second.status, second.verdict, second.assignees) == (AlertStatus.CLOSED, Verdict.FALSE, ["ben"])
        told = [
            [(each.kind, each.author, each.alerts) for each in incident_events(engine, one.id)]
            for one in (first, second)
        ]
        assert told[0] == [("assigned", ANN, 2), ("acknowledged", ANN, 1), ("split off", "eve", 2)]
        assert told[1] == [("assigned", ANN, 2), ("labelled", ANN, 2), ("split off", "eve", 2)]

    def test_incidents_are_put_together_across_monitors(
        self, store: AlertStore, engine: Engine, clock: ManualClock, alerts: list[int]
    ) -> None:
        """One number for all; the history of each alert says who did it."""
        other = AlertStore(engine, "valves", clock)
        other.claim(SOURCE, 0, 0)
        other.commit(replace(outcome(0, 1, [flagged(0, 9e3)]), monitor="valves"))
        stranger = max(alert.id for alert in inbox(engine, AlertFilter(monitor="valves")).alerts)
        assert put_together(engine, [stranger, alerts[0]], ANN) == alerts[0]
        found = incident_of(engine, alerts[0])
        assert found is not None
        assert (found.monitors, found.count) == (["pump", "valves"], 5)
        with pytest.raises(NotFound):
            put_together(engine, [stranger, alerts[0]], ANN)
        with pytest.raises(InvalidInput):
            put_together(engine, [alerts[0]], ANN)
