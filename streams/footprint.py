"""Keeps a scorer as small as its work: what only starting up needed goes back to the system.

Loading a model compiles or loads its kernels and builds a hundred thousand objects that live as long as the process. Both
are looked after here, once the first batches have been through, and from then on now and then.
"""

import ctypes
import gc
import sys
from contextlib import suppress

from detector.kernels import release_compiler
from domain.clock import Clock

_EVERY_SECONDS = 60.0
_FIRST_BATCHES = 3


class Footprint:
    """Gives memory back when it is due. Acts on the whole process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due = float("-inf")

    def look(self, batches: int) -> None:
        """Give back what is not needed, after the first batches and every minute; call it between batches."""
        now = self._clock.monotonic()
        if batches < _FIRST_BATCHES or now < self._due:
            return
        if self._due == float("-inf"):
            # What has lived through the start lives on: a full collection, which stops the loop, need not walk it again.
            gc.collect()
            gc.freeze()
        self._due = now + _EVERY_SECONDS
        release_compiler()
        if sys.platform == "linux":
            with suppress(OSError, AttributeError):  # another C library than glibc
                ctypes.CDLL(None).malloc_trim(0)
