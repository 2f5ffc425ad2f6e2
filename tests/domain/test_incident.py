"""Which alerts are one incident: by time, likeness and declared relations, whatever the order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentwatch.domain.incident import Opening, incidents, linked, pattern_of, union
from latentwatch.domain.incident_rule import IncidentRule

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATENCY, DISK = pattern_of({"latency": 3.0, "connections": 2.0}), pattern_of({"disk": 3.0, "wait": 2.0})


def opening(alert: int, entity: str, minutes: float = 0.0, pattern: dict[str, float] = LATENCY) -> Opening:
    return Opening(alert, entity, NOON + timedelta(minutes=minutes), pattern)


def parts(openings: list[Opening], rule: IncidentRule) -> set[frozenset[int]]:
    return set(incidents(openings, rule))


def test_an_outage_of_many_is_one_and_another_fault_of_the_same_minute_is_not() -> None:
    """Likeness of reasons joins; time alone does not."""
    outage = [opening(number, f"web-{number}", number / 10) for number in range(1, 31)]
    found = parts([*outage, opening(31, "db-4", 1.0, DISK)], IncidentRule())
    assert found == {frozenset(range(1, 31)), frozenset({31})}


def test_what_is_alike_at_another_time_is_another_incident() -> None:
    """Six minutes lie between them and five are allowed."""
    assert parts([opening(1, "a"), opening(2, "b", 6.0)], IncidentRule()) == {frozenset({1}), frozenset({2})}


@pytest.mark.parametrize("related", [(("pump", "valve"),), (("p*", "v?lve"),)])
def test_related_entities_belong_together_however_unlike(related: tuple[tuple[str, ...], ...]) -> None:
    """By name or by pattern; an entity outside the group stays alone."""
    alerts = [opening(1, "pump"), opening(2, "valve", 1.0, DISK), opening(3, "tank", 1.0, {"level": 1.0})]
    assert parts(alerts, IncidentRule(related=related)) == {frozenset({1, 2}), frozenset({3})}


def test_entities_that_show_the_same_in_a_field_belong_together() -> None:
    """The same rack; another one, and none at all, are none."""
    rule = IncidentRule(fields=("rack", "line"))
    shown = [rule.shown(each) for each in ({"rack": "r1"}, {"rack": "r1", "x": 1}, {"rack": "r2"}, {"rack": None})]
    reasons = (LATENCY, DISK, {"level": 1.0}, {"noise": 1.0})
    alerts = [
        replace(opening(number, f"h{number}", 1.0, reasons[number]), shown=each) for number, each in enumerate(shown)
    ]
    assert parts(alerts, rule) == {frozenset({0, 1}), frozenset({2}), frozenset({3})}


def test_alerts_without_reasons_are_alike_only_by_relation() -> None:
    """An empty pattern is like nothing, not like everything."""
    assert len(parts([opening(1, "a", pattern={}), opening(2, "b", pattern={})], IncidentRule())) == 2


def test_one_entity_is_related_to_itself() -> None:
    """A second alert of it within the time is part of the same incident."""
    assert parts([opening(1, "a"), opening(2, "a", 3.0, DISK)], IncidentRule()) == {frozenset({1, 2})}


def test_a_late_tail_joins_the_entitys_alert_that_ended_shortly_before() -> None:
    """For like reasons, within twice the time of its end; not another entity's, nor for other reasons, nor later."""
    outage = [opening(1, "a"), replace(opening(2, "b"), ended=NOON + timedelta(minutes=20))]
    tail = opening(3, "b", 29.0)
    assert parts([*outage, tail], IncidentRule()) == {frozenset({1, 2, 3})}
    for other in (opening(3, "c", 29.0), opening(3, "b", 29.0, DISK), opening(3, "b", 31.0), opening(3, "a", 29.0)):
        assert parts([*outage, other], IncidentRule()) == {frozenset({1, 2}), frozenset({3})}


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.floats(0, 30), st.sampled_from([LATENCY, DISK, {}])),
        min_size=1,
        max_size=14,
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_and_the_cutting_into_commits_change_nothing(
    drawn: list[tuple[str, float, dict[str, float]]], random: object
) -> None:
    """Alerts that come one by one or in batches, in any order, end in the same incidents."""
    rule = IncidentRule(related=(("a", "b"),))
    alerts = [opening(number, *each) for number, each in enumerate(drawn, 1)]
    shuffled = list(alerts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    incident_of: dict[int, int] = {}
    known: list[Opening] = []
    while shuffled:
        size = random.randint(1, len(shuffled))  # type: ignore[attr-defined]
        batch, shuffled = shuffled[:size], shuffled[size:]
        incident_of |= {each.alert: each.alert for each in batch}
        known += batch
        incident_of = union(incident_of, batch, known, linked(batch, known, rule))
    members: dict[int, set[int]] = {}
    for alert, incident in incident_of.items():
        members.setdefault(incident, set()).add(alert)
    assert {frozenset(each) for each in members.values()} == parts(alerts, rule)
    assert all(incident == min(each) for incident, each in members.items())


def test_a_pattern_keeps_the_largest_and_weighs_by_share() -> None:
    """Its square sums to 1, so that a loud alert is not more like another than a quiet one."""
    pattern = pattern_of({f"x{number}": float(number) for number in range(200)})
    assert len(pattern) == 64
    assert "x199" in pattern
    assert "x100" not in pattern
    assert np.isclose(sum(share**2 for share in pattern_of({"a": 9.0, "b": 1.0}).values()), 1.0, atol=1e-2)
