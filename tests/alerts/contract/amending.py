"""Amended decisions: the flagged record, its alert and the former decision agree, in the one transaction."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine, select

from latentwatch.alerts.former_decisions import FormerDecisionRow
from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.reading import AlertDetail, alert_detail
from latentwatch.alerts.session import reading
from latentwatch.alerts.store import AlertStore
from latentwatch.alerts.tables import AlertRow, KeptTraceRow, NotificationRow
from latentwatch.domain.alert import AlertStatus, Amendment, Arrival, FlaggedRecord
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import PartitionLost
from latentwatch.domain.record import Position
from tests.alerts.build import MONITOR, SOURCE, at, flagged, outcome, point
from tests.alerts.contract.outbox import PUMP

CAUSE = Position(SOURCE, 0, 99)


def amended(record: FlaggedRecord, surprise: float, *, formerly: bool = True) -> Amendment:
    """The verdict on a record changed; it is flagged now where the surprise reaches 3."""
    now = replace(record, surprise=surprise, context=b"\1\0\0\0", seen=77) if surprise >= 3.0 else None
    return Amendment(
        position=record.position, entity=record.entity, time=record.time, cause=CAUSE, model_version=7, threshold=3.0,
        former_surprise=record.surprise, formerly_flagged=formerly, surprise=surprise, reconstruction=0.25,
        density=0.125, flagged=now,
    )  # fmt: skip


class AmendingContract:
    """Promises about amended verdicts."""

    @pytest.fixture
    def store(self, engine: Engine, clock: ManualClock) -> AlertStore:
        store = AlertStore(engine, MONITOR, clock)
        register_monitor(engine, PUMP, clock.now())
        store.claim(SOURCE, 0, 0)
        return store

    def flag(self, store: AlertStore, *records: FlaggedRecord) -> None:
        """Three flagged records of one alert, unless told otherwise."""
        given = records or (flagged(1, surprise=3.5), flagged(2, surprise=5.0), flagged(3, surprise=4.0))
        store.commit(outcome(0, 10, given, trace=[point(1), point(2)]))

    def amend(self, store: AlertStore, *amendments: Amendment) -> None:
        """Commit these, with the records that are flagged only now."""
        here = store.positions(SOURCE)[0]
        raised = [each.flagged for each in amendments if each.flagged and not each.formerly_flagged]
        store.commit(replace(outcome(here, here + 1, raised), amendments=amendments))

    def detail(self, engine: Engine) -> AlertDetail:
        """The newest alert."""
        with reading(engine) as session:
            newest = session.scalars(select(AlertRow.id).order_by(AlertRow.id.desc()).limit(1)).one()
        found = alert_detail(engine, newest)
        assert found is not None
        return found

    def test_a_revised_verdict_replaces_the_record_and_keeps_the_former(
        self, store: AlertStore, engine: Engine
    ) -> None:
        """The record holds what replays to the new score; what was said before is beside it, with its own input."""
        self.flag(store)
        self.amend(store, amended(flagged(2, surprise=5.0), 3.25))
        detail = self.detail(engine)
        revised = next(one for one in detail.flagged if one.position.offset == 2)
        assert (revised.surprise, revised.context, revised.seen, revised.revision) == (3.25, b"\1\0\0\0", 77, 1)
        assert (detail.alert.records, detail.alert.peak_surprise) == (3, 4.0)
        (former,) = detail.former
        assert (former.surprise, former.flagged, former.surprise_since, former.flagged_since) == (5.0, True, 3.25, True)
        assert (former.position.offset, former.cause) == (2, CAUSE)
        with reading(engine) as session:
            kept = session.scalars(select(FormerDecisionRow)).one()
            assert (kept.context, kept.seen, kept.bundle) == (flagged(2).context, flagged(2).seen, "abc123")
            assert kept.values == flagged(2).values

    def test_a_withdrawn_record_leaves_its_alert(self, store: AlertStore, engine: Engine) -> None:
        """The alert is as if it had never been in it, and says so; its trace too."""
        self.flag(store)
        self.amend(store, amended(flagged(1, surprise=3.5), 1.0), amended(flagged(2, surprise=5.0), 2.0))
        detail = self.detail(engine)
        assert (detail.alert.records, detail.alert.started, detail.alert.ended) == (1, at(3), at(3))
        assert (detail.alert.peak_surprise, detail.alert.features) == (4.0, ("Pressure3",))
        assert detail.alert.status is AlertStatus.OPEN
        assert [event.kind for event in detail.events] == ["amended"]
        assert {one.surprise_since for one in detail.former} == {1.0, 2.0}

    def test_what_is_kept_of_the_trace_follows_its_own_record(self, store: AlertStore, engine: Engine) -> None:
        """Of two records of the entity's same moment, the kept point is the one whose verdict it shows."""
        there, other = flagged(2, surprise=5.0), flagged(9, surprise=4.0, seconds=2)
        later = flagged(3, surprise=4.0)
        store.commit(outcome(0, 4, (later,), trace=[point(1), point(2, surprise=5.0)]))
        store.commit(outcome(4, 10, (there, other)))

        def kept() -> list[tuple[float, bool]]:
            with reading(engine) as session:
                (kept,) = session.scalars(select(KeptTraceRow.points))
                return [(point.surprise, point.flagged) for point in kept.points("rig-1")]

        self.amend(store, amended(other, 1.0))
        assert kept() == [(0.5, False), (5.0, False)]
        calm = replace(flagged(1), surprise=0.5)
        self.amend(store, amended(there, 3.25), amended(calm, 3.5, formerly=False))
        assert kept() == [(3.5, True), (3.25, True)]

    def test_an_alert_without_records_closes(self, store: AlertStore, engine: Engine) -> None:
        """It says why, nobody is told any more who was not told yet, and the next flagged record opens another."""
        self.flag(store, flagged(2, surprise=5.0))
        here = store.positions(SOURCE)[0]
        change = amended(flagged(2, surprise=5.0), 1.0)
        store.commit(replace(outcome(here, here + 1, [flagged(5)]), amendments=(change,)))
        with reading(engine) as session:
            first, second = session.scalars(select(AlertRow).order_by(AlertRow.id))
            assert (first.status, first.records) == (AlertStatus.CLOSED, 0)
            assert (second.status, second.records) == (AlertStatus.OPEN, 1)
            messages = session.scalars(select(NotificationRow).where(NotificationRow.alert_id == first.id)).all()
            assert {(message.status, message.error) for message in messages} == {
                ("given up", "withdrawn by late records")
            }
        found = alert_detail(engine, first.id)
        assert found is not None
        assert [(event.kind, event.note) for event in found.events] == [("withdrawn", "withdrawn by late records")]
        assert len(found.former) == 1

    def test_a_raised_record_joins_as_a_new_one_would(self, store: AlertStore, engine: Engine) -> None:
        """It is in the alert, marked, and that it was not flagged before is in the history."""
        self.flag(store)
        self.amend(store, amended(replace(flagged(4), arrival=Arrival.LATE), 6.0, formerly=False))
        detail = self.detail(engine)
        raised = next(one for one in detail.flagged if one.position.offset == 4)
        assert (raised.revision, raised.arrival) == (1, Arrival.LATE)
        assert (detail.alert.records, detail.alert.peak_surprise) == (4, 6.0)
        (former,) = detail.former
        assert (former.flagged, former.flagged_since, former.surprise_since) == (False, True, 6.0)

    def test_a_verdict_may_be_amended_again_and_again(self, store: AlertStore, engine: Engine) -> None:
        """Every former verdict stays, in order, and the revision counts them."""
        self.flag(store, flagged(1, surprise=3.5), flagged(2, surprise=5.0))
        self.amend(store, amended(flagged(2, surprise=5.0), 4.0))
        self.amend(store, amended(flagged(2, surprise=4.0), 2.0))
        self.amend(store, amended(flagged(2, surprise=2.0), 3.5, formerly=False))
        detail = self.detail(engine)
        assert [one.surprise for one in detail.former] == [5.0, 4.0, 2.0]
        assert next(one for one in detail.flagged if one.position.offset == 2).revision == 3

    def test_a_verdict_that_becomes_critical_tells_people(self, store: AlertStore, engine: Engine) -> None:
        """An amendment can make an alert more severe, and that is told as any escalation is."""
        self.flag(store)
        self.amend(store, amended(flagged(2, surprise=5.0), 9.0))
        assert [event.kind for event in self.detail(engine).events] == ["amended", "escalated"]
        with reading(engine) as session:
            assert {title.split()[0] for title in session.scalars(select(NotificationRow.title))} == {"[critical]"}

    def test_amendments_are_fenced(self, store: AlertStore, engine: Engine) -> None:
        """A scorer whose partition another one moved amends nothing."""
        self.flag(store)
        with pytest.raises(PartitionLost):
            store.commit(replace(outcome(3, 11), amendments=(amended(flagged(2, surprise=5.0), 1.0),)))
        assert self.detail(engine).former == ()
        assert self.detail(engine).alert.records == 3
