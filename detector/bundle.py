"""A trained detector on disk: safetensors and readable JSON, in a folder named by the hash of both.

    root/<hash>/weights.safetensors    every array
    root/<hash>/bundle.json            format, which detector, dtype and shape of every array, everything else

The hash is SHA-256 over the length of the JSON, the JSON and the weights, as bytes. Loading checks it before anything
is parsed, and refuses whatever is missing, unknown, of another shape or dtype, or not finite. No torch, no pickle.
"""

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Protocol, Self, cast

import fsspec
import numpy as np
from fsspec.implementations.local import LocalFileSystem
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from latentwatch.detector.bundle_store import open_store
from latentwatch.detector.interface import Contexts, Detector
from latentwatch.detector.latent.state_space import StateSpace
from latentwatch.domain.errors import BundleAway, BundleChanged, BundleRefused
from latentwatch.domain.private_files import make_private_folder, write_private_file
from latentwatch.domain.record import Batch, Value
from latentwatch.domain.schema import RecordSchema

FORMAT = 12
WEIGHTS, DOCUMENT = "weights.safetensors", "bundle.json"
MAX_DEPTH = 64
"""How deep the document may be nested; what detectors write is not 20 deep."""

Arrays = dict[str, NDArray[Any]]
Loader = Callable[[Arrays, dict[str, Any], str], "Storable"]

# Which class makes a detector from its bundle, by meta["detector"]: module and class, imported when first needed.
DETECTORS = {
    "rows": ("latentwatch.detector.rows.detector", "RowDetector"),
    "sequences": ("latentwatch.detector.sequences.detector", "SequenceDetector"),
    "forecasts": ("latentwatch.detector.forecasts.detector", "ForecastDetector"),
    "rates": ("latentwatch.detector.rates", "RateDetector"),
}
# The same for what was fitted and waits for its calibration; nothing serves these.
FITTED = {
    "fitted rows": ("latentwatch.detector.rows.learning", "FittedRecords"),
    "fitted sequences": ("latentwatch.detector.sequences.fitting", "FittedSequences"),
}


class Storable(Protocol):
    """What can be written to a bundle and made from one.

    Its class has `from_bundle(arrays, meta, bundle="")`, the inverse of `arrays` and `meta`, where `bundle` is the content
    hash; it may raise KeyError for what is missing and BundleRefused for what does not fit.
    """

    def arrays(self) -> Arrays:
        """Every array it needs, by name; finite where they are floats."""
        ...

    def meta(self) -> dict[str, Any]:
        """Everything else, JSON only; `detector` says which class reads it back."""
        ...


class Bundled(Detector, Storable, Protocol):
    """A detector that can be written to a bundle and made from one."""

    def reading(self, schema: RecordSchema) -> Self:
        """The same detector of records whose fields stand elsewhere: features of the same names and types in this order."""
        ...

    def codes(self, batch: Batch, contexts: Contexts) -> NDArray[np.float32]:
        """[N, K] latent codes of records."""
        ...

    def decoded(self, codes: NDArray[np.float32]) -> list[dict[str, Value]]:
        """The mean record at each code [N, K]. Raises InvalidInput where a code alone does not make a record."""
        ...

    def state_space(self) -> StateSpace:
        """Its codes of normal records, and which code lies where on the map."""
        ...


def encode_bundle(detector: Storable) -> tuple[str, bytes, bytes]:
    """Content hash, document and weights of a detector. The same detector always gives the same bytes."""
    arrays = {name: np.ascontiguousarray(array) for name, array in sorted(detector.arrays().items())}
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise BundleRefused(f"array {name!r} holds values that are not finite; training went wrong: train again")
    document = {"format": FORMAT, "arrays": _manifest(arrays), "meta": detector.meta()}
    text = json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False).encode()
    weights = save(arrays)
    return content_hash(text, weights), text, weights


