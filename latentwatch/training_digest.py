"""What a model learned from, as one digest: equal digests mean that training again would learn nothing new.

A retraining keeps the places of the map of the version that serves, so that equal histories give different bundles; the
bundles' hashes do not tell whether anything changed.
"""

import hashlib
import json
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from latentwatch import __version__
from latentwatch.detector.bundle import FORMAT
from latentwatch.domain.monitor import Monitor
from latentwatch.domain.record import Batch


def training_digest(history: Batch, normal: NDArray[np.bool_], monitor: Monitor) -> str:
    """SHA-256, in hexadecimal, of all that training depends on, but for the version that it replaces.

    That is the clean history in the order it was read; which of its records people called normal, `normal` [N]; what the
    monitor says of records, model and window; and this release with its format of bundles. Where records were read from
    does not count.
    """
    digest = hashlib.sha256()
    for part in (*_settings(monitor), *_content(history), np.packbits(normal).tobytes()):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def _settings(monitor: Monitor) -> Iterator[bytes]:
    yield f"{__version__} {FORMAT}".encode()
    yield _json(monitor.model_dump(mode="json", include={"record", "model", "window"}))


def _content(history: Batch) -> Iterator[bytes]:
    yield _json(history.schema.model_dump(mode="json"))
    for numbers in (history.times, history.numbers):
        yield np.ascontiguousarray(numbers).tobytes()
    for texts in (history.entities, history.categories, history.texts):
        yield _json(texts.tolist())


def _json(content: object) -> bytes:
    return json.dumps(content, sort_keys=True).encode()
