"""Compiles the few loops that numpy cannot do fast, once per machine.

A row's arithmetic never depends on the rows beside it, so that a record scored alone and in a batch gets the same bits.
"""

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

Compiled = TypeVar("Compiled", bound=Callable[..., object])


def compiled(function: Compiled) -> Compiled:
    """The function compiled to machine code when first called; the code is kept on disk where a folder can be written."""
    options = {"fastmath": True, "error_model": "numpy", "nogil": True, "boundscheck": False}
    try:
        return cast(Compiled, njit(cache=True, **options)(function))
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return cast(Compiled, njit(**options)(function))
