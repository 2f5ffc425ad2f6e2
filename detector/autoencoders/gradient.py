"""The gradient of the squared error of an ensemble of autoencoders, written out.

torch's autograd finds the same at several times the cost for networks this small: most of its time goes into keeping
account and asking for memory.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from latentwatch.detector.autoencoders.batches import Batch

Affine = tuple[Tensor, Tensor]
"""A weight [M, inputs, outputs] and a bias [M, 1, outputs]."""


class SquaredErrorGradient:
    """Backpropagation through affine layers, with room for what lies between them made once.

    Writes into each parameter's `grad`, which must be there. Sums over members, so that each one's gradient is its own.
    """

    def __init__(self, encoder: Sequence[Affine], decoder: Sequence[Affine], size: int) -> None:
        """For batches of `size` rows. Between layers stands max(0, x); codes and outputs are affine."""
        self._layers = [*encoder, *decoder]
        self._rectified = [at not in (len(encoder) - 1, len(self._layers) - 1) for at in range(len(self._layers))]
        members = len(encoder[0][0])
        widths = [weight.shape[2] for weight, _ in self._layers]
        self._outputs = [torch.empty(members, size, width) for width in widths]
        rooms = [torch.empty(members * size * max(widths)) for _ in range(2)]
        self._slopes = [
            rooms[at % 2][: members * size * width].view(members, size, width) for at, width in enumerate(widths)
        ]
        self._ones = torch.ones(members, 1, size)

    def fill(self, batch: Batch) -> None:
        """Write the gradient of the mean over rows of the weighted squared error."""
        with torch.no_grad():
            inputs = [batch.seen, *self._outputs[:-1]]
            for (weight, bias), values, out, rectified in zip(
                self._layers, inputs, self._outputs, self._rectified, strict=True
            ):
                torch.baddbmm(bias, values, weight, out=out)
                if rectified:
                    out.clamp_(min=0.0)
            slope = torch.sub(self._outputs[-1], batch.wanted, out=self._slopes[-1])
            slope.mul_(batch.share).mul_(2.0 / batch.seen.shape[1])
            for at in reversed(range(len(self._layers))):
                weight, bias = self._layers[at]
                slope = self._slopes[at]
                torch.bmm(inputs[at].transpose(1, 2), slope, out=weight.grad)
                torch.bmm(self._ones, slope, out=bias.grad)
                if at == 0:
                    break
                before = torch.bmm(slope, weight.transpose(1, 2), out=self._slopes[at - 1])
                if self._rectified[at - 1]:
                    torch.ops.aten.threshold_backward.grad_input(before, self._outputs[at - 1], 0.0, grad_input=before)
