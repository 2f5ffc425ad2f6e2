"""The basis of a monitor's latent space: records that keep their codes from version to version, and the map's two axes.

It belongs to the monitor and travels with its versions. A first version begins it; each later one is held to it, keeps one
half of its records for ever, and renews the other half, so that a new way of running finds a place.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.affine import affine
from latentwatch.detector.latent.examples import Floats, Landmarks
from latentwatch.detector.spread import spread_over

LANDMARKS = 512


@dataclass(frozen=True, slots=True)
class Basis:
    """Landmark records and the map."""

    rows: Floats
    """[L, D] as the state model takes them, not standardised; the first half is kept for ever."""
    codes: Floats
    """[L, K]"""
    centre: Floats
    """[K] the code in the middle of the map."""
    axes: Floats
    """[K, 2] from codes to the map: see `begin_basis`."""

    @property
    def landmarks(self) -> Landmarks:
        """What a next version is held to."""
        return Landmarks(self.rows, self.codes)

    @property
    def id(self) -> str:
        """Equal for all versions that are held to one another: a hash of what never changes."""
        kept = len(self.rows) - len(self.rows) // 2
        parts = (self.centre, self.axes, self.codes[:kept])
        return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()[:16]

    def fits(self, width: int, code: int) -> bool:
        """Whether a state model of rows [N, width] and codes [N, code] can be held to it."""
        return bool(self.rows.shape[1] == width and self.codes.shape[1] == code)

    def places(self, codes: Floats) -> Floats:
        """[N, 2] where codes [N, K] lie on the map. The same bits alone and in a batch."""
        return affine(codes - self.centre, self.axes, np.zeros(2, np.float32))

    def renewed(self, rows: Floats, codes: Floats) -> "Basis":
        """The basis after a version that was held to it: its second half are rows [N, D] with codes [N, K] of that version."""
        kept = len(self.rows) - len(self.rows) // 2
        fresh = renewed_landmarks(len(rows), len(self.rows) - kept)
        return Basis(
            np.concatenate([self.rows[:kept], rows[fresh]]),
            np.concatenate([self.codes[:kept], codes[fresh]]),
            self.centre,
            self.axes,
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores."""
        return {"rows": self.rows, "codes": self.codes, "centre": self.centre, "axes": self.axes}

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], width: int, code: int) -> Self:
        """The inverse of `arrays`, of a state model of rows [N, width] and codes [N, code]. Raises ValueError where shapes do
        not fit it."""
        rows, codes, centre, axes = (arrays[name] for name in ("rows", "codes", "centre", "axes"))
        shapes = (rows.shape, codes.shape, centre.shape, axes.shape)
        if shapes != ((len(codes), width), (len(rows), code), (code,), (code, 2)):
            raise ValueError("the basis of the latent space does not fit its model")
        return cls(rows, codes, centre, axes)


def begin_basis(rows: Floats, codes: Floats) -> Basis:
    """The basis of a first version, from rows [N, D] and their codes [N, K] in order of time.

    The axes are the two principal components of what codes say of the rows, by least squares: a variational code gives each of
    its dimensions about the same variance, however little it says.
    """
    centre = codes.mean(axis=0)
    offsets = (codes - centre).astype(np.float64)
    spread = rows.std(axis=0)
    moving = spread > 0
    scaled = (rows[:, moving] - rows[:, moving].mean(axis=0)) / spread[moving]
    loadings = np.linalg.lstsq(offsets, scaled, rcond=None)[0]
    # Of a product of rank K; the whole of it would be decomposed in time that grows with the square of its width.
    _, strength, directions = np.linalg.svd(np.linalg.qr(offsets).R @ loadings, full_matrices=False)
    axes = np.zeros((codes.shape[1], 2), np.float32)
    count = min(2, len(directions), int((strength > 0).sum()))
    leading = loadings @ directions[:count].T / np.sqrt(max(1, int(moving.sum())))
    signs = np.sign(leading[np.abs(leading).argmax(axis=0), np.arange(count)])
    axes[:, :count] = leading * np.where(signs == 0, 1.0, signs)
    chosen = first_landmarks(len(rows))
    return Basis(rows[chosen].copy(), codes[chosen].copy(), centre.astype(np.float32), axes)


def first_landmarks(count: int) -> NDArray[np.intp]:
    """Which of `count` rows in order of time a first version's landmarks are; either half of them is from all of the time."""
    spread = spread_over(count, LANDMARKS)
    return np.concatenate([spread[::2], spread[1::2]])


def renewed_landmarks(count: int, wanted: int) -> NDArray[np.intp]:
    """Which of `count` rows take the place of the second half of a later version's landmarks: exactly as many as it has, since
    what is kept for ever is the other half. Of fewer rows some are taken more than once."""
    return np.linspace(0, count - 1, wanted).astype(np.intp)
