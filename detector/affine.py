"""A matrix product whose rows get the same bits alone and in a batch: a BLAS sums in an order that depends on how many there are."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.kernels import compiled_exactly

Floats: TypeAlias = NDArray[np.float32]


def affine(values: Floats, weight: Floats, bias: Floats) -> Floats:
    """values [N, I] times weight [I, O] plus bias [O], each row summed in one order whatever stands beside it."""
    out = np.empty((len(values), weight.shape[1]), np.float32)
    _affine(np.ascontiguousarray(values, np.float32), np.ascontiguousarray(weight, np.float32), bias, out)
    return out


@compiled_exactly
def _affine(values: Floats, weight: Floats, bias: Floats, out: Floats) -> None:
    for row in range(values.shape[0]):
        for column in range(out.shape[1]):
            out[row, column] = bias[column]
        for at in range(values.shape[1]):
            value = values[row, at]
            for column in range(out.shape[1]):
                out[row, column] += value * weight[at, column]
