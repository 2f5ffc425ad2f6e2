"""Values of a topic that become rows: every message has its one outcome and every row is made once, whatever dies in between."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from latentwatch.domain.monitor import Monitor, parse_monitor
from latentwatch.domain.record import Position
from latentwatch.streams.alignment.alignment import Alignment
from latentwatch.streams.failpoints import Step
from latentwatch.streams.testing import FakeDetector
from tests.streams.stage import START, Stage
from tests.streams.test_contract_of_the_loop import PARTITIONS, Crash, Loop

MONITOR = """
name: pump
source: {kafka: {topic: memory}}
record:
  time: at
  entity: rig
  long: {name: of, value: is}
  every: 10s
  age: 30s
  features: {%s}
alert: {after_step: keep}
"""
THREE = "load: numeric, temp: numeric, flow: numeric"
FOUR = f"{THREE}, extra: numeric"
RIGS = 5


def watched(features: str = THREE) -> Monitor:
    """Some numbers of some rigs, one a message."""
    return parse_monitor(MONITOR % features)


def value(at: float, rig: int, of: str, number: Any) -> bytes:
    """One value."""
    return json.dumps({"at": START + at, "rig": f"rig-{rig}", "of": of, "is": number}).encode()


def message(number: int) -> tuple[bytes, int]:
    """The message of a number, and its partition: three values a tick and rig, some doubled, late, broken or of nothing.

    One rig falls silent in the midst of a row now and then, so that others show its row to be over.
    """
    turn, rig = divmod(number, RIGS)
    tick, place = divmod(turn, 4)
    of = ("load", "temp", "flow", "noise" if tick % 2 else "load")[place]
    if rig == 4 and tick % 12 > 5:
        rig = 1
    partition = rig % PARTITIONS
    if number % 41 == 17:
        return b"{", partition
    if number % 37 == 9:
        return value(10 * tick, rig, of, "broken"), partition
    late = 25 if number % 23 == 11 else 0
    return value(10 * tick + place - late, rig, of, number % 13), partition


class AlignedLoop(Loop):
    """The contract of the loop, of a topic in long form."""

    def fresh(self) -> Stage:
        """A stage that watches values, with a model that flags every row."""
        return flagging(Stage(partitions=PARTITIONS, watched=watched()))

    def message(self, number: int) -> tuple[bytes, int]:
        """A value, or something that is none."""
        return message(number)

    def detector(self, bundle: str, gain: float = 1.0, threshold: float = 3.0) -> FakeDetector:
        """A model that flags every row, so that each leaves one."""
        return FakeDetector(watched().record, bundle, gain, -1.0)

    def check_scores(self, undisturbed: Stage) -> None:
        """The rows are those of an undisturbed run, at their places, each with its model's score of them."""
        rows = rows_of(self.stage)
        assert rows == rows_of(undisturbed)
        plain = undisturbed.store.surprises
        gains = {
            row.position: float(row.bundle.split("-")[1]) if "-" in row.bundle else 1.0
            for outcome in self.stage.store.outcomes
            for row in outcome.flagged
        }
        assert self.stage.store.surprises == {position: gains[position] * plain[position] for position in gains}


class ChangingLoop(AlignedLoop):
    """The same, where the models that are promoted read other fields than those before."""

    @rule(features=st.sampled_from([THREE, "load: numeric, temp: numeric", "load: numeric, flow: numeric"]))
    def promote_other_fields(self, features: str) -> None:
        """A model of some of the fields."""
        bundle = f"gain-1.0-{len(self.stage.registry.known)}"
        flagging(self.stage, features, bundle)
        self.stage.registry.promote(bundle)

    def teardown(self) -> None:
        """Every message has its outcome, and of each rig and tick there is one row, where a value came that all models read."""
        if not hasattr(self, "stage"):
            return
        self.settle()
        made = made_of(self.stage)
        assert len(made) == len(set(made)), "a row was made twice"
        loads = flagging(Stage(partitions=PARTITIONS, watched=watched("load: numeric")), "load: numeric")
        loads.broker.logs, loads.broker.ends = self.stage.broker.logs, self.stage.broker.ends
        loads.run()
        still_open = {(each.entity, each.time) for each in self.open_rows()}
        assert {(entity, time) for entity, time in made_of(loads) if time > 60} <= {*made, *still_open}

    def open_rows(self) -> list[Any]:
        """What no message has released yet."""
        alignment = Alignment(watched().record)
        for partition, (_, (head, _)) in self.stage.contexts().items():
            alignment.unpack(partition, head.rows)
        rows = alignment.rest()
        return [row._replace(time=row.time / 1e6 - START) for row in rows]


AlignedLoop.TestCase.settings = settings(max_examples=40, stateful_step_count=30)
TestAlignedLoop = AlignedLoop.TestCase
ChangingLoop.TestCase.settings = settings(max_examples=40, stateful_step_count=30)
TestChangingLoop = ChangingLoop.TestCase
TestChangingLoop.__doc__ = "Every order of events makes each row once, also where models of other fields take over."
TestAlignedLoop.__doc__ = "Every order of events keeps the contract, and makes each row once."


def rows_of(stage: Stage) -> dict[Position, tuple[Any, ...]]:
    """Every scored row by its position: entity, time and values."""
    return {
        row.position: (row.entity, row.time.timestamp() - START, row.values)
        for outcome in stage.store.outcomes
        for row in outcome.flagged
    }


def made_of(stage: Stage) -> list[tuple[str, float]]:
    """Entity and time of every scored row."""
    return [(entity, time) for entity, time, _ in rows_of(stage).values()]


