"""Compiles the few loops that numpy cannot do fast, once per machine.

A row's arithmetic never depends on the rows beside it, so that a record scored alone and in a batch gets the same bits.
"""

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

Compiled = TypeVar("Compiled", bound=Callable[..., object])


def compiled(function: Compiled, fastmath: bool = True) -> Compiled:
    """The function compiled to machine code when first called; the code is kept on disk where a folder can be written.

    With `fastmath` sums may be reordered and NaN must not occur.
    """
    options = {"fastmath": fastmath, "error_model": "numpy", "nogil": True, "boundscheck": False}
    try:
        return cast(Compiled, njit(cache=True, **options)(function))
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return cast(Compiled, njit(**options)(function))


def compiled_exactly(function: Compiled) -> Compiled:
    """`compiled` for loops that meet NaN, or whose every bit counts."""
    return compiled(function, fastmath=False)
