"""A bundle is what was saved, or it is refused with a sentence."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from latentwatch.detector.bundle import (
    DOCUMENT,
    MAX_DEPTH,
    WEIGHTS,
    Bundled,
    content_hash,
    encode_bundle,
    load_bundle,
    save_bundle,
)
from latentwatch.detector.training import learn
from latentwatch.domain.errors import BundleAway, BundleRefused
from latentwatch.domain.model_choice import ModelChoice, ModelKind
from latentwatch.domain.record import batch_from_columns
from latentwatch.domain.schema import RecordSchema
from tests.detector.checks import read

SCHEMA = RecordSchema(features={"a": "numeric", "b": "numeric", "mode": "category", "note": "text"})


def _batch(count: int, seed: int = 0):
    random = np.random.default_rng(seed)
    mode = random.choice(["on", "off"], count)
    return batch_from_columns(
        SCHEMA,
        {
            "a": random.normal(size=count),
            "b": random.normal(size=count) + (mode == "on"),
            "mode": mode.tolist(),
            "note": [f"pump {'runs' if word == 'on' else 'rests'} well" for word in mode],
        },
    )


@cache
def _detector() -> Bundled:
    return learn(_batch(120), ModelChoice(kind=ModelKind.LINEAR), 1)


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, str]:
    return tmp_path, save_bundle(_detector(), str(tmp_path))


def _rewrite(root: Path, name: str, document: bytes, weights: bytes) -> str:
    """Store a bundle under the hash it should have, so that only what it says can be wrong."""
    other = content_hash(document, weights)
    (root / other).mkdir()
    (root / other / DOCUMENT).write_bytes(document)
    (root / other / WEIGHTS).write_bytes(weights)
    return other


def test_a_saved_detector_comes_back_the_same(saved):
    """Scores of a loaded bundle are those of what was saved, bit for bit."""
    root, name = saved
    loaded, batch = load_bundle(str(root), name), _batch(50, 1)
    assert loaded.bundle == name
    here, there = (each.score(batch, read(each, batch)) for each in (_detector(), loaded))
    assert np.array_equal(here.surprise, there.surprise)


def test_saving_twice_gives_one_bundle(saved):
    """The same detector has the same hash, and no temporary file stays behind."""
    root, name = saved
    assert save_bundle(_detector(), str(root)) == name
    assert sorted(path.name for path in (root / name).iterdir()) == [DOCUMENT, WEIGHTS]


def test_any_fsspec_address_will_do():
    """A bundle can live in an object store; here in fsspec's memory."""
    name = save_bundle(_detector(), "memory://bundles")
    assert load_bundle("memory://bundles", name).bundle == name


@pytest.mark.parametrize("file", [DOCUMENT, WEIGHTS])
def test_a_changed_byte_is_refused(saved, file):
    """One flipped bit anywhere is noticed."""
    root, name = saved
    content = bytearray((root / name / file).read_bytes())
    content[len(content) // 2] ^= 1
    (root / name / file).write_bytes(bytes(content))
    with pytest.raises(BundleRefused, match="was changed after it was written"):
        load_bundle(str(root), name)


def test_a_missing_file_is_refused(saved):
    """A bundle without its weights is not whole."""
    root, name = saved
    (root / name / WEIGHTS).unlink()
    with pytest.raises(BundleAway, match="cannot be read whole"):
        load_bundle(str(root), name)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda arrays: arrays.pop("model.divisor"), "disagree on model.divisor"),
        (lambda arrays: arrays.update(extra=np.zeros(3, np.float32)), "disagree on extra"),
        (lambda arrays: arrays.update({"model.divisor": np.ones(1, np.float32)}), "disagree on model.divisor"),
        (lambda arrays: arrays["model.divisor"].fill(np.nan), "not finite"),
    ],
)
def test_spoiled_weights_are_refused(saved, spoil, reason):
    """A missing, unknown, misshapen or infinite array is refused even when the hash fits."""
    root, name = saved
    arrays = load((root / name / WEIGHTS).read_bytes())
    arrays = {key: array.copy() for key, array in arrays.items()}
    spoil(arrays)
    other = _rewrite(root, name, (root / name / DOCUMENT).read_bytes(), save(arrays))
    with pytest.raises(BundleRefused, match=reason):
        load_bundle(str(root), other)


def test_a_bundle_of_another_version_says_what_to_do(saved):
    """What this version would not write, it does not serve: a reader learns whose it is, and the way out."""
    root, name = saved
    document = json.loads((root / name / DOCUMENT).read_text())
    arrays = {**load((root / name / WEIGHTS).read_bytes()), "later.part": np.zeros(2, np.float32)}
    document["arrays"]["later.part"] = {"dtype": "<f4", "shape": [2]}
    other = _rewrite(root, name, json.dumps(document).encode(), save(arrays))
    with pytest.raises(BundleRefused, match=r"another version of latentwatch \(differing: later.part\); train again"):
        load_bundle(str(root), other)


