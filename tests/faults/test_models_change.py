"""Models promoted under load: every row is its recorded model's score, and a corrupt model never serves."""

import pytest

from tests.faults.scene import Scene
from tests.faults.verifier import expected


def by_their_own_model(scene: Scene) -> set[str]:
    """Check each row against an undisturbed run of the model it names; the bundles that served."""
    rows = scene.ask('SELECT bundle, "partition", "offset", surprise FROM flagged_records')
    bundles = {bundle for bundle, *_ in rows}
    reference = {bundle: dict(expected(scene.servers, scene.topic, bundle)) for bundle in bundles}
    wrong = [(bundle, place, offset) for bundle, place, offset, s in rows if reference[bundle][place, offset] != s]
    assert not wrong, f"{len(wrong)} rows are not their model's score, first {wrong[:5]}\n{scene.logs()}"
    versions = scene.ask("SELECT DISTINCT bundle, model_version FROM flagged_records")
    assert all(version == {"gain-1.0": 1, "gain-2.0": 2, "gain-4.0": 3}[bundle] for bundle, version in versions)
    return bundles


def test_models_promoted_under_load(scene: Scene) -> None:
    """Promoted twice quickly, then a corrupt one: every row is its recorded model's score, the corrupt one is refused."""
    scorer = scene.start(slow=0.02)
    scene.produce(600)
    scene.wait_for(100)
    scene.promote("gain-2.0")
    scene.promote("gain-4.0")
    scene.wait_to_read("model swapped", scorer)
    scene.produce(300)
    scene.wait_for(scene.produced - 50)
    scene.promote("corrupt")
    scene.wait_to_read("model refused", scorer)
    scene.produce(300)
    scene.settle()
    assert {"gain-1.0", "gain-4.0"} <= by_their_own_model(scene)
    ((status,),) = scene.ask("SELECT status FROM model_versions WHERE bundle = 'corrupt'")
    assert "refused" in str(status).lower()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_promotion_races_a_rebalance(scene: Scene) -> None:
    """A model is promoted while partitions move to a member that joins: both go on with it, from the context there was."""
    scene.produce(600)
    scorers = [scene.start(slow=0.02)]
    scene.wait_for(100)
    scorers.append(scene.start(slow=0.02))
    scene.promote("gain-2.0")
    scene.wait_to_read("partition taken up", scorers[1])
    scene.wait_to_read("model swapped", scorers[0])
    scene.produce(300)
    scene.settle()
    assert by_their_own_model(scene) == {"gain-1.0", "gain-2.0"}
