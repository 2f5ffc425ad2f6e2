"""What labels say of alerts: disputes, precision, and the order in which labelling teaches most."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from latentwatch.alerts.incident_review import put_together, split_off
from latentwatch.alerts.missed_stretches import label_missed
from latentwatch.alerts.reading import AlertFilter, inbox, incident_inbox
from latentwatch.alerts.reading.precision import precision
from latentwatch.alerts.reviewing import close, label
from latentwatch.alerts.store import AlertStore
from latentwatch.domain.alert import Verdict
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.scores import Explanation
from tests.alerts.build import MONITOR, SOURCE, at, flagged, outcome

DAY = 86_400.0
REASONS = ("country", "country", "country", "amount", "text")


class LabelsContract:
    """Promises about what labels say."""

    @pytest.fixture
    def numbers(self, engine: Engine, clock: ManualClock) -> list[int]:
        """Five alerts, ten days apart: three alike, and two of other reasons."""
        store = AlertStore(engine, MONITOR, clock)
        store.claim(SOURCE, 0, 0)
        opened: list[int] = []
        for number, reason in enumerate(REASONS):
            why = Explanation({}, {reason: 3.0}, (), (0.0, 0.0), (0.0, 0.0))
            record = replace(flagged(number, -10 * DAY * number, f"tx-{number}"), explanation=why)
            opened += store.commit(outcome(number, number + 1, [record])).alerts_opened
        return opened

    def test_two_reviewers_who_differ_are_a_dispute(self, engine: Engine, numbers: list[int]) -> None:
        """By each one's last word; a change of mind is none, nor is being unsure."""
        said = {
            0: [("ada", Verdict.TRUE), ("ben", Verdict.FALSE)],
            1: [("ada", Verdict.TRUE), ("ada", Verdict.FALSE)],
            2: [("ada", Verdict.TRUE), ("ben", Verdict.UNSURE)],
            3: [("ada", Verdict.TRUE), ("ben", Verdict.FALSE), ("ben", Verdict.TRUE)],
        }
        for place, words in said.items():
            for author, verdict in words:
                label(engine, numbers[place], verdict, author)
        wanted = AlertFilter(verdict="disputed")
        assert [alert.id for alert in inbox(engine, wanted).alerts] == [numbers[0]]
        page = incident_inbox(engine, AlertFilter(), "recent")
        assert [one.disputed for one in page.incidents] == [True, False, False, False, False]

    def test_precision_by_week_reviewer_and_cause(self, engine: Engine, numbers: list[int]) -> None:
        """The latest verdict counts, for who gave it; the cause that was named last; alerts of before are left out."""
        label(engine, numbers[0], Verdict.TRUE, "ada", cause="fraud")
        label(engine, numbers[0], Verdict.FALSE, "ben")
        label(engine, numbers[1], Verdict.TRUE, "ada", cause="valve")
        label(engine, numbers[4], Verdict.TRUE, "ada")
        label_missed(engine, MONITOR, "rig-1", at(-9 * DAY), at(-8 * DAY), author="ada")
        label_missed(engine, "other", "rig-1", at(-9 * DAY), at(-8 * DAY), author="ada")
        found = precision(engine, at(0), MONITOR, weeks=4)
        assert (found.total.confirmed, found.total.false, found.total.unlabelled) == (1, 1, 1)
        assert found.total.precision == 0.5
        assert (found.missed, found.recall) == (1, 0.5)
        assert {one.name: (one.confirmed, one.false) for one in found.reviewers} == {"ada": (1, 0), "ben": (0, 1)}
        assert {one.name: (one.confirmed, one.false) for one in found.causes} == {"fraud": (0, 1), "valve": (1, 0)}
        assert len(found.weeks) == 4
        assert found.weeks[0].name <= f"{at(0):%Y-%m-%d}" < f"{at(7 * DAY):%Y-%m-%d}"
        assert sum(one.confirmed + one.false + one.unlabelled for one in found.weeks) == 3
        assert "50% of 2 judged alerts were real" in found.in_words
        assert precision(engine, at(0), "none").total.precision is None
        assert precision(engine, at(0)).total.confirmed == 2

    def test_what_an_incident_holds_of_an_entity_counts_once(self, engine: Engine, clock: ManualClock) -> None:
        """However many alerts it came as, and one of them confirmed is enough; what is split off is another incident."""
        store = AlertStore(engine, MONITOR, clock)
        store.claim(SOURCE, 0, 0)
        alerts: list[int] = []
        for number in range(3):
            seconds = -100.0 + 5 * number
            alerts += store.commit(outcome(number, number + 1, [flagged(number, seconds, "rig-1")])).alerts_opened
            close(engine, alerts[-1], "ada")
        assert len(alerts) == 3
        label(engine, alerts[0], Verdict.FALSE, "ben")
        label(engine, alerts[1], Verdict.TRUE, "ada", cause="valve")
        number = put_together(engine, alerts, "ada") if len(incident_inbox(engine, AlertFilter()).incidents) > 1 else 0
        found = precision(engine, at(0), MONITOR)
        assert (found.total.confirmed, found.total.false, found.total.unlabelled) == (1, 0, 0)
        assert [(one.name, one.confirmed) for one in found.reviewers] == [("ada", 1)]
        assert [(one.name, one.confirmed) for one in found.causes] == [("valve", 1)]
        split_off(engine, number or alerts[0], [alerts[0]], "ada")
        apart = precision(engine, at(0), MONITOR).total
        assert (apart.confirmed, apart.false, apart.unlabelled) == (1, 1, 0)

    def test_what_teaches_most_comes_first(self, engine: Engine, numbers: list[int]) -> None:
        """The latest of three alike; labelled alerts come after all that are not, and pages follow on each other."""
        label(engine, numbers[3], Verdict.TRUE, "ada")
        order = [alert.id for alert in inbox(engine, AlertFilter(), "teaching").alerts]
        assert order[0] in numbers[:3]
        assert order[1] == numbers[4]
        assert order[-1] == numbers[3]
        assert sorted(order) == sorted(numbers)
        pages = [
            [one.id for one in incident_inbox(engine, AlertFilter(), "teaching", offset, 2).incidents]
            for offset in (0, 2, 4)
        ]
        assert [len(page) for page in pages] == [2, 2, 1]
        assert len({number for page in pages for number in page}) == 5

    def test_an_incident_is_asked_about_once(self, engine: Engine, clock: ManualClock, numbers: list[int]) -> None:
        """Thirty alerts of one outage are one question; three lone alerts alike teach more."""
        store = AlertStore(engine, MONITOR, clock)
        store.claim(SOURCE, 1, 0)
        why = Explanation({}, {"latency": 3.0}, (), (0.0, 0.0), (0.0, 0.0))
        hosts = [replace(flagged(host, 500.0, f"web-{host}", partition=1), explanation=why) for host in range(8)]
        store.commit(outcome(0, 8, hosts, partition=1))
        first = incident_inbox(engine, AlertFilter(), "teaching").incidents[0]
        assert first.alerts[0].id in numbers[:3]
        assert timedelta() <= first.ended - first.started
