"""Alerts of a past that tests write: what each was about, and what people said of it."""

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Engine

from latentwatch.alerts.reviewing import label
from latentwatch.alerts.store import AlertStore
from latentwatch.domain.alert import FlaggedRecord, Verdict
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.record import Position
from tests.alerts.build import flagged, outcome

HOUR = 3600.0


class Past:
    """Alerts of one record each, an hour apart, each of another rig."""

    def __init__(self, engine: Engine, clock: ManualClock) -> None:
        self.engine, self.clock, self._next = engine, clock, 0
        self._store = AlertStore(engine, "mill", clock)
        self._store.claim("mill.csv", 0, 0)

    def alert(self, contributions: Mapping[str, float], *, again: bool = False) -> int:
        """One more; `again` where the last one goes on."""
        offset = self._next
        self._next += 1
        number = offset - 1 if again else offset
        record = self._record(offset, HOUR * number + again, f"rig-{number}", contributions)
        done = self._store.commit(replace(outcome(offset, offset + 1, [record]), monitor="mill", source="mill.csv"))
        return done.alerts_opened[0] if done.alerts_opened else 0

    def _record(self, offset: int, seconds: float, entity: str, contributions: Mapping[str, float]) -> FlaggedRecord:
        record = flagged(offset, seconds, entity)
        told = replace(record.explanation, contributions=dict(contributions), expected={})
        return replace(record, position=Position("mill.csv", 0, offset), explanation=told)

    def say(self, alert: int, verdict: Verdict, cause: str = "") -> None:
        """A person's label."""
        label(self.engine, alert, verdict, "Ann", cause, clock=self.clock)
