"""Compiles the few loops that numpy cannot do fast, once per machine.

A row's arithmetic never depends on the rows beside it, so that a record scored alone and in a batch gets the same bits.
"""

import ctypes
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar, cast

from numba import njit
from numba.np import linalg

Compiled = TypeVar("Compiled", bound=Callable[..., object])
_OPTIONS = {"error_model": "numpy", "nogil": True, "boundscheck": False}


def compiled(function: Compiled, fastmath: bool = True) -> Compiled:
    """The function compiled to machine code when first called; the code is kept on disk where a folder can be written.

    With `fastmath` sums may be reordered and NaN must not occur.
    """
    options = {"fastmath": fastmath, **_OPTIONS}
    try:
        return cast(Compiled, njit(cache=True, **options)(function))
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return cast(Compiled, njit(**options)(function))


def compiled_exactly(function: Compiled) -> Compiled:
    """`compiled` for loops that meet NaN, or whose every bit counts."""
    return compiled(function, fastmath=False)


def part_of_kernel(function: Compiled) -> Compiled:
    """A step of a `compiled_exactly` loop, which it becomes part of: no call, and nothing of its own on disk.

    The loop must stand in the same file: code on disk is made anew when its own file has changed, not another.
    """
    return cast(Compiled, njit(forceinline=True, **_OPTIONS)(function))


def _absent() -> None:
    raise ImportError


def _import_without_blas() -> None:
    """Let numba believe that there is no BLAS: it would import scipy's, half a second and 20 MB, for no kernel of ours."""
    ask, linalg.ensure_blas = linalg.ensure_blas, _absent
    try:
        import numba.np.arraymath  # noqa: F401, the module that asks
    finally:
        linalg.ensure_blas = ask


_import_without_blas()
_DONT_NEED = 4
"""madvise(2): drop these pages from the process; what is read again comes back from the file."""


def release_compiler() -> None:
    """Give back the 70 MB of the compiler's own code that compiling or loading kernels touched; Linux only.

    Pages that nothing has written to are dropped; the next kernel that is compiled finds them in the file again.
    """
    if sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):
        advise = ctypes.CDLL(None).madvise
        for start, end in _untouched("libllvmlite"):
            advise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _DONT_NEED)


def _untouched(library: str) -> list[tuple[int, int]]:
    """Where a library's file is mapped for reading only, and no page of it was ever written."""
    found: list[tuple[int, int]] = []
    span = None
    with open("/proc/self/smaps", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            name, *rest = line.split()
            if not name.endswith(":"):
                readable = library in line and "w" not in rest[0]
                span = tuple(int(address, 16) for address in name.split("-")) if readable else None
            elif span is not None and name == "Private_Dirty:" and rest[0] == "0":
                found.append((span[0], span[1]))
    return found