def content_hash(document: bytes, weights: bytes) -> str:
    """The name of a bundle."""
    return hashlib.sha256(len(document).to_bytes(8, "little") + document + weights).hexdigest()


def save_bundle(detector: Storable, root: str) -> str:
    """Write a detector below a folder or fsspec URL and return its content hash.

    Each file is written beside its place and renamed into it, the document last: a bundle whose document is there is whole.
    Saving the same detector twice is harmless.
    """
    name, document, weights = encode_bundle(detector)
    files, base = open_store(root)
    folder = f"{base}/{name}"
    local = isinstance(files, LocalFileSystem)
    if local:
        make_private_folder(folder)
    else:
        files.makedirs(folder, exist_ok=True)
    for file, content in ((WEIGHTS, weights), (DOCUMENT, document)):
        beside = f"{folder}/.{file}.{uuid.uuid4().hex}"
        if local:
            write_private_file(beside, content)
        else:
            files.pipe_file(beside, content)
        files.mv(beside, f"{folder}/{file}")
    return name


def load_bundle(root: str, bundle_hash: str) -> Bundled:
    """The detector of that hash below a folder or fsspec URL. Raises BundleRefused with a sentence saying why not:
    BundleAway where it cannot be read from here, BundleChanged where its content does not match its hash.
    """
    return decode_bundle(*_read_files(root, bundle_hash), bundle_hash)


def load_fitted(root: str, bundle_hash: str) -> Storable:
    """What was fitted and put aside below a folder, not calibrated yet. Raises BundleRefused as `load_bundle` does."""
    return _decode(*_read_files(root, bundle_hash), bundle_hash, FITTED)


def _read_files(root: str, bundle_hash: str) -> tuple[bytes, bytes]:
    """Document and weights of a bundle, whose content is what its name says."""
    try:
        files, base = fsspec.core.url_to_fs(root)
        folder = f"{base.rstrip('/')}/{bundle_hash}"
        document, weights = (cast(bytes, files.cat_file(f"{folder}/{file}")) for file in (DOCUMENT, WEIGHTS))
    except Exception as error:  # each object store's client raises its own
        raise BundleAway(
            f"bundle {bundle_hash} cannot be read whole below {root} ({error}); check LATENTWATCH_BUNDLES and who may read"
            " there, or train again"
        ) from None
    if content_hash(document, weights) != bundle_hash:
        raise BundleChanged(
            f"bundle {bundle_hash} below {root} was changed after it was written: its content does not match its name;"
            " restore it from a copy, or train again"
        )
    return document, weights


def decode_bundle(document: bytes, weights: bytes, bundle_hash: str) -> Bundled:
    """The detector of a bundle's bytes. Raises BundleRefused where they are not exactly what a detector writes."""
    return cast(Bundled, _decode(document, weights, bundle_hash, DETECTORS))


def detector_from(arrays: Arrays, meta: Mapping[str, Any], bundle_hash: str) -> Bundled:
    """A detector that is part of another one's bundle. Raises KeyError or ValueError for what is none."""
    return cast(Bundled, _loader(DETECTORS[meta["detector"]])(arrays, dict(meta), bundle_hash))


def _loader(of: tuple[str, str]) -> Loader:
    """What makes an object of that module and class from its bundle."""
    return cast(Loader, getattr(import_module(of[0]), of[1]).from_bundle)


