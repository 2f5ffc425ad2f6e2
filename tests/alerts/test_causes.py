"""Causes that people named, and the alerts that had them."""

from latentwatch.alerts.database import Engine
from latentwatch.alerts.reading.causes import alerts_of_cause, known_causes
from latentwatch.alerts.reviewing import label
from latentwatch.alerts.store import AlertStore
from latentwatch.domain.alert import Verdict
from latentwatch.domain.clock import ManualClock
from tests.alerts.build import MONITOR, SOURCE, flagged, outcome


def test_only_what_was_labelled_true_has_a_cause(engine: Engine, clock: ManualClock) -> None:
    """The latest first; a cause that was taken back by a later label is none any more."""
    store = AlertStore(engine, MONITOR, clock)
    store.claim(SOURCE, 0, 0)
    done = store.commit(outcome(0, 3, [flagged(number, 9_000.0 * number, f"rig-{number}") for number in range(3)]))
    first, second, third = done.alerts_opened
    for alert in (first, second, third):
        label(engine, alert, Verdict.TRUE, "Ann", "leak", clock=clock)
    label(engine, third, Verdict.FALSE, "Ann", clock=clock)
    assert alerts_of_cause(engine, MONITOR, "leak") == [second, first]
    assert known_causes(engine, MONITOR) == ["leak"]
    assert alerts_of_cause(engine, MONITOR, "bearing") == []
    assert alerts_of_cause(engine, "other", "leak") == []
