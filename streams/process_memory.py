"""Gives a scorer's memory back to the system that only starting up needed.

Loading a model compiles or loads its kernels and builds a hundred thousand objects that live as long as the process. Both
are looked after here, once the first batches have been through, and from then on now and then.
"""

import atexit
import ctypes
import gc
import sys
from contextlib import suppress

from latentwatch.detector.kernels import release_compiler
from latentwatch.domain.clock import Clock

_ARENA_MAX = -8
"""mallopt(3): how many heaps glibc keeps for the threads of a process."""
_EVERY_SECONDS = 60.0
_FIRST_BATCHES = 3


class ProcessMemory:
    """Gives memory back when it is due. Acts on the whole process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due = float("-inf")
        # Threads begun from here on share one heap: the loop's and the commit's take turns anyway, and a heap of its own
        # keeps for each what the other could use.
        _c_library("mallopt", _ARENA_MAX, 1)

    def look(self, batches: int) -> None:
        """Give back what is not needed, after the first batches and every minute; call it between batches."""
        now = self._clock.monotonic()
        if batches < _FIRST_BATCHES or now < self._due:
            return
        if self._due == float("-inf"):
            # What has lived through the start lives on: a full collection, which stops the loop, need not walk it again.
            gc.collect()
            gc.freeze()
            # At the end it is to be found again: libraries built with nanobind, as DuckDB is, report what stays as leaks.
            atexit.register(gc.unfreeze)
        self._due = now + _EVERY_SECONDS
        release_compiler()
        _c_library("malloc_trim", 0)


def _c_library(function: str, *arguments: int) -> None:
    """Call a function of glibc's; nothing where it is another C library."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            getattr(ctypes.CDLL(None), function)(*arguments)
