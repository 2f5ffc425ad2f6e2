"""Kept results: peers once, ours again when its code changes."""

from benchmarks.quality.cases import Cache, Case, CaseResult, Suite
from benchmarks.quality.methods import Method
from benchmarks.quality.peers import AlwaysOn

CASE = Case("tables", "45_wine", "kNN mean of 5", 0)
PEER = Method("kNN mean of 5", "peer", lambda _: AlwaysOn(), quick=True)
OURS = Method("Latentwatch", "ours", lambda _: AlwaysOn())


def _house(folder, text):
    for room in ("detector", "domain"):
        (folder / room).mkdir(parents=True, exist_ok=True)
        (folder / room / "code.py").write_text(text)
    return folder


def test_a_kept_peer_survives_a_change_of_our_code(tmp_path):
    """Peers need not be measured again when the detector changes."""
    Cache(tmp_path / "kept", _house(tmp_path, "one")).save(CaseResult(CASE, {"auroc": 0.5}), PEER)
    found = Cache(tmp_path / "kept", _house(tmp_path, "two")).load(CASE, PEER)
    assert found == CaseResult(CASE, {"auroc": 0.5})


def test_our_own_results_are_dropped_when_our_code_changes(tmp_path):
    """A result of older code is not shown as one of this code."""
    cache = Cache(tmp_path / "kept", _house(tmp_path, "one"))
    cache.save(CaseResult(CASE, {"auroc": 0.5}), OURS)
    assert cache.load(CASE, OURS) is not None
    assert Cache(tmp_path / "kept", _house(tmp_path, "two")).load(CASE, OURS) is None


def test_failures_are_not_kept(tmp_path):
    """A failed measurement is tried again."""
    cache = Cache(tmp_path / "kept", _house(tmp_path, "one"))
    cache.save(CaseResult(CASE, {}, "failed: out of luck"), PEER)
    assert cache.load(CASE, PEER) is None


def test_a_cut_short_file_is_measured_again(tmp_path):
    """A file that is no JSON does not stop the run."""
    cache = Cache(tmp_path / "kept", _house(tmp_path, "one"))
    cache.save(CaseResult(CASE, {"auroc": 0.5}), PEER)
    file = next((tmp_path / "kept").rglob("*.json"))
    file.write_text(file.read_text()[:20])
    assert cache.load(CASE, PEER) is None


def test_a_quick_run_keeps_one_seed_of_the_cheap_methods():
    """Quick is one seed of the methods marked so; full is every seed a method has."""
    suite = Suite("tables", ("a", "b"), (PEER, OURS), lambda *_: {})
    assert [(case.dataset, case.method, case.seed) for case in suite.cases(quick=True)] == [
        ("a", PEER.name, 0),
        ("b", PEER.name, 0),
    ]
    assert len(suite.cases(quick=False)) == 2 * 2 * 3