def _decode(document: bytes, weights: bytes, bundle_hash: str, known: Mapping[str, tuple[str, str]]) -> Storable:
    described = _read_document(document, bundle_hash)
    try:
        arrays: Arrays = load(weights)
    except SafetensorError as error:
        raise BundleRefused(f"bundle {bundle_hash}: its weights cannot be read ({error}); train again") from None
    _check_arrays(arrays, described["arrays"], bundle_hash)
    meta = described["meta"]
    kind = meta.get("detector") if isinstance(meta, dict) else None
    if kind in FITTED and kind not in known:
        raise BundleRefused(f"bundle {bundle_hash} was fitted, not calibrated; it cannot serve: finish its training")
    if not isinstance(kind, str) or kind not in known:
        raise BundleRefused(f"bundle {bundle_hash}: unknown detector {kind!r}; serve it with a newer latentwatch")
    try:
        detector = _loader(known[kind])(arrays, meta, bundle_hash)
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, BundleRefused) as error:
        if described["format"] < FORMAT:
            raise BundleRefused(
                f"bundle {bundle_hash} was written by an earlier latentwatch (format {described['format']}, this one's is"
                f" {FORMAT}); train again, or serve it with that version"
            ) from None
        if isinstance(error, BundleRefused):
            raise
        raise BundleRefused(
            f"bundle {bundle_hash}: what it says does not make a detector ({type(error).__name__}: {error}); train again"
        ) from None
    _check_nothing_left(detector, arrays, meta, bundle_hash)
    return detector


def _read_document(document: bytes, bundle_hash: str) -> dict[str, Any]:
    try:
        described = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise BundleRefused(f"bundle {bundle_hash}: {DOCUMENT} is not JSON ({error}); train again") from None
    if _deeper_than(described, MAX_DEPTH):
        raise BundleRefused(f"bundle {bundle_hash}: {DOCUMENT} is nested more than {MAX_DEPTH} deep; train again")
    if not isinstance(described, dict) or not isinstance(described.get("format"), int):
        raise BundleRefused(f"bundle {bundle_hash}: {DOCUMENT} does not say its format; train again")
    if described["format"] > FORMAT:
        raise BundleRefused(
            f"bundle {bundle_hash} has format {described['format']}, this latentwatch reads up to {FORMAT}; upgrade it"
        )
    if described.keys() != {"format", "arrays", "meta"}:
        raise BundleRefused(f"bundle {bundle_hash}: {DOCUMENT} has missing or unknown fields; train again")
    return described


def _deeper_than(value: Any, limit: int) -> bool:
    """Whether objects and lists stand in one another more than `limit` deep; looks level by level, without recursion."""
    level = [value]
    for _ in range(limit + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(level)


def _manifest(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    return {name: {"dtype": array.dtype.str, "shape": list(array.shape)} for name, array in arrays.items()}


def _check_arrays(arrays: Arrays, manifest: Any, bundle_hash: str) -> None:
    found = _manifest(arrays)
    if found != manifest:
        wrong = sorted(name for name in {*found, *manifest} if found.get(name) != manifest.get(name))
        raise BundleRefused(
            f"bundle {bundle_hash}: weights and {DOCUMENT} disagree on {', '.join(wrong)}; restore it, or train again"
        )
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise BundleRefused(f"bundle {bundle_hash}: array {name!r} is not finite; train again")


def _check_nothing_left(detector: Storable, arrays: Arrays, meta: dict[str, Any], bundle_hash: str) -> None:
    """A detector must write again what it was made from; whatever it did not understand is thereby found."""
    again = detector.arrays()
    if _manifest(again) != _manifest(arrays):
        wrong = sorted(name for name in {*again, *arrays} if _manifest(again).get(name) != _manifest(arrays).get(name))
        raise BundleRefused(
            f"bundle {bundle_hash}: was written by another version of latentwatch (differing: {', '.join(wrong)}); train"
            " again, or serve it with that version"
        )
    if not _understood(meta, detector.meta()):
        raise BundleRefused(
            f"bundle {bundle_hash}: was written by another version of latentwatch; train again, or serve it with that version"
        )


def _understood(stored: Any, again: Any) -> bool:
    """Whether all that was stored is written again; a key that a later version added, with its default, may stand beside."""
    if isinstance(stored, dict) and isinstance(again, dict):
        return all(name in again and _understood(value, again[name]) for name, value in stored.items())
    if isinstance(stored, list) and isinstance(again, list | tuple):
        return len(stored) == len(again) and all(map(_understood, stored, again))
    return json.dumps(stored) == json.dumps(again)