def test_a_bundle_from_before_a_key_existed_still_opens(saved):
    """An optional key that a later version writes with its default does not refuse the bundles there are."""
    root, name = saved
    document = json.loads((root / name / DOCUMENT).read_text())
    for feature in document["meta"]["features"]["schema"]["features"]:
        del feature["unit"]
    other = _rewrite(root, name, json.dumps(document).encode(), (root / name / WEIGHTS).read_bytes())
    assert load_bundle(str(root), other).schema == load_bundle(str(root), name).schema


def test_an_array_of_a_wrong_shape_is_refused_even_when_declared(saved):
    """Weights that fit their manifest but not each other are refused."""
    root, name = saved
    arrays = {**load((root / name / WEIGHTS).read_bytes()), "model.divisor": np.ones(1, np.float32)}
    document = json.loads((root / name / DOCUMENT).read_bytes())
    document["arrays"]["model.divisor"]["shape"] = [1]
    other = _rewrite(root, name, json.dumps(document).encode(), save(arrays))
    with pytest.raises(BundleRefused, match="do not fit each other"):
        load_bundle(str(root), other)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda document: document.update(format=99), "has format 99"),
        (lambda document: document.pop("format"), "does not say its format"),
        (lambda document: document.update(hello=1), "missing or unknown fields"),
        (lambda document: document["meta"].update(detector="oracle"), "unknown detector 'oracle'"),
        (lambda document: document["meta"].pop("cascade"), "does not make a detector"),
        (lambda document: document["meta"].pop("cascade") and document.update(format=7), "by an earlier latentwatch"),
        (lambda document: document["meta"].update(hello=1), "another version of latentwatch; train again"),
    ],
)
def test_a_spoiled_document_is_refused(saved, spoil, reason):
    """A format that is too new, a missing key or an unknown one is refused with its reason."""
    root, name = saved
    document = json.loads((root / name / DOCUMENT).read_bytes())
    spoil(document)
    other = _rewrite(root, name, json.dumps(document).encode(), (root / name / WEIGHTS).read_bytes())
    with pytest.raises(BundleRefused, match=reason):
        load_bundle(str(root), other)


def test_encoding_is_deterministic():
    """Two trainings from one seed give the same bytes."""
    again = learn(_batch(120), ModelChoice(kind=ModelKind.LINEAR), 1)
    assert encode_bundle(again) == encode_bundle(_detector())


@pytest.mark.slow
def test_scoring_needs_no_torch(saved):
    """A process in which torch cannot be imported loads a bundle, scores and explains."""
    root, name = saved
    program = f"""
import sys
sys.modules["torch"] = None
import numpy as np
from latentwatch.detector.bundle import load_bundle
from tests.detector.checks import read
from latentwatch.domain.record import batch_from_columns
detector = load_bundle({str(root)!r}, {name!r})
batch = batch_from_columns(detector.schema, {{"a": [0.0, 9.0], "b": [0.0, 9.0], "mode": ["on", "new"], "note": ["pump runs well", None]}})
contexts = read(detector, batch)
scores = detector.score(batch, contexts)
detector.explain(batch, contexts, scores)
assert scores.surprise[1] > scores.surprise[0]
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr


def test_a_bundle_is_its_owners_alone(tmp_path: Path):
    """Whatever the umask, folders and files that saving makes can be read by nobody else."""
    before = os.umask(0)
    try:
        save_bundle(_detector(), str(tmp_path / "models" / "bundles"))
    finally:
        os.umask(before)
    made = list((tmp_path / "models").rglob("*"))
    assert {each.stat().st_mode & 0o777 for each in made if each.is_dir()} == {0o700}
    assert {each.stat().st_mode & 0o777 for each in made if each.is_file()} == {0o600}


@pytest.mark.parametrize("depth", [MAX_DEPTH, 900, 100_000])
def test_a_document_nested_too_deep_is_refused(saved: tuple[Path, str], depth: int):
    """Also one that is deep enough to exhaust the interpreter's stack ends in a sentence."""
    root, name = saved
    meta = b'{"detector": "rows", "x": ' + b"[" * depth + b"]" * depth + b"}"
    document = b'{"format": 10, "arrays": {}, "meta": ' + meta + b"}"
    other = _rewrite(root, name, document, (root / name / WEIGHTS).read_bytes())
    with pytest.raises(BundleRefused, match=r"nested more than|not JSON"):
        load_bundle(str(root), other)
