"""The courses of alerts and their kept traces: the same however a stream is cut, bounded, and told to people."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from latentwatch.alerts.course_table import CourseRow
from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.reading import AlertDetail, alert_detail
from latentwatch.alerts.session import reading, transaction
from latentwatch.alerts.store import AlertStore
from latentwatch.alerts.tables import AlertEventRow, AlertRow, KeptTraceRow, NotificationRow
from latentwatch.alerts.trace_thinning import MOST_IN_COURSE
from latentwatch.domain.alert import FlaggedRecord
from latentwatch.domain.clock import ManualClock, to_microseconds
from latentwatch.domain.course import OPENING_RECORDS
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.schema import RecordSchema
from latentwatch.domain.scores import Explanation, Scores
from latentwatch.streams.outcomes import ScoredBatch
from latentwatch.streams.watching.alert_stretches import AlertStretches
from tests.alerts.build import MONITOR, SOURCE, START, at, flagged, outcome
from tests.alerts.contract.outbox import PUMP

SCHEMA = RecordSchema.model_validate(
    {"time": "t", "entity": "e", "features": {"a": "numeric", "b": "numeric", "slow": "numeric", "mode": "category"}}
)
GAP_SECONDS = 20.0


@dataclass(frozen=True)
class Day:
    """A stream of one record a second and entity: what leads each record that is flagged, or nothing of one that is not."""

    leads: Sequence[str]
    step_seconds: float = 1.0
    entities: int = 1

    @property
    def batch(self) -> Batch:
        """All of it: a and b are 1 and 2 until they lead, slow is sent every seventh time."""
        rows = np.arange(len(self.leads))
        seconds = rows // self.entities * self.step_seconds
        led = np.array(self.leads)
        return batch_from_columns(
            SCHEMA,
            {
                "a": 1 + 0.01 * (rows % 5) + 9.0 * (led == "a"),
                "b": 2 + 0.01 * (rows % 3) + 7.0 * (led == "b"),
                "slow": np.where(rows % 7, np.nan, 3.0),
                "mode": ["boost"] * len(rows),
            },
            entities=[f"rig-{row % self.entities}" for row in rows],
            times=to_microseconds(START) + (seconds * 1e6).astype(np.int64),
            source=SOURCE,
        )

    def scored(self) -> tuple[ScoredBatch, np.ndarray]:
        """It with its scores, and which rows are flagged."""
        surprise = np.array([4.0 + row % 3 if lead else 0.5 for row, lead in enumerate(self.leads)], np.float32)
        return ScoredBatch(self.batch, Scores(surprise, surprise / 2, surprise / 4)), surprise >= 3

    def commit(self, store: AlertStore, cuts: Sequence[int], gap_seconds: float = GAP_SECONDS) -> None:
        """Commit it in the pieces that the cuts make."""
        scored, is_flagged = self.scored()
        around, gap = AlertStretches(), timedelta(seconds=gap_seconds)
        for first, stop in pairwise([0, *cuts, len(self.leads)]):
            part = slice(first, stop)
            piece = ScoredBatch(scored.batch.take(part), scored.scores.take(np.arange(first, stop)))
            stretches = around.take(piece, np.flatnonzero(is_flagged[part]), gap)
            records = [self.record(scored, row) for row in range(first, stop) if is_flagged[row]]
            given = replace(outcome(first, stop, records, gap_seconds=gap_seconds), stretches=stretches)
            store.commit(replace(given, monitor=store.monitor))

    def record(self, scored: ScoredBatch, row: int) -> FlaggedRecord:
        """A flagged record: nine tenths by what leads it, and the mode, which is as expected."""
        surprise = float(scored.scores.surprise[row])
        other = "b" if self.leads[row] == "a" else "a"
        return replace(
            flagged(row, row * self.step_seconds, scored.batch.entities[row], surprise),
            time=scored.batch.time(row),
            values=scored.batch.values(row),
            explanation=Explanation(
                expected={"a": 1.0, "b": 2.0, "slow": 3.0, "mode": "boost"},
                contributions={"mode": 0.45 * surprise, self.leads[row]: 0.5 * surprise, other: 0.05 * surprise},
                neighbours=(),
                code=(0.0,),
                place=(0.0, 0.0),
            ),
        )


def shown(engine: Engine, monitor: str) -> list[tuple[Any, ...]]:
    """What is kept of a monitor's alerts, without their numbers."""
    course = CourseRow
    with reading(engine) as session:
        told = session.execute(
            select(AlertRow.id, AlertRow.entity, AlertRow.features, AlertRow.summary, course.course, course.trace_width,
                   course.trace_until)
            .join(course, course.alert_id == AlertRow.id)
            .where(AlertRow.monitor == monitor)
            .order_by(AlertRow.id)
        ).all()  # fmt: skip
    details = [alert_detail(engine, number) for number, *_ in told]
    return [(*rest, detail.trace if detail else ()) for (_, *rest), detail in zip(told, details, strict=True)]


