"""Grouping: the pure rule by property, and its effect on SQLite."""

from datetime import timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from latentwatch.alerts.grouping import Episode, group
from latentwatch.domain.alert import FlaggedRecord
from latentwatch.domain.clock import to_microseconds
from latentwatch.domain.episodes import count_episodes
from tests.alerts.build import flagged
from tests.alerts.contract.grouping import GroupingContract

GAP = timedelta(seconds=60)

streams = st.lists(
    st.tuples(
        st.integers(0, 600),
        st.sampled_from(["rig-1", "rig-2", ""]),
        st.sampled_from([3.0, 3.5, 4.0, 7.25]),
    ),
    max_size=30,
).map(lambda rows: [flagged(offset, *row) for offset, row in enumerate(rows)])


class TestGrouping(GroupingContract):
    """The promises about alerts, kept by SQLite."""


def described(episodes: list[Episode]) -> list[tuple[object, ...]]:
    """What people see of each episode, and its order of opening."""
    return [
        (e.entity, e.started, e.ended, e.records, e.peak, e.peak_surprise, e.features, e.severity) for e in episodes
    ]


def grouped(records: list[FlaggedRecord], cuts: list[int]) -> list[Episode]:
    """Group a stream cut into commits; each commit knows the episodes of those before it."""
    episodes: list[Episode] = []
    for start, end in zip([0, *cuts], [*cuts, len(records)], strict=True):
        for episode in group(records[start:end], episodes, GAP):
            if episode not in episodes:
                episodes.append(episode)
    return episodes


@given(streams, st.data())
def test_any_cutting_gives_the_same_alerts(records: list[FlaggedRecord], data: st.DataObject) -> None:
    """However a stream is cut into commits, late records included, the alerts are the same."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(records)), max_size=6)))
    assert described(grouped(records, cuts)) == described(grouped(records, []))


@given(streams)
def test_as_many_alerts_as_are_counted_beforehand(records: list[FlaggedRecord]) -> None:
    """In order of time, the store opens as many as budget and judge count."""
    ordered = sorted(records, key=lambda record: record.time)
    times = np.array([to_microseconds(record.time) for record in ordered], np.int64)
    entities = np.array([record.entity for record in ordered], object)
    assert len(grouped(ordered, [])) == count_episodes(times, entities, GAP)


@given(streams)
def test_no_record_is_lost_or_counted_twice(records: list[FlaggedRecord]) -> None:
    """Alerts' lengths add up to the records, and each spans and peaks at what it holds."""
    assigned = group(records, [], GAP)
    for episode in {id(e): e for e in assigned}.values():
        held = [record for record, owner in zip(records, assigned, strict=True) if owner is episode]
        assert episode.records == len(held)
        assert (episode.started, episode.ended) == (min(r.time for r in held), max(r.time for r in held))
        assert episode.peak_surprise == max(r.surprise for r in held)
        assert {r.entity for r in held} == {episode.entity}


@given(streams)
def test_alerts_in_order_are_gap_free_stretches(records: list[FlaggedRecord]) -> None:
    """Where records come in order of time, an alert ends exactly where a longer pause than the gap begins."""
    ordered = sorted(records, key=lambda record: (record.entity, record.time))
    assigned = group(ordered, [], GAP)
    for (left, ours), (right, theirs) in zip(
        zip(ordered, assigned, strict=True), list(zip(ordered, assigned, strict=True))[1:], strict=False
    ):
        near = left.entity == right.entity and right.time - left.time <= GAP
        assert (ours is theirs) == near
