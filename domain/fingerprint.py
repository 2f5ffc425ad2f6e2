"""An alert's fingerprint: which features it was about and how much each, so that it is known again when it comes back.

Shares of the surprise by feature name -> at most 256 bytes; two of them -> their likeness, 0 to 1. Names and shares do not depend
on a model's inner numbers, so that a fingerprint outlives retrainings and new features.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

MOST_FEATURES = 64
"""Features kept: those with the largest shares."""
_ENTRY = np.dtype([("name", "u1", 3), ("root", "u1")])
ALIKE = 0.8
"""Likeness from which on two are of one kind, and below which alerts are not called alike."""
_STEPS = 255


def fingerprint(shares: Mapping[str, float]) -> bytes:
    """The square roots of what each feature adds to a surprise, as a vector of length 1: each feature's name as three bytes of its
    hash, then its number in 255ths. Empty where nothing is added.

    >>> len(fingerprint({"vibration": 3.0, "flow": 1.0})), fingerprint({"flow": 0.0})
    (8, b'')
    """
    largest = sorted(shares.items(), key=lambda one: (-one[1], one[0]))[:MOST_FEATURES]
    total = sum(share for _, share in largest if share > 0)
    return b"".join(
        blake2b(name.encode(), digest_size=3).digest() + bytes([steps])
        for name, share in largest
        if share > 0 and (steps := round(_STEPS * (share / total) ** 0.5))
    )


def vectors(fingerprints: Sequence[bytes]) -> NDArray[np.float32]:
    """[N, F] of length 1, one column a feature that any of them has; zeros where one is empty.

    The likeness of two is their product, the cosine of their angle:

    >>> a, b, c = vectors([fingerprint({"flow": 1.0}), fingerprint({"flow": 3.0, "level": 1.0}), fingerprint({"mode": 2.0})])
    >>> round(float(a @ b), 2), float(a @ c)
    (0.87, 0.0)
    """
    entries = [np.frombuffer(one, _ENTRY) for one in fingerprints]
    together = np.concatenate([*entries, np.zeros(0, _ENTRY)])
    names = together["name"].astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    known, columns = np.unique(names, return_inverse=True)
    rows = np.repeat(np.arange(len(entries)), [len(each) for each in entries])
    found = np.zeros((len(entries), len(known)), np.float32)
    np.maximum.at(found, (rows, columns), together["root"].astype(np.float32))
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.where(lengths > 0, lengths, 1), np.float32)
