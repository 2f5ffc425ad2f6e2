"""Names of stored arrays: those of a part begin with its prefix."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray


def prefixed(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """A part's arrays as the whole names them.

    >>> prefixed("memory.", {"rows": [1]})
    {'memory.rows': [1]}
    """
    return {prefix + name: array for name, array in arrays.items()}


def below(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """The arrays of the part with that prefix, under its own names: the inverse of `prefixed`.

    >>> below({"memory.rows": [1], "divisor": [2]}, "memory.")
    {'rows': [1]}
    """
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
