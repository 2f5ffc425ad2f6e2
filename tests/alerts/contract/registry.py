"""The model registry's promises: numbered versions, one champion, every decision written down with its reasons."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine, insert, select, update
from sqlalchemy.exc import IntegrityError

from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.alerts.session import reading, transaction
from latentwatch.alerts.tables import ModelVersionRow, NotificationRow, PromotionRow
from latentwatch.domain.clock import ManualClock
from latentwatch.domain.errors import InvalidInput, NotFound
from latentwatch.domain.model import Evaluation, Judgement, ModelVersion, VersionStatus
from tests.alerts.build import START
from tests.alerts.contract.outbox import PUMP

EVALUATION = Evaluation(
    promised_rate=0.001,
    realised_rate=0.0012,
    realised_interval=(0.0008, 0.0017),
    holdout_records=5000,
    faults_planted=20,
    faults_found=18,
    recall_by_fault={"leak": 0.9, "spike": 1.0},
    details={"auroc": 0.97, "notes": ["a", {"b": None}]},
)
LET_IN = Judgement(True, ("finds 18 of 20 faults", "keeps the promised rate"))
KEEP_OUT = Judgement(False, ("flags too much",))


def add(
    registry: ModelRegistry, bundle: str, monitor: str = "pump", evaluation: Evaluation | None = None
) -> ModelVersion:
    """Register a candidate."""
    until = START + timedelta(days=1)
    return registry.register(monitor, bundle, "denoising", 1000, START, until, evaluation, f"digest of {bundle}")


def statuses(registry: ModelRegistry) -> dict[int, str]:
    """What became of each version."""
    return {version.version: version.status.value for version in registry.versions("pump")}


class RegistryContract:
    """Promises of `ModelRegistry`."""

    @pytest.fixture
    def registry(self, engine: Engine, clock: ManualClock) -> ModelRegistry:
        return ModelRegistry(engine, clock)

    def test_versions_count_per_monitor(self, registry: ModelRegistry) -> None:
        """Each monitor's versions are numbered from one, and a repeated registration keeps its number."""
        assert [add(registry, name).version for name in ("a", "b", "b")] == [1, 2, 2]
        assert add(registry, "a", monitor="mill").version == 1
        assert [version.version for version in registry.versions("pump")] == [2, 1]
        assert [(each.monitor, each.version) for each in registry.versions()] == [("mill", 1), ("pump", 2), ("pump", 1)]

    def test_a_version_comes_back_whole(self, registry: ModelRegistry) -> None:
        """Evaluation, history, kind and the digest of what was learned survive storage."""
        stored = registry.version("pump", add(registry, "a", evaluation=EVALUATION).version)
        assert stored.evaluation == EVALUATION
        assert (stored.history_start, stored.created, stored.status) == (START, START, VersionStatus.CANDIDATE)
        assert (stored.bundle, stored.kind, stored.trained_records) == ("a", "denoising", 1000)
        assert stored.training_digest == "digest of a"

    def test_promotion_replaces_the_champion(self, registry: ModelRegistry, clock: ManualClock) -> None:
        """A judgement to promote crowns the version, retires the former champion and keeps the reasons."""
        assert registry.champion("pump") is None
        for name in "ab":
            clock.advance(60)
            registry.judge("pump", add(registry, name).version, LET_IN)
        champion = registry.champion("pump")
        assert champion is not None
        assert (champion.version, champion.reasons, champion.promoted) == (2, LET_IN.reasons, clock.now())
        assert statuses(registry) == {1: "retired", 2: "champion"}

    def test_holding_changes_nothing_that_serves(self, registry: ModelRegistry) -> None:
        """A judgement to hold leaves the champion and says why."""
        registry.judge("pump", add(registry, "a").version, LET_IN)
        held = registry.judge("pump", add(registry, "b").version, KEEP_OUT)
        assert (held.status, held.reasons) == (VersionStatus.HELD, KEEP_OUT.reasons)
        assert statuses(registry) == {1: "champion", 2: "held"}

    def test_people_are_told_of_a_model_that_is_held(
        self, registry: ModelRegistry, engine: Engine, clock: ManualClock
    ) -> None:
        """Each channel has one message with the reasons; of the very model that serves already there is nothing to tell."""
        register_monitor(engine, PUMP, clock)
        registry.judge("pump", add(registry, "a").version, LET_IN)
        registry.judge("pump", add(registry, "a").version, KEEP_OUT)
        held = add(registry, "b").version
        for _ in range(2):
            registry.judge("pump", held, KEEP_OUT)
        with reading(engine) as session:
            messages = session.scalars(select(NotificationRow).order_by(NotificationRow.channel)).all()
        assert [(each.channel, each.alert_id, each.title) for each in messages] == [
            ("desk", None, "[low] pump: model version 3 was held"),
            ("oncall", None, "[low] pump: model version 3 was held"),
        ]
        assert KEEP_OUT.reasons[0] in messages[0].body

    def test_judging_twice_is_judging_once(self, registry: ModelRegistry, engine: Engine) -> None:
        """A repeated task neither promotes again nor undoes a later decision."""
        for name in "ab":
            registry.judge("pump", add(registry, name).version, LET_IN)
        again = registry.judge("pump", 1, LET_IN)
        assert again.status is VersionStatus.RETIRED
        assert registry.judge("pump", 2, KEEP_OUT).status is VersionStatus.CHAMPION
        with reading(engine) as session:
            assert session.scalars(select(PromotionRow.version).order_by(PromotionRow.id)).all() == [1, 2]

    def test_a_refused_champion_gives_way(self, registry: ModelRegistry) -> None:
        """The version that the refused one replaced serves again; refusing twice changes nothing more."""
        for name in "abc":
            registry.judge("pump", add(registry, name).version, LET_IN)
        serving = registry.refuse("pump", 3, "weights.safetensors: a byte has changed")
        assert serving is not None
        assert serving.version == 2
        assert registry.refuse("pump", 3, "again") == serving
        assert statuses(registry) == {1: "retired", 2: "champion", 3: "refused"}
        assert registry.version("pump", 3).reasons[-1] == "weights.safetensors: a byte has changed"

    def test_the_last_version_that_serves_is_not_refused(self, registry: ModelRegistry) -> None:
        """Where nothing served before, or what did was refused, the champion stays, and nothing is written down."""
        for name in "ab":
            registry.judge("pump", add(registry, name).version, LET_IN)
        first = registry.refuse("pump", 2, "corrupt")
        assert first is not None
        assert registry.refuse("pump", 1, "corrupt too") == first
        assert statuses(registry) == {1: "champion", 2: "refused"}
        assert registry.version("pump", 1).reasons == LET_IN.reasons

    def test_a_refusal_is_taken_back(self, registry: ModelRegistry) -> None:
        """A restored version may be promoted again, and what served meanwhile goes on until then."""
        for name in "ab":
            registry.judge("pump", add(registry, name).version, LET_IN)
        registry.refuse("pump", 2, "corrupt")
        assert registry.restore("pump", 2, "copied back by ann").status is VersionStatus.RETIRED
        assert statuses(registry) == {1: "champion", 2: "retired"}
        assert registry.promote("pump", 2, "ann").status is VersionStatus.CHAMPION
        with pytest.raises(InvalidInput, match="is champion, not refused"):
            registry.restore("pump", 2, "again")

    def test_where_nothing_serves_a_restored_version_does(self, registry: ModelRegistry, engine: Engine) -> None:
        """A refusal of the only version, as earlier releases wrote them, is undone by one command."""
        registry.judge("pump", add(registry, "a").version, LET_IN)
        with transaction(engine) as session:
            session.execute(update(ModelVersionRow).values(status=VersionStatus.REFUSED))
        assert registry.champion("pump") is None
        assert registry.restore("pump", 1, "by ann").status is VersionStatus.CHAMPION

    def test_rolling_back_is_undone_by_promoting(self, registry: ModelRegistry) -> None:
        """What was rolled back serves again when somebody says so."""
        for name in "ab":
            registry.judge("pump", add(registry, name).version, LET_IN)
        registry.rollback("pump")
        assert registry.promote("pump", 2, "ann").status is VersionStatus.CHAMPION
        assert statuses(registry) == {1: "retired", 2: "champion"}

    def test_rollback_goes_back_and_stays_back(self, registry: ModelRegistry) -> None:
        """Rolling back leads to ever earlier versions, never forward to one that was rolled back."""
        for name in "abc":
            registry.judge("pump", add(registry, name).version, LET_IN)
        assert registry.rollback("pump").version == 2
        assert registry.rollback("pump").version == 1
        with pytest.raises(InvalidInput, match="no earlier champion"):
            registry.rollback("pump")
        registry.judge("pump", add(registry, "d").version, LET_IN)
        serving = registry.refuse("pump", 4, "corrupt")
        assert serving is not None
        assert serving.version == 1

    def test_a_person_may_insist(self, registry: ModelRegistry) -> None:
        """A held version serves when somebody says so, unless a scorer refused it."""
        for name, judgement in (("a", LET_IN), ("b", KEEP_OUT)):
            registry.judge("pump", add(registry, name).version, judgement)
        assert registry.promote("pump", 2, "checked by ann").status is VersionStatus.CHAMPION
        assert registry.rollback("pump").version == 1
        registry.refuse("pump", 2, "corrupt")
        with pytest.raises(InvalidInput, match=r"was refused \(corrupt\).*models restore pump 2"):
            registry.promote("pump", 2, "really")

    def test_unknown_versions_are_named(self, registry: ModelRegistry) -> None:
        """Asking for a version that is not there says which are."""
        with pytest.raises(NotFound, match="none yet"):
            registry.version("pump", 1)
        add(registry, "a")
        with pytest.raises(NotFound, match="from 1 to 1"):
            registry.judge("pump", 9, LET_IN)

    def test_the_database_allows_one_champion(self, registry: ModelRegistry, engine: Engine) -> None:
        """Even a program that forgets to ask cannot write a second champion."""
        registry.judge("pump", add(registry, "a").version, LET_IN)
        second = dict.fromkeys(["promoted", "history_start", "history_end", "evaluation"])
        second |= {"monitor": "pump", "version": 2, "bundle": "b", "kind": "linear", "created": START}
        second |= {"status": VersionStatus.CHAMPION, "trained_records": 1, "reasons": []}
        with pytest.raises(IntegrityError), transaction(engine) as session:
            session.execute(insert(ModelVersionRow), [second])

    def test_processes_that_register_at_once_get_their_own_numbers(self, registry: ModelRegistry) -> None:
        """Concurrent registrations and promotions neither collide nor leave two champions."""

        def enter(name: str) -> int:
            version = add(registry, name).version
            registry.judge("pump", version, LET_IN)
            return version

        with ThreadPoolExecutor(4) as pool:
            numbers = sorted(pool.map(enter, "abcdefgh"))
        assert numbers == list(range(1, 9))
        assert sorted(statuses(registry).values()) == ["champion"] + ["retired"] * 7
