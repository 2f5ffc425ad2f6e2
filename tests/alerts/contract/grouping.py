"""Grouping, as the database shows it: which flagged records share an alert, and what the alert says of them."""

from dataclasses import replace
from itertools import pairwise
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select

from latentwatch.alerts.reading import alert_detail
from latentwatch.alerts.reviewing import acknowledge, close, label
from latentwatch.alerts.session import reading, transaction
from latentwatch.alerts.store import AlertStore
from latentwatch.alerts.tables import AlertEventRow, AlertRow, FlaggedRecordRow, KeptTraceRow, TraceRow
from latentwatch.domain.alert import AlertStatus, FlaggedRecord, Severity, Verdict
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.outcome import Receipt
from tests.alerts.build import MONITOR, SOURCE, at, flagged, outcome, point


class GroupingContract:
    """Promises about alerts."""

    @pytest.fixture
    def store(self, engine: Engine, clock: ManualClock) -> AlertStore:
        store = AlertStore(engine, MONITOR, clock)
        store.claim(SOURCE, 0, 0)
        return store

    def give(self, store: AlertStore, *records: FlaggedRecord) -> Receipt:
        """Commit one batch that ends behind its last record; the gap is a minute."""
        start = store.positions(SOURCE)[0]
        return store.commit(outcome(start, max(record.position.offset for record in records) + 1, records))

    def alerts(self, engine: Engine) -> list[AlertRow]:
        """Every alert, oldest first."""
        with reading(engine) as session:
            return list(session.scalars(select(AlertRow).order_by(AlertRow.id)))

    def test_one_entity_within_the_gap_is_one_alert(self, store: AlertStore, engine: Engine) -> None:
        """Flagged records no further apart than the gap join across commits; one beyond it opens another."""
        first = self.give(store, flagged(0, 0), flagged(1, 60))
        second = self.give(store, flagged(2, 120))
        third = self.give(store, flagged(3, 180.000001))
        assert first.alerts_opened == second.alerts_extended
        assert len(third.alerts_opened) == 1
        spans = [(alert.started, alert.ended, alert.records) for alert in self.alerts(engine)]
        assert spans == [(at(0), at(120), 3), (at(180.000001), at(180.000001), 1)]

    # Each example writes under a monitor of its own, so the engine may be shared; each database runs its own examples.
    @settings(
        max_examples=12,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(moments=st.lists(st.integers(0, 400), min_size=2, max_size=12), data=st.data())
    def test_any_cutting_stores_the_same_alerts(self, engine: Engine, moments: list[int], data: st.DataObject) -> None:
        """However a stream is cut into commits, the same alerts with the same records end in the database."""
        cuts = sorted(data.draw(st.sets(st.integers(1, len(moments) - 1), max_size=4)))
        records = [flagged(offset, float(second), f"rig-{offset % 2}") for offset, second in enumerate(moments)]
        seen = []
        for spans in ([0, len(moments)], [0, *cuts, len(moments)]):
            monitor = f"m{uuid4().hex}"
            store = AlertStore(engine, monitor)
            store.claim(SOURCE, 0, 0)
            for start, end in pairwise(spans):
                store.commit(replace(outcome(start, end, records[start:end]), monitor=monitor))
            alert, row = AlertRow, FlaggedRecordRow
            with reading(engine) as session:
                described = session.execute(
                    select(alert.entity, alert.started, alert.ended, alert.records, alert.peak_offset, row.offset)
                    .join(row, row.alert_id == alert.id)
                    .where(alert.monitor == monitor)
                    .order_by(alert.id, row.offset)
                ).all()
            seen.append([tuple(each) for each in described])
        assert len(seen[0]) == len(records)
        assert seen[0] == seen[1]

    def test_entities_do_not_share_alerts(self, store: AlertStore, engine: Engine) -> None:
        """Two entities flagged at the same time are two alerts."""
        receipt = self.give(store, flagged(0, 0, "rig-1"), flagged(1, 0, "rig-2"))
        assert len(receipt.alerts_opened) == 2
        assert [alert.entity for alert in self.alerts(engine)] == ["rig-1", "rig-2"]

    def test_a_record_that_comes_late_joins(self, store: AlertStore, engine: Engine) -> None:
        """A record slightly before an alert's beginning, or inside an older alert, joins the one it belongs to."""
        self.give(store, flagged(0, 1000))
        self.give(store, flagged(1, 5000))
        self.give(store, flagged(2, 950), flagged(3, 1030), flagged(4, 4999))
        spans = [(alert.started, alert.ended, alert.records) for alert in self.alerts(engine)]
        assert spans == [(at(950), at(1030), 3), (at(4999), at(5000), 2)]

    def test_records_know_their_alert(self, store: AlertStore, engine: Engine) -> None:
        """Each flagged record points to the alert that counts it."""
        self.give(store, flagged(0, 0, "a"), flagged(1, 0, "b"), flagged(2, 1, "a"), flagged(3, 500, "a"))
        row = FlaggedRecordRow
        with reading(engine) as session:
            owners = dict(session.execute(select(row.offset, AlertRow.entity).join(AlertRow)).all())
            counted = session.scalars(select(AlertRow.records).order_by(AlertRow.id)).all()
        assert owners == {0: "a", 1: "b", 2: "a", 3: "a"}
        assert list(counted) == [2, 1, 1]

    def test_the_peak_speaks_for_the_alert(self, store: AlertStore, engine: Engine) -> None:
        """Surprise, threshold and model are those of the strangest record, the first of equals; features of all of them."""
        peak = replace(flagged(1, 1, surprise=6.0), threshold=3.25, model_version=8)
        self.give(store, flagged(0, 0, surprise=4.0))
        self.give(store, peak, replace(flagged(2, 2, surprise=6.0), model_version=9))
        self.give(store, flagged(3, 3, surprise=5.0))
        (alert,) = self.alerts(engine)
        assert (alert.peak_surprise, alert.threshold, alert.model_version) == (6.0, 3.25, 8)
        assert (alert.peak_source, alert.peak_partition, alert.peak_offset) == peak.position
        assert alert.features == ["Pressure0", "Pressure1", "Pressure2", "Pressure3"]

    def test_severity_grows_with_surprise_and_length(self, store: AlertStore, engine: Engine) -> None:
        """A long or very strange alert is worse; reaching critical leaves an event."""
        self.give(store, flagged(0, 0, surprise=3.1))
        assert self.alerts(engine)[0].severity is Severity.LOW
        self.give(store, *(flagged(offset, offset, surprise=3.1) for offset in range(1, 10)))
        assert self.alerts(engine)[0].severity is Severity.MEDIUM
        self.give(store, flagged(10, 10, surprise=9.0))
        self.give(store, flagged(11, 11, surprise=9.5))
        assert self.alerts(engine)[0].severity is Severity.CRITICAL
        with reading(engine) as session:
            assert session.scalars(select(AlertEventRow.kind)).all() == ["escalated"]

    def test_an_acknowledged_alert_goes_on(self, store: AlertStore, engine: Engine) -> None:
        """Acknowledging does not cut an alert in two."""
        (alert,) = self.give(store, flagged(0, 0)).alerts_opened
        acknowledge(engine, alert, "ann")
        assert self.give(store, flagged(1, 1)).alerts_extended == (alert,)
        assert self.alerts(engine)[0].status is AlertStatus.ACKNOWLEDGED

    def test_a_verdict_covers_its_stretch_to_the_end(self, store: AlertStore, engine: Engine) -> None:
        """Records that follow a labelled alert within the gap join it, without calling people again."""
        (alert,) = self.give(store, flagged(0, 0)).alerts_opened
        label(engine, alert, Verdict.FALSE, "ann")
        assert self.give(store, flagged(1, 1)).alerts_extended == (alert,)
        assert self.alerts(engine)[0].status is AlertStatus.CLOSED
        assert len(self.give(store, flagged(2, 500)).alerts_opened) == 1

    def test_an_alert_put_away_does_not_grow(self, store: AlertStore, engine: Engine) -> None:
        """After closing without a verdict, records that go on open a new alert."""
        (alert,) = self.give(store, flagged(0, 0)).alerts_opened
        close(engine, alert, "ann")
        receipt = self.give(store, flagged(1, 1))
        assert receipt.alerts_extended == ()
        assert len(receipt.alerts_opened) == 1

    def test_what_led_up_to_an_alert_is_kept(self, store: AlertStore, engine: Engine) -> None:
        """The trace before an alert stays with it; that of other entities and later points do not."""
        before = [point(second) for second in range(5)] + [point(2, "rig-2")]
        store.commit(outcome(0, 5, trace=before))
        store.commit(outcome(5, 9, [flagged(6, 6)], trace=[point(5), point(8)]))
        with reading(engine) as session:
            (kept,) = session.scalars(select(KeptTraceRow.points))
        shown = [(each.time, each.values) for each in kept.points("rig-1")]
        assert shown == [(at(second), {"Pressure": second}) for second in range(6)]

    def test_alerts_share_what_led_up_to_them(self, store: AlertStore, engine: Engine) -> None:
        """A point before two alerts is stored once and shown with both, also when the live trace has forgotten it."""
        store.commit(outcome(0, 5, trace=[point(second) for second in range(5)]))
        (first,) = self.give(store, flagged(6, 6)).alerts_opened
        (second,) = self.give(store, flagged(7, 120)).alerts_opened
        with transaction(engine) as session:
            session.execute(delete(TraceRow))
            assert [len(points) for points in session.scalars(select(KeptTraceRow.points))] == [5]
        for alert in (first, second):
            found = alert_detail(engine, alert)
            assert found is not None
            assert [each.time for each in found.trace[:5]] == [at(second) for second in range(5)]
