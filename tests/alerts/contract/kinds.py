"""The list of alerts by kind, and what is known of each one's kind."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.reading import AlertFilter, inbox, incident_inbox
from latentwatch.alerts.reading.kinds import recurrences_of
from latentwatch.alerts.reviewing import label
from latentwatch.alerts.store import AlertStore
from latentwatch.domain.alert import AlertStatus, Verdict
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.scores import Explanation
from tests.alerts.build import MONITOR, SOURCE, at, flagged, outcome
from tests.alerts.contract.outbox import PUMP

DAY = 86_400.0
REASONS = ("vibration", "flow", "vibration", "level", "flow", "vibration")


class KindsContract:
    """Promises about kinds of alerts."""

    @pytest.fixture
    def numbers(self, engine: Engine, clock: ManualClock) -> list[int]:
        """Six alerts of three kinds, two days apart, oldest first; `level` was never there before."""
        store = AlertStore(engine, MONITOR, clock)
        store.claim(SOURCE, 0, 0)
        opened: list[int] = []
        for number, reason in enumerate(REASONS):
            why = Explanation({}, {reason: 3.0}, (), (0.0, 0.0), (0.0, 0.0))
            record = replace(flagged(number, 2 * DAY * number, f"rig-{number}"), explanation=why)
            opened += store.commit(outcome(number, number + 1, [record])).alerts_opened
        return opened

    def test_alerts_of_one_kind_stand_together(self, engine: Engine, numbers: list[int]) -> None:
        """Kinds whose first alert is listed come first, then each kind in the order of its latest; incidents alike."""
        order = [numbers[place] for place in (5, 2, 0, 4, 1, 3)]
        assert [alert.id for alert in inbox(engine, AlertFilter(), "likeness").alerts] == order
        page = incident_inbox(engine, AlertFilter(), "likeness", 2, 3)
        assert [one.strangest.id for one in page.incidents] == order[2:5]

    def test_kinds_that_were_never_there_come_first(self, engine: Engine, numbers: list[int]) -> None:
        """Where the first of a kind is closed, those that are open have been there before."""
        for place in (0, 1):
            label(engine, numbers[place], Verdict.TRUE, "ada")
        unresolved = AlertFilter(statuses=(AlertStatus.OPEN,))
        order = [numbers[place] for place in (3, 5, 2, 4)]
        assert [alert.id for alert in inbox(engine, unresolved, "likeness").alerts] == order
        assert [one.strangest.id for one in incident_inbox(engine, unresolved, "likeness").incidents] == order

    def test_each_kind_is_told(self, engine: Engine, numbers: list[int]) -> None:
        """New within the week, came back, never; what is asked of no alert is nothing."""
        label(engine, numbers[0], Verdict.TRUE, "ada")
        now = at(2 * DAY * len(numbers))
        known = recurrences_of(engine, numbers, now)
        told = {place: known[number].in_words for place, number in enumerate(numbers)}
        assert told == {0: "", 1: "", 2: "came back", 3: "new kind this week", 4: "", 5: "came back"}
        assert (known[numbers[5]].alike, known[numbers[5]].earlier) == (2, 2)
        assert recurrences_of(engine, [], now) == {}

    def test_a_monitor_that_was_calm_has_a_past_too(self, engine: Engine, numbers: list[int]) -> None:
        """Its first alert is new where it was registered before the week, and says nothing where it was not."""
        later = at(3 * DAY)
        assert recurrences_of(engine, numbers[:1], later)[numbers[0]].new_kind is False
        register_monitor(engine, PUMP, ManualClock(later - timedelta(days=30)))
        assert recurrences_of(engine, numbers[:1], later)[numbers[0]].new_kind is True
