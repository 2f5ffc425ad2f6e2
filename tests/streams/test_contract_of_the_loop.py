"""The contract under every order of events: a state machine over poll, score, commit, crash, rebalance, swap and outage."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from latentwatch.domain.record import Position
from latentwatch.domain.steps import AfterStep
from latentwatch.streams.failpoints import Step
from latentwatch.streams.scorer import Scorer
from latentwatch.streams.sources.memory_broker import MemorySource
from latentwatch.streams.testing import FakeBundles, FakeDetector
from tests.streams.stage import Stage, record

PARTITIONS = 3


class Crash(BaseException):
    """The process dies."""


def message(number: int) -> bytes:
    """A record, or something that is none, or a record that breaks every model."""
    if number % 13 == 5:
        return b"{"
    return record(number, a=-1) if number % 17 == 11 else record(number)


class Loop(RuleBasedStateMachine):
    """Some scorers over one topic; whatever happens, each message has at most one outcome, and in the end exactly one."""

    def __init__(self) -> None:
        super().__init__()
        self.members: list[tuple[Scorer, MemorySource]] = []
        self.die_at: Step | None = None
        self.move_at: Step | None = None
        self.number = 0

    @initialize()
    def begin(self) -> None:
        """One scorer, an empty topic."""
        self.stage = self.fresh()
        self.join()

    def fresh(self) -> Stage:
        """A stage before anything has happened. It does not ask about lasting changes, which are known by what each model
        found strange: the undisturbed run has one model, with another threshold."""
        stage = Stage(partitions=PARTITIONS)
        alert = stage.monitor.alert.model_copy(update={"after_step": AfterStep.KEEP})
        stage.monitor = stage.monitor.model_copy(update={"alert": alert})
        return stage

    def detector(self, bundle: str, gain: float = 1.0, threshold: float = 3.0) -> FakeDetector:
        """A model of the stage's monitor."""
        return FakeDetector(self.stage.monitor.record, bundle, gain, threshold)

    def message(self, number: int) -> tuple[bytes, int]:
        """The message of a number, and its partition."""
        return message(number), number % 7 % PARTITIONS

    def reach(self, step: Step) -> None:
        """Crash, or have partitions move, where a rule asked for it; time passes at every step."""
        self.stage.clock.advance(0.05)
        if step == self.move_at:
            self.move_at = None
            self.stage.broker.turn()
        if step == self.die_at:
            self.die_at = None
            raise Crash

    @rule(count=st.integers(1, 40))
    def produce(self, count: int) -> None:
        """Records arrive, some broken."""
        for number in range(self.number, self.number + count):
            self.stage.broker.produce(*self.message(number))
        self.number += count

    @rule(partition=st.integers(0, PARTITIONS - 1), count=st.integers(1, 5))
    def leave_a_gap(self, partition: int, count: int) -> None:
        """Offsets without records."""
        self.stage.broker.skip_offsets(partition, count)

    @precondition(lambda self: len(self.members) < 3)
    @rule(late=st.booleans())
    def join(self, late: bool = False) -> None:
        """Another scorer joins the group; if it dies with a commit on its way, that has happened unless it is late."""
        source = self.stage.broker.join(finite=False)
        scorer = self.stage.scorer(source=source, records=7, snapshot_seconds=0.5, reach=self.reach, late=late)
        scorer.begin(self.stage.stop)
        self.members.append((scorer, source))

    @precondition(lambda self: self.members)
    @rule(member=st.integers(0, 2), turns=st.integers(1, 4))
    def work(self, member: int, turns: int) -> None:
        """One scorer takes some turns, and may die in one."""
        scorer, source = self.members[member % len(self.members)]
        try:
            for _ in range(turns):
                scorer.turn(self.stage.stop)
        except Crash:
            self.members.remove((scorer, source))
            self.stage.broker.leave(source)

    @rule(step=st.sampled_from(["polled", "extended", "described", "before commit", "committed", "snapshotted"]))
    def plan_a_crash(self, step: Step) -> None:
        """The next process to reach this step dies there."""
        self.die_at = step

    @rule(step=st.sampled_from(["polled", "extended", "described", "before commit", "committed", "snapshotted"]))
    def plan_a_rebalance(self, step: Step) -> None:
        """Partitions change hands when a process next reaches this step: what it has in hand is a zombie's."""
        self.move_at = step

    @rule()
    def rebalance(self) -> None:
        """Partitions change hands between two turns."""
        self.stage.broker.turn()

    @precondition(lambda self: self.members)
    @rule(member=st.integers(0, 2))
    def leave(self, member: int) -> None:
        """A scorer is given no partitions any more, without a word; its work in hand is a zombie's."""
        _, source = self.members.pop(member % len(self.members))
        self.stage.broker.leave(source)

    @rule(calls=st.integers(1, 4))
    def outage(self, calls: int) -> None:
        """The database is away for a while."""
        self.stage.store.away = calls

    @rule()
    def lose_an_acknowledgement(self) -> None:
        """The next commit happens, but nobody hears of it."""
        self.stage.store.lose_acknowledgement = True

    @precondition(lambda self: self.members)
    @rule(member=st.integers(0, 2), back=st.integers(1, 20))
    def deliver_again(self, member: int, back: int) -> None:
        """The source repeats messages it has delivered."""
        _, source = self.members[member % len(self.members)]
        for partition, offset in source.delivering.items():
            source.seek(partition, max(0, offset - back))

    @rule(gain=st.sampled_from([1.0, 2.0, 4.0]))
    def promote(self, gain: float) -> None:
        """A new model of the same kind is promoted, which scores otherwise."""
        bundle = f"gain-{gain}-{len(self.stage.registry.known)}"
        self.stage.bundles.detectors[bundle] = self.detector(bundle, gain)
        self.stage.registry.promote(bundle)

    @invariant()
    def nothing_is_written_twice(self) -> None:
        """Rows are distinct (the store raises otherwise), and there are never more outcomes than messages."""
        if hasattr(self, "stage"):
            outcomes = self.stage.store.surprises.keys() | self.stage.store.dead_letters.keys()
            assert outcomes <= self.produced()
            assert self.stage.accounted() <= self.number

    def produced(self) -> set[Position]:
        """Positions of all messages."""
        logs = self.stage.broker.logs.values()
        return {Position("memory", each.partition, each.offset) for log in logs for each in log}

    def teardown(self) -> None:
        """After the dust has settled, every message has its outcome, with the score of an undisturbed run."""
        if not hasattr(self, "stage"):
            return
        self.settle()
        undisturbed = self.fresh()
        undisturbed.bundles = FakeBundles(self.detector("first", threshold=0.0))
        undisturbed.broker.logs, undisturbed.broker.ends = self.stage.broker.logs, self.stage.broker.ends
        undisturbed.run()
        self.check_scores(undisturbed)
        assert self.stage.store.dead_letters == undisturbed.store.dead_letters
        assert {p: blob for p, (_, blob) in self.stage.contexts().items()} == {
            p: blob for p, (_, blob) in undisturbed.contexts().items()
        }

    def settle(self) -> None:
        """Let one process score what there is, undisturbed: every message has its one outcome."""
        self.die_at = self.move_at = None
        self.stage.store.away = 0
        self.stage.store.lose_acknowledgement = False
        for _, source in self.members:
            self.stage.broker.leave(source)
        self.stage.clock.advance(10)
        self.stage.run()
        assert self.stage.accounted() == self.number

    def check_scores(self, undisturbed: Stage) -> None:
        """Every row is its recorded model's score, and every record that its model flags has one."""
        plain = undisturbed.store.surprises
        rows = [row for outcome in self.stage.store.outcomes for row in outcome.flagged]
        gains = {row.position: float(row.bundle.split("-")[1]) if "-" in row.bundle else 1.0 for row in rows}
        assert self.stage.store.surprises == {position: gains[position] * plain[position] for position in gains}
        assert {position for position, surprise in plain.items() if surprise >= 3.0} <= gains.keys()


Loop.TestCase.settings = settings(max_examples=40, stateful_step_count=30)
TestLoop = Loop.TestCase
TestLoop.__doc__ = "Every order of events keeps the contract."