class CourseContract:
    """Promises about courses."""

    @pytest.fixture
    def store(self, engine: Engine, clock: ManualClock) -> AlertStore:
        store = AlertStore(engine, MONITOR, clock)
        register_monitor(engine, PUMP, clock.now())
        store.claim(SOURCE, 0, 0)
        return store

    def details(self, engine: Engine) -> list[AlertDetail]:
        """Every alert, oldest first."""
        with reading(engine) as session:
            numbers = session.scalars(select(AlertRow.id).order_by(AlertRow.id)).all()
        found = [alert_detail(engine, number) for number in numbers]
        return [each for each in found if each is not None]

    # Each example writes under a monitor of its own, so the engine may be shared; each database runs its own examples.
    @settings(
        max_examples=12,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(leads=st.lists(st.sampled_from(["", "", "", "a", "b"]), min_size=30, max_size=150), data=st.data())
    def test_any_cutting_keeps_the_same(self, engine: Engine, leads: list[str], data: st.DataObject) -> None:
        """However a stream is cut into commits, the same points and the same courses end in the database."""
        cuts = sorted(data.draw(st.sets(st.integers(1, len(leads) - 1), max_size=6)))
        seen = []
        for given_cuts in ([], cuts):
            store = AlertStore(engine, f"m{uuid4().hex}")
            store.claim(SOURCE, 0, 0)
            Day(leads, step_seconds=3.0, entities=2).commit(store, given_cuts)
            seen.append(shown(engine, store.monitor))
        assert seen[0] == seen[1]

    def test_before_during_and_after_are_kept(self, store: AlertStore, engine: Engine) -> None:
        """Every record from where the stream begins until the alert is over, also where later ones come in other commits."""
        Day(["", *[""] * 39, *["a"] * 10, *[""] * 60]).commit(store, [35, 44, 55, 80])
        (detail,) = self.details(engine)
        assert [point.time for point in detail.trace] == [at(second) for second in range(70)]
        assert [point.flagged for point in detail.trace] == [40 <= second < 50 for second in range(70)]
        assert all(point.values["mode"] == "boost" for point in detail.trace)

    def test_alerts_share_no_point(self, store: AlertStore, engine: Engine) -> None:
        """What led up to the second alert begins where the recovery from the first one ended; both show it all."""
        Day([*[""] * 30, *["a"] * 3, *[""] * 40, *["b"] * 3, *[""] * 5]).commit(store, [31, 60, 74])
        first, second = self.details(engine)
        assert [point.time for point in second.trace] == [at(at_second) for at_second in range(81)]
        with reading(engine) as session:
            pieces = session.execute(select(KeptTraceRow.alert_id, KeptTraceRow.leads_up, KeptTraceRow.points)).all()
        kept = Counter({(alert, leads_up): 0 for alert, leads_up, _ in pieces})
        for alert, leads_up, points in pieces:
            kept[alert, leads_up] += len(points)
        assert (kept[second.alert.id, True], kept[first.alert.id, False]) == (20, 23)

    @pytest.mark.parametrize("cuts", [[], [700, 701, 1_400, 2_000]])
    def test_a_long_course_is_thinned_by_minimum_and_maximum(
        self, store: AlertStore, engine: Engine, cuts: list[int]
    ) -> None:
        """Wider points, none of whose extremes is lost; every record counts in one."""
        leads = [*[""] * 1_000, *["a"] * 1_500, *[""] * 10]
        Day(leads, step_seconds=0.1).commit(store, cuts)
        (detail,) = self.details(engine)
        course = [point for point in detail.trace if point.time >= detail.alert.started]
        assert MOST_IN_COURSE / 2 <= len(course) <= MOST_IN_COURSE
        assert sum(point.records for point in course) == 1_510
        scored, _ = Day(leads, step_seconds=0.1).scored()
        low, high = scored.batch.numbers[1_000:, 0].min(), scored.batch.numbers[1_000:, 0].max()
        assert min(point.low.get("a", point.values["a"]) for point in course) == pytest.approx(low)
        assert max(point.high.get("a", point.values["a"]) for point in course) == pytest.approx(high)
        before = [point for point in detail.trace if point.time < detail.alert.started]
        assert len(before) <= 240
        assert sum(point.records for point in before) == 1_000
        assert [point.records for point in before[-96:]] == [1] * 96

    def test_the_course_names_the_alert(self, store: AlertStore, engine: Engine) -> None:
        """What led over its course and not at its strangest moment; a word that is as expected never."""
        Day([*[""] * 21, "a", "a", "b", "a", "a", *[""] * 5]).commit(store, [])
        (detail,) = self.details(engine)
        assert detail.peak is not None
        assert detail.peak.explanation.contributions["b"] > detail.peak.explanation.contributions["a"]
        assert detail.alert.features == ("a", "b")
        assert detail.course is not None
        assert detail.course.features["slow"].last == 3.0

    def test_a_further_culprit_is_told_once(self, store: AlertStore, engine: Engine) -> None:
        """One that comes to lead a running alert is an entry of its own, and a message to those who were told of it."""
        opening = OPENING_RECORDS + 2
        day = Day([*[""] * 20, *["a"] * opening, *["b"] * 9, *["a"] * 3])
        scored, is_flagged = day.scored()
        around, gap = AlertStretches(), timedelta(seconds=GAP_SECONDS)
        for first, stop in pairwise([0, 20 + opening, len(day.leads)]):
            piece = ScoredBatch(scored.batch.take(slice(first, stop)), scored.scores.take(np.arange(first, stop)))
            rows = np.flatnonzero(is_flagged[first:stop])
            records = [day.record(scored, first + row) for row in rows.tolist()]
            store.commit(
                replace(outcome(first, stop, records, gap_seconds=GAP_SECONDS), stretches=around.take(piece, rows, gap))
            )
            with transaction(engine) as session:  # the first message has gone
                for message in session.scalars(select(NotificationRow)):
                    message.status = "sent"
        with reading(engine) as session:
            entries = session.scalars(select(AlertEventRow.note).where(AlertEventRow.kind == "culprit")).all()
            told = session.scalars(select(NotificationRow).where(NotificationRow.occasion == "culprit")).all()
        assert list(entries) == ["b at 9.01, usually 2 to 2.02"]
        assert sorted(message.channel for message in told) == ["desk", "oncall"]
        assert "new culprit b" in told[0].title
        assert "b at 9.01, usually 2 to 2.02 (since 12:00:32)" in told[0].body
