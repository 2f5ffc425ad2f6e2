"""Adam (Kingma & Ba 2015) in one loop over all parameters.

torch's own optimisers import its compiler when they are made, which takes longer than a whole training here.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from latentwatch.detector.autoencoders.examples import Floats
from latentwatch.detector.kernels import compiled

SMALLEST = 1e-8


class Adam:
    """Moves parameters against their gradients, each by its own step.

    Parameters and gradients are laid end to end, so that a step is one loop however many there are: whoever computes
    gradients adds to, or writes over, what stands in each parameter's `grad`.
    """

    def __init__(self, parameters: Sequence[Tensor], betas: tuple[float, float]) -> None:
        self._betas, self._steps = betas, 0
        values = torch.cat([parameter.detach().ravel() for parameter in parameters])
        self._gradient = torch.zeros_like(values)
        sizes = [parameter.numel() for parameter in parameters]
        for parameter, part, slope in zip(parameters, values.split(sizes), self._gradient.split(sizes), strict=True):
            parameter.data = part.view(parameter.shape)
            parameter.grad = slope.view(parameter.shape)
        self._values = values.numpy()
        self._mean, self._square = np.zeros_like(self._values), np.zeros_like(self._values)

    def step(self, learning_rate: float) -> None:
        """One step along the gradients, which are then cleared."""
        self._steps += 1
        first, second = self._betas
        size = learning_rate * math.sqrt(1.0 - second**self._steps) / (1.0 - first**self._steps)
        settings = np.array([first, second, size, SMALLEST], np.float32)
        descend(self._values, self._gradient.numpy(), self._mean, self._square, settings)


@compiled
def descend(values: Floats, gradient: Floats, mean: Floats, square: Floats, settings: Floats) -> None:
    """Move `values` in place; `settings` are both betas, the step's size and what keeps it finite."""
    first, second, size, smallest = settings
    one = np.float32(1.0)
    for i in range(values.shape[0]):
        slope = gradient[i]
        gradient[i] = np.float32(0.0)
        mean[i] = first * mean[i] + (one - first) * slope
        square[i] = second * square[i] + (one - second) * slope * slope
        values[i] -= size * mean[i] / (np.sqrt(square[i]) + smallest)


def one_cycle(share: float, peak: float) -> float:
    """Learning rate after that share of training: up to the peak over a seventh of it, then down to nearly 0, by cosines."""
    if share < 0.15:
        return peak * (0.04 + 0.48 * (1.0 - math.cos(math.pi * share / 0.15)))
    return peak * (1e-4 + 0.5 * (1.0 + math.cos(math.pi * (share - 0.15) / 0.85)))
