"""The outbox's promises: a message for every occasion, delivered at least once, retried with patience, never lost."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, delete, select

from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.outbox import ATTEMPTS, LEASE, LONGEST_PAUSE, Delivery, Notification, Notifier, outbox_state
from latentwatch.alerts.reading import alert_detail
from latentwatch.alerts.reading.inbox import AlertFilter, inbox
from latentwatch.alerts.session import reading, transaction
from latentwatch.alerts.store import AlertStore
from latentwatch.alerts.tables import AlertEventRow, AlertRow, FlaggedRecordRow, NotificationRow
from latentwatch.domain.alert import Severity
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import Unavailable
from latentwatch.domain.monitor import parse_monitor
from latentwatch.domain.outcome import FIELD_VANISHED, AuditEntry
from latentwatch.domain.rules import Crossing, Grounds
from latentwatch.domain.schema import RecordSchema
from tests.alerts.build import MONITOR, SOURCE, flagged, outcome

PUMP = parse_monitor(
    """
name: pump
source: {kafka: {topic: plant.pump}}
record: {features: {Pressure: numeric}}
alert: {notify: [oncall, desk]}
"""
)


class RecordingChannel:
    """Takes every message, or refuses as long as it has reasons to."""

    def __init__(self, refusals: Iterable[str] = ()) -> None:
        self.taken: list[Notification] = []
        self.refusals = list(refusals)

    def send(self, notification: Notification) -> None:
        if self.refusals:
            raise Unavailable(self.refusals.pop(0))
        self.taken.append(notification)


class DyingChannel:
    """Delivers, and then the process dies before it can say so."""

    def send(self, notification: Notification) -> None:
        raise KeyboardInterrupt


class OutboxContract:
    """Promises of the outbox and the notifier."""

    @pytest.fixture
    def store(self, engine: Engine, clock: ManualClock) -> AlertStore:
        register_monitor(engine, PUMP, clock)
        store = AlertStore(engine, MONITOR, clock, durable=False)
        store.claim(SOURCE, 0, 0)
        return store

    def notifier(self, engine: Engine, clock: ManualClock, **channels: RecordingChannel) -> Notifier:
        return Notifier(engine, channels, clock)

    def test_a_stream_that_changed_is_told_once_a_day(
        self, store: AlertStore, engine: Engine, clock: ManualClock
    ) -> None:
        """However many scorers notice it; another field, and the next day, are news; other notes are not told."""
        desk = RecordingChannel()
        notifier = self.notifier(engine, clock, oncall=RecordingChannel(), desk=desk)

        def notice(*entries: AuditEntry) -> None:
            store.commit(replace(outcome(0, 0), moves=(), audit=entries))
            notifier.deliver()

        gone = AuditEntry(FIELD_VANISHED, None, "field 'b' is missing", "b")
        notice(gone, AuditEntry("gap", 0, "skipped"))
        notice(gone)
        assert [each.title for each in desk.taken] == ["[medium] pump: field 'b' no longer comes"]
        notice(replace(gone, subject="c"))
        clock.advance(86_400)
        notice(gone)
        assert len(desk.taken) == 3

    def test_an_alert_tells_each_channel_once(self, store: AlertStore, engine: Engine, clock: ManualClock) -> None:
        """Opening writes one message per channel; growing writes none; becoming critical writes one more."""
        oncall, desk = RecordingChannel(), RecordingChannel()
        notifier = self.notifier(engine, clock, oncall=oncall, desk=desk)
        store.commit(outcome(0, 1, [flagged(0, 0)]))
        store.commit(outcome(1, 2, [flagged(1, 1)]))
        assert notifier.deliver() == Delivery(sent=2)
        assert notifier.deliver() == Delivery()
        store.commit(outcome(2, 3, [flagged(2, 2, surprise=9.0)]))
        store.commit(outcome(3, 4, [flagged(3, 3, surprise=9.5)]))
        assert notifier.deliver() == Delivery(sent=2)
        titles = [message.title for message in oncall.taken]
        assert titles == ["[low] pump / rig-1: not normal", "[critical] pump / rig-1: now critical"]
        assert [message.severity for message in oncall.taken] == [Severity.LOW, Severity.CRITICAL]
        assert "peak surprise 3.5 (threshold 3.0)" in oncall.taken[0].body
        keys = {message.dedupe_key for message in oncall.taken + desk.taken}
        assert len(keys) == 4

    def test_a_crossed_limit_is_told_and_outlasts_what_follows(
        self, store: AlertStore, engine: Engine, clock: ManualClock
    ) -> None:
        """It is in the message and in the alert, makes it high, and stays so as the alert grows."""
        oncall = RecordingChannel()
        grounds = Grounds((Crossing("Pressure", 9.5, 9.0, "bar"),), ("Mode",), 3.2)
        beyond = replace(flagged(0, 0, surprise=0.4), grounds=grounds)
        store.commit(outcome(0, 1, [beyond]))
        store.commit(outcome(1, 2, [flagged(1, 1, surprise=3.1)]))
        self.notifier(engine, clock, oncall=oncall).deliver()
        assert oncall.taken[0].severity is Severity.HIGH
        assert "Pressure is 9.5 bar, above its limit of 9 bar." in oncall.taken[0].body
        detail = alert_detail(engine, inbox(engine, AlertFilter()).alerts[0].id)
        assert detail is not None
        assert (detail.alert.severity, detail.alert.crossed) == (Severity.HIGH, grounds.crossed)
        assert detail.flagged[0].grounds == grounds
        assert detail.flagged[0].features == ["Pressure", "Pressure0"]

    def test_a_number_given_again_does_not_inherit_its_message(
        self, store: AlertStore, engine: Engine, clock: ManualClock
    ) -> None:
        """After a restore an alert may get a former one's number: its key names the record that opened it instead."""
        store.commit(outcome(0, 1, [flagged(0)]))
        with transaction(engine) as session:
            for message in session.scalars(select(NotificationRow)):
                message.alert_id = None  # as told about an alert that the restored database does not have
            session.flush()
            session.execute(delete(FlaggedRecordRow))
            session.execute(delete(AlertEventRow))
            session.execute(delete(AlertRow))
        store.commit(outcome(1, 2, [flagged(1, 5_000)]))
        assert outbox_state(engine)["due"] == 4
        self.notifier(engine, clock).deliver()
        store.commit(outcome(2, 3, [flagged(2, 5_001, surprise=9.0)]))
        with reading(engine) as session:
            keys = set(session.scalars(select(NotificationRow.dedupe_key).filter_by(channel="desk")))
        assert keys == {
            f"alert-{MONITOR}-{SOURCE}[0]@0-opened-desk",
            f"alert-{MONITOR}-{SOURCE}[0]@1-opened-desk",
            f"alert-{MONITOR}-{SOURCE}[0]@1-critical-desk",
        }

    def test_what_was_never_tried_is_due_at_once(self, store: AlertStore, engine: Engine, clock: ManualClock) -> None:
        """A scorer whose clock is a year ahead delays no message."""
        ahead = ManualClock(clock.now() + timedelta(days=365))
        oncall, desk = RecordingChannel(), RecordingChannel(["host is down"])
        notifier = self.notifier(engine, clock, oncall=oncall, desk=desk)
        AlertStore(engine, MONITOR, ahead, durable=False).commit(outcome(0, 1, [flagged(0)]))
        assert notifier.deliver() == Delivery(sent=1, postponed=1)
        assert notifier.deliver() == Delivery()  # what was tried has its time from the notifier's own clock

    def test_a_message_says_what_was_shown_and_what_was_expected(self, engine: Engine, clock: ManualClock) -> None:
        """In the feature's unit, so that who is woken need not look it up."""
        told = PUMP.model_copy(
            update={
                "record": RecordSchema.model_validate({"features": {"Pressure": {"type": "numeric", "unit": "bar"}}})
            }
        )
        register_monitor(engine, told, clock)
        store = AlertStore(engine, MONITOR, clock)
        store.claim(SOURCE, 0, 0)
        strange = flagged(0)
        why = replace(strange.explanation, contributions={"Pressure": 2.0, "Mode": 1.5})
        store.commit(outcome(0, 1, [replace(strange, explanation=why)]))
        with reading(engine) as session:
            body = session.scalars(select(NotificationRow.body)).first()
        assert body is not None
        assert "Pressure 0.1 bar (expected 0.25 bar)." in body
        assert "Mode" not in body  # as expected, which tells nobody anything

    def test_a_monitor_without_channels_is_silent(self, engine: Engine, clock: ManualClock) -> None:
        """Where nobody asked to be told, nothing is written."""
        store = AlertStore(engine, MONITOR, clock)
        store.claim(SOURCE, 0, 0)
        store.commit(outcome(0, 1, [flagged(0)]))
        assert outbox_state(engine) == {"due": 0, "sent": 0, "given up": 0}

    def test_a_refused_message_is_tried_again_later(
        self, store: AlertStore, engine: Engine, clock: ManualClock
    ) -> None:
        """A channel that is away delays its own messages alone, with growing pauses and its reason written down."""
        oncall, desk = RecordingChannel(["host is down", "still down"]), RecordingChannel()
        notifier = self.notifier(engine, clock, oncall=oncall, desk=desk)
        store.commit(outcome(0, 1, [flagged(0)]))
        first = notifier.deliver()
        assert (first, first.reasons) == (Delivery(sent=1, postponed=1), ("host is down",))
        assert notifier.deliver() == Delivery()
        with reading(engine) as session:
            assert session.scalars(select(NotificationRow.error).filter_by(status="due")).all() == ["host is down"]
        clock.advance(5)
        assert notifier.deliver() == Delivery(postponed=1)
        clock.advance(9)
        assert notifier.deliver() == Delivery()
        clock.advance(1)
        assert notifier.deliver() == Delivery(sent=1)
        assert [message.attempts for message in oncall.taken] == [3]

    def test_hopeless_messages_are_given_up_visibly(
        self, store: AlertStore, engine: Engine, clock: ManualClock
    ) -> None:
        """After its last try a message stays in the table as given up, with the last reason."""
        notifier = self.notifier(engine, clock, oncall=RecordingChannel([str(n) for n in range(ATTEMPTS)]))
        store.commit(outcome(0, 1, [flagged(0)]))
        rounds = []
        for _ in range(ATTEMPTS):
            rounds.append(notifier.deliver())
            clock.advance(LONGEST_PAUSE.total_seconds())
        assert rounds[-1] == Delivery(given_up=2)
        assert notifier.deliver() == Delivery()
        assert outbox_state(engine) == {"due": 0, "sent": 0, "given up": 2}
        with reading(engine) as session:
            errors = dict(session.execute(select(NotificationRow.channel, NotificationRow.error)).all())
        assert errors["oncall"] == str(ATTEMPTS - 1)
        assert errors["desk"] == "no channel named 'desk' is set up (set up: oncall)"

    def test_a_notifier_that_died_is_made_good(self, store: AlertStore, engine: Engine, clock: ManualClock) -> None:
        """A message claimed by a notifier that died comes back when its lease ends: at least once, same key."""
        store.commit(outcome(0, 1, [flagged(0)]))
        with pytest.raises(KeyboardInterrupt):
            Notifier(engine, {"oncall": DyingChannel(), "desk": DyingChannel()}, clock).deliver()
        oncall, desk = RecordingChannel(), RecordingChannel()
        notifier = self.notifier(engine, clock, oncall=oncall, desk=desk)
        clock.advance(LEASE.total_seconds() - 1)
        assert notifier.deliver() == Delivery()
        clock.advance(1)
        assert notifier.deliver() == Delivery(sent=2)

    def test_notifiers_do_not_send_each_other_s_messages(
        self, store: AlertStore, engine: Engine, clock: ManualClock
    ) -> None:
        """Several notifiers at once send every message, and none twice."""
        store.commit(outcome(0, 30, [flagged(number, 1000 * number) for number in range(30)]))
        channels = [RecordingChannel() for _ in range(4)]

        def deliver(channel: RecordingChannel) -> int:
            notifier = self.notifier(engine, clock, oncall=channel, desk=channel)
            sent = 0
            while delivery := notifier.deliver(limit=5).sent:
                sent += delivery
            return sent

        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(deliver, channels)) == 60
        keys = [message.dedupe_key for channel in channels for message in channel.taken]
        assert (len(keys), len(set(keys))) == (60, 60)

    def test_a_round_is_bounded(self, store: AlertStore, engine: Engine, clock: ManualClock) -> None:
        """One round takes the oldest messages up to its limit, the next goes on."""
        oncall, desk = RecordingChannel(), RecordingChannel()
        notifier = self.notifier(engine, clock, oncall=oncall, desk=desk)
        for number in range(3):
            clock.advance(timedelta(seconds=1).total_seconds())
            store.commit(outcome(number, number + 1, [flagged(number, 1000 * number)]))
        rounds = [notifier.deliver(limit=4) for _ in range(3)]
        assert rounds == [Delivery(sent=4), Delivery(sent=2), Delivery()]
        assert [message.alert for message in oncall.taken] == sorted(message.alert for message in oncall.taken)

    def test_the_loop_delivers_and_rests(self, store: AlertStore, engine: Engine, clock: ManualClock) -> None:
        """The notifier's loop sends what is there, then sleeps between looks until it is told to stop."""
        oncall, desk = RecordingChannel(), RecordingChannel()
        store.commit(outcome(0, 1, [flagged(0)]))
        rounds: list[Delivery] = []
        waits: list[str] = []
        end = clock.monotonic() + 6
        notifier = self.notifier(engine, clock, oncall=oncall, desk=desk)
        notifier.run(lambda: clock.monotonic() >= end, rounds.append, waits.append)
        assert (rounds, waits) == ([Delivery(sent=2)], [])