def flagging(stage: Stage, features: str = THREE, bundle: str = "first") -> Stage:
    """The stage with a model of some features that flags every row."""
    stage.bundles.detectors[bundle] = FakeDetector(watched(features).record, bundle, threshold=-1.0)
    return stage


def test_each_message_is_a_row_or_only_fills_one():
    """A row has the position of the message that completes it, shows its tick to be over, or comes when others have gone on."""
    stage = flagging(Stage(watched=watched()))
    for each in (
        *(value(-60, rig, of, 0) for rig in (1, 2) for of in ("load", "temp", "flow")),  # a whole row of each
        value(0, 1, "load", 1),
        value(1, 2, "load", 5),
        value(2, 1, "temp", 2),
        value(3, 1, "flow", 3),  # 3: completes rig 1's row
        value(4, 1, "flow", 9),  # comes after it
        value(10, 1, "load", 4),
        value(20, 1, "load", 4),  # 6: shows that the tick before is over
        *(value(20 + 10 * tick, 1, "load", 4) for tick in range(1, 5)),  # 7 to 10, each the tick before
        value(61, 1, "noise", 4),  # 11: no row of its own, so that rig 2's comes, without which others went on
        value(5, 2, "temp", 7),  # of a row that is out
        value(62, 2, "temp", "broken"),
    ):
        stage.broker.produce(each)
    scorer = stage.run()
    rows = {position.offset - 6: row for position, row in rows_of(stage).items() if position.offset >= 6}
    assert rows == {
        3: ("rig-1", 0.0, {"load": 1.0, "temp": 2.0, "flow": 3.0}),
        6: ("rig-1", 10.0, {"load": 4.0, "temp": 2.0, "flow": 3.0}),  # no older than 30 s at the tick's end
        **{7 + tick: ("rig-1", 20.0 + 10 * tick, {"load": 4.0, "temp": None, "flow": None}) for tick in range(1, 4)},
        7: ("rig-1", 20.0, {"load": 4.0, "temp": 2.0, "flow": 3.0}),
        11: ("rig-2", 0.0, {"load": 5.0, "temp": None, "flow": None}),
    }
    assert (scorer.totals.records, scorer.totals.aligned, scorer.totals.dead_letters) == (9, 11, 0)
    assert stage.accounted() == stage.produced()
    unread = [value.reason for outcome in stage.store.outcomes for value in outcome.unread]
    assert unread == ["field 'temp' is text ('broken'), a number that 32 bits hold belongs there"]


def test_a_clock_that_is_wrong_closes_no_rows_of_others():
    """A sender an hour ahead, and one whose clock is set, prove nothing about the others."""
    stage = flagging(Stage(watched=watched()))
    for rig, ahead in ((1, 0), (2, 3_600)):
        for of in ("load", "temp", "flow"):
            stage.broker.produce(value(ahead - 60, rig, of, 0))
    stage.broker.produce(value(0, 1, "load", 1))
    stage.broker.produce(value(3_600, 2, "load", 1))
    stage.broker.produce(value(7_200, 2, "load", 1))
    stage.broker.produce(value(7_201, 2, "noise", 1))
    stage.broker.produce(value(1, 1, "temp", 2))
    stage.broker.produce(value(2, 1, "flow", 3))
    stage.run()
    assert {position.offset: row[2] for position, row in rows_of(stage).items() if position.offset > 5} == {
        8: {"load": 1.0, "temp": None, "flow": None},
        11: {"load": 1.0, "temp": 2.0, "flow": 3.0},
    }


@pytest.mark.parametrize("step", ["polled", "extended", "described", "before commit", "committed", "snapshotted"])
@pytest.mark.parametrize("more", ["load: numeric, temp: numeric", FOUR])
def test_rows_are_made_once_when_a_model_of_other_fields_takes_over_and_dies(step: Step, more: str):
    """What was scored by one model's fields is not made again by another's, wherever the process dies around the change."""
    stage = flagging(Stage(watched=watched(FOUR)))
    flagging(stage, more, "other")
    messages = [message(number) for number in range(600)]
    for each, _ in messages[:301]:
        stage.broker.produce(each)
    stage.run(records=7, snapshot_seconds=1_000.0)
    stage.registry.promote("other")
    for each, _ in messages[301:]:
        stage.broker.produce(each)
    left = 1 if step == "snapshotted" else 9

    def die(now: Step) -> None:
        nonlocal left
        left -= now == step
        if left == 0:
            raise Crash

    with pytest.raises(Crash):
        stage.run(records=7, snapshot_seconds=1_000.0, reach=die)
    stage.run(records=7, snapshot_seconds=1_000.0)
    made = made_of(stage)
    assert len(made) == len(set(made)), "a row was made twice"
    assert stage.accounted() == stage.produced()
    whole = flagging(Stage(watched=watched(FOUR)), more)
    for each, _ in messages:
        whole.broker.produce(each)
    whole.run()
    assert {(entity, time) for entity, time in made_of(whole) if time > 60} <= set(made)


def test_values_do_not_depend_on_how_the_stream_is_cut():
    """The same rows at the same places, whatever a batch holds."""
    found = []
    for records in (1, 13, 500):
        stage = flagging(Stage(partitions=PARTITIONS, watched=watched()))
        for number in range(700):
            stage.broker.produce(*message(number))
        stage.run(records=records)
        found.append(rows_of(stage))
    assert found[0] == found[1] == found[2]
    assert np.mean([None in row[2].values() for row in found[0].values()]) < 0.5
