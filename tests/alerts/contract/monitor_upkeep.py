"""The promises of renaming and removing a monitor: every table, nobody else's rows, not under a running scorer."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from latentwatch.alerts.heartbeats import Heartbeat, beat
from latentwatch.alerts.monitor_upkeep import monitor_summaries, remove_monitor, rename_monitor, rows_of_monitor
from latentwatch.alerts.monitors import register_monitor, registered_monitor
from latentwatch.alerts.reviewing import label
from latentwatch.alerts.store import AlertStore
from latentwatch.domain.alert import Verdict
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import InvalidInput, NotFound, PartitionLost
from latentwatch.domain.monitor import parse_monitor
from latentwatch.domain.outcome import OffsetMove, Outcome
from tests.alerts.build import SOURCE, count, dead, flagged, outcome, point

DEFINITION = """\
name: {name}
source: {{file: {{path: records.jsonl}}}}
record: {{time: time, entity: rig, features: {{flow: numeric}}}}
alert: {{false_alarms_per_day: 2, notify: [oncall]}}
"""


def alive(clock: ManualClock) -> Heartbeat:
    """A scorer of pump, heard of now."""
    now = clock.now()
    return Heartbeat("one", "pump", "host-1", 7, now, now, None, [0], 1, 0, 10, 1.0, "scoring")


class MonitorUpkeepContract:
    """Promises of `rename_monitor` and `remove_monitor`."""

    @pytest.fixture
    def scored(self, engine: Engine, clock: ManualClock) -> Engine:
        """Two monitors, pump and fan, with an alert, a label and a message each."""
        for name in ("pump", "fan"):
            register_monitor(engine, parse_monitor(DEFINITION.format(name=name)), clock)
            store = AlertStore(engine, name, clock)
            store.begin(SOURCE, {0: 0})
            full = outcome(0, 10, [flagged(1)], counts=[count(0, 10)], trace=[point(1)], dead=[dead(3)])
            raised = store.commit(replace(full, monitor=name))
            label(engine, raised.alerts_opened[0], Verdict.TRUE, "ada", "", "")
        return engine

    def test_a_renamed_monitor_keeps_all_it_had(self, scored: Engine, clock: ManualClock) -> None:
        """Same rows under the new name, none under the old, and a scorer of the old name cannot commit."""
        before, other = rows_of_monitor(scored, "pump"), rows_of_monitor(scored, "fan")
        rename_monitor(scored, "pump", "pump-north", clock.now())
        assert rows_of_monitor(scored, "pump-north") == {**before, "audit": before.get("audit", 0) + 1}
        assert rows_of_monitor(scored, "fan") == other
        assert registered_monitor(scored, "pump-north").name == "pump-north"
        with pytest.raises(NotFound):
            rows_of_monitor(scored, "pump")
        with pytest.raises(PartitionLost):
            AlertStore(scored, "pump", clock).commit(Outcome("pump", SOURCE, (OffsetMove(0, 10, 12),)))

    def test_a_former_name_begins_afresh(self, scored: Engine, clock: ManualClock) -> None:
        """A new monitor under it opens an alert on the same record, and its message is not taken for a former one's."""
        before = rows_of_monitor(scored, "pump")["notifications"]
        rename_monitor(scored, "pump", "pump-north", clock.now())
        register_monitor(scored, parse_monitor(DEFINITION.format(name="pump")), clock)
        store = AlertStore(scored, "pump", clock)
        store.begin(SOURCE, {0: 0})
        store.commit(replace(outcome(0, 10, [flagged(1)]), monitor="pump"))
        assert rows_of_monitor(scored, "pump")["notifications"] == before > 0

    @pytest.mark.parametrize("new", ["fan", "pump", "Pump", "", "a" * 64])
    def test_a_name_that_is_taken_or_none_changes_nothing(self, scored: Engine, clock: ManualClock, new: str) -> None:
        """Refused in words, and everything is as it was."""
        before = rows_of_monitor(scored, "pump")
        with pytest.raises(InvalidInput, match=r"already|cannot name"):
            rename_monitor(scored, "pump", new, clock.now())
        assert rows_of_monitor(scored, "pump") == before

    def test_a_removed_monitor_leaves_nothing(self, scored: Engine, clock: ManualClock) -> None:
        """Labels and events included, which name no monitor themselves; the other monitor keeps all it has."""
        found, other = rows_of_monitor(scored, "pump"), rows_of_monitor(scored, "fan")
        assert {"labels", "alert_events", "flagged_records", "monitors"} <= set(found)
        assert remove_monitor(scored, "pump", clock.now()) == found
        assert rows_of_monitor(scored, "fan") == other
        with pytest.raises(NotFound, match="no monitor 'pump'"):
            remove_monitor(scored, "pump", clock.now())

    def test_neither_happens_under_a_running_scorer(self, scored: Engine, clock: ManualClock) -> None:
        """It is named; once it was silent for half a minute, or where renaming is forced, it goes through."""
        beat(scored, alive(clock))
        with pytest.raises(InvalidInput, match="runs on host-1"):
            rename_monitor(scored, "pump", "other", clock.now())
        with pytest.raises(InvalidInput, match="runs on host-1"):
            remove_monitor(scored, "pump", clock.now())
        rename_monitor(scored, "pump", "other", clock.now(), force=True)
        assert remove_monitor(scored, "other", clock.now() + timedelta(seconds=31))["scorers"] == 1

    def test_the_list_says_who_runs_and_who_is_orphaned(self, scored: Engine, clock: ManualClock) -> None:
        """A heartbeat is a sign of life, a week without any makes an orphan."""
        clock.advance(8 * 86_400)
        beat(scored, alive(clock))
        found = {one.name: one for one in monitor_summaries(scored, clock.now())}
        assert (found["pump"].alive, found["pump"].orphaned) == (True, False)
        assert (found["fan"].alive, found["fan"].orphaned) == (False, True)
        assert (found["fan"].source, found["fan"].partitions, found["fan"].versions) == ("records.jsonl", 1, 0)
