"""Adam (Kingma & Ba 2015) in a dozen lines.

torch's own optimisers import its compiler when they are made, which takes longer than a whole training here.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

SMALLEST = 1e-8


class Adam:
    """Moves parameters against their gradients, each by its own step.

    The parameters are laid end to end in one tensor, so that a step is a few operations however many there are.
    """

    def __init__(self, parameters: Sequence[Tensor], betas: tuple[float, float]) -> None:
        self._parameters, self._betas, self._steps = parameters, betas, 0
        self._values = torch.cat([parameter.detach().ravel() for parameter in parameters])
        parts = self._values.split([parameter.numel() for parameter in parameters])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.data = part.view(parameter.shape)
        self._mean, self._square = torch.zeros_like(self._values), torch.zeros_like(self._values)

    def step(self, learning_rate: float) -> None:
        """One step along the gradients that stand in the parameters, which are then cleared."""
        self._steps += 1
        first, second = self._betas
        size = learning_rate * math.sqrt(1.0 - second**self._steps) / (1.0 - first**self._steps)
        found = [parameter.grad for parameter in self._parameters]
        gradient = torch.cat(
            [
                torch.zeros_like(parameter).ravel() if each is None else each.ravel()
                for parameter, each in zip(self._parameters, found, strict=True)
            ]
        )
        with torch.no_grad():
            self._mean.lerp_(gradient, 1.0 - first)
            self._square.mul_(second).addcmul_(gradient, gradient, value=1.0 - second)
            self._values.addcdiv_(self._mean, self._square.sqrt().add_(SMALLEST), value=-size)
        for parameter in self._parameters:
            parameter.grad = None


def one_cycle(share: float, peak: float) -> float:
    """Learning rate after that share of training: up to the peak over a seventh of it, then down to nearly 0, by cosines."""
    if share < 0.15:
        return peak * (0.04 + 0.48 * (1.0 - math.cos(math.pi * share / 0.15)))
    return peak * (1e-4 + 0.5 * (1.0 + math.cos(math.pi * (share - 0.15) / 0.85)))
