"""What people's decisions do to alerts, and what they keep out of training."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, insert, select

from latentwatch.alerts.reading import alert_detail
from latentwatch.alerts.reviewing import Interval, acknowledge, close, excluded_intervals, label, labels, reopen
from latentwatch.alerts.session import reading, transaction
from latentwatch.alerts.store import AlertStore
from latentwatch.alerts.tables import AlertEventRow, AlertRow, LabelRow
from latentwatch.domain.alert import AlertStatus, Label, Verdict
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import InvalidInput, NotFound
from tests.alerts.build import MONITOR, SOURCE, at, flagged, outcome

MARGIN = timedelta(seconds=30)


class ReviewingContract:
    """Promises about people's decisions."""

    @pytest.fixture
    def alert(self, engine: Engine, clock: ManualClock) -> int:
        """An open alert of rig-1, from second 100 to second 140."""
        return self.opened(engine, clock, 100, 140)

    def opened(self, engine: Engine, clock: ManualClock, first: float, last: float, entity: str = "rig-1") -> int:
        """A new alert of two records."""
        store = AlertStore(engine, MONITOR, clock)
        start = store.claim(SOURCE, 0, 0)
        records = [flagged(start, first, entity), flagged(start + 1, last, entity)]
        return store.commit(outcome(start, start + 2, records)).alerts_opened[0]

    def status(self, engine: Engine, alert: int) -> tuple[AlertStatus, Verdict | None]:
        """Where an alert is."""
        with reading(engine) as session:
            row = session.get_one(AlertRow, alert)
            return row.status, row.verdict

    def test_the_way_of_an_alert(self, engine: Engine, alert: int, clock: ManualClock) -> None:
        """Acknowledge, close and reopen move it, and leave who and when; doing so twice leaves one event."""
        assert acknowledge(engine, alert, " ann ", clock=clock) is AlertStatus.ACKNOWLEDGED
        assert acknowledge(engine, alert, "bob", clock=clock) is AlertStatus.ACKNOWLEDGED
        clock.advance(5)
        assert close(engine, alert, "bob", "seen on site", clock=clock) is AlertStatus.CLOSED
        assert acknowledge(engine, alert, "cid", clock=clock) is AlertStatus.CLOSED
        assert reopen(engine, alert, "cid", clock=clock) is AlertStatus.OPEN
        row = AlertEventRow
        with reading(engine) as session:
            events = session.execute(select(row.kind, row.author, row.note).order_by(row.id)).all()
            assert session.get_one(AlertRow, alert).updated == clock.now()
        assert [tuple(event) for event in events] == [
            ("acknowledged", "ann", ""),
            ("closed", "bob", "seen on site"),
            ("reopened", "cid", ""),
        ]

    def test_the_latest_label_of_a_much_reviewed_alert_is_found(self, engine: Engine, clock: ManualClock) -> None:
        """Earlier alerts are shown with their latest label, however many came before it."""
        first, second, third = (self.opened(engine, clock, start, start + 10) for start in (100, 1000, 2000))
        with transaction(engine) as session:
            said = {"alert_id": first, "verdict": Verdict.UNSURE, "author": "ann", "note": "", "created": clock.now()}
            session.execute(insert(LabelRow), [{**said, "cause": f"cause {number}"} for number in range(900)])
        label(engine, second, Verdict.TRUE, "bob", "leak", clock=clock)
        found = alert_detail(engine, third)
        assert found is not None
        assert [said and said.cause for _, said in found.previous] == ["leak", "cause 899"]

    def test_labels_are_kept_and_the_latest_counts(self, engine: Engine, alert: int, clock: ManualClock) -> None:
        """A later verdict supersedes an earlier one without erasing it."""
        label(engine, alert, Verdict.UNSURE, "ann", note="ask bob", clock=clock)
        assert self.status(engine, alert) == (AlertStatus.ACKNOWLEDGED, Verdict.UNSURE)
        label(engine, alert, Verdict.TRUE, "bob", "bearing", "replaced", clock)
        assert self.status(engine, alert) == (AlertStatus.CLOSED, Verdict.TRUE)
        assert labels(engine, alert) == [
            Label(alert, Verdict.UNSURE, "ann", "", "ask bob", clock.now()),
            Label(alert, Verdict.TRUE, "bob", "bearing", "replaced", clock.now()),
        ]

    def test_mistakes_are_named(self, engine: Engine, alert: int) -> None:
        """An alert that is not there and a verdict without an author are refused, and change nothing."""
        with pytest.raises(NotFound, match=f"no alert {alert + 1}"):
            acknowledge(engine, alert + 1, "ann")
        with pytest.raises(InvalidInput, match="author"):
            label(engine, alert, Verdict.TRUE, "  ")
        assert self.status(engine, alert) == (AlertStatus.OPEN, None)

    def test_open_and_confirmed_alerts_stay_out_of_training(self, engine: Engine, clock: ManualClock) -> None:
        """What is open, acknowledged, unsure or true is left out; false alarms and what was put away are learned."""
        decided = {
            "open": lambda alert: None,
            "looked at": lambda alert: acknowledge(engine, alert, "ann"),
            "unsure": lambda alert: label(engine, alert, Verdict.UNSURE, "ann"),
            "true": lambda alert: label(engine, alert, Verdict.TRUE, "ann"),
            "false": lambda alert: label(engine, alert, Verdict.FALSE, "ann"),
            "false, reopened": lambda alert: (label(engine, alert, Verdict.FALSE, "ann"), reopen(engine, alert, "ann")),
            "put away": lambda alert: close(engine, alert, "ann"),
        }
        for entity, decide in decided.items():
            decide(self.opened(engine, clock, 100, 140, entity))
        left_out = excluded_intervals(engine, MONITOR, MARGIN)
        assert left_out == [Interval(entity, at(70), at(170)) for entity in ("looked at", "open", "true", "unsure")]
        assert excluded_intervals(engine, "other") == []

    def test_overlapping_stretches_are_joined(self, engine: Engine, clock: ManualClock) -> None:
        """Stretches of an entity that meet within their margins come out as one."""
        for first, last in ((1000, 1010), (100, 110), (1075, 1080), (175, 180)):
            self.opened(engine, clock, first, last)
        alerts = [
            (interval.start, interval.end) for interval in excluded_intervals(engine, MONITOR, timedelta(seconds=35))
        ]
        assert alerts == [(at(65), at(215)), (at(965), at(1115))]
