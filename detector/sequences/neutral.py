"""Context rows as they would be if some channels, now and lately, were as the others predict.

Context rows [N, D] + channels to leave out [N, C] → how far each is off [N, B, C] → context rows [N, D]
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.components.block_density import FittedBlockDensity
from latentwatch.detector.interface import Contexts
from latentwatch.detector.sequences.channels import unclip
from latentwatch.detector.sequences.context import SequenceContext
from latentwatch.detector.sequences.layout import ACTIVITY
from latentwatch.detector.sequences.recursion import RECENT
from latentwatch.domain.record import Batch

Floats: TypeAlias = NDArray[np.float32]

_LEVELS = 3
"""The blocks that tell where a channel stands, now and lately; the fourth tells how it moves."""
_PASSES = 2
"""The nearest prototype is found anew without what was off: a channel far off leads to a strange one."""


def off_by(density: FittedBlockDensity, features: Floats, left: NDArray[np.bool_]) -> Floats:
    """[N, B, C] by how much the channels left out, [N, C], are off in each of the B blocks that a density looks at; 0 for
    the others.

    With precision P and offset d from the nearest prototype, (P_gg)^-1 (Pd)_g over the columns g of all channels left out
    together: the conditional mean of a Gaussian, as `FittedBlockDensity.conditionals` has it of each channel alone.
    """
    seen, channels = density.look(features), density.layout.channels
    blocks, known = seen.shape[1] // channels, density.density
    precision = known.whitening @ known.whitening.T
    off = np.zeros((len(seen), blocks * channels), np.float32)
    widths = blocks * left.sum(axis=1)
    for width in np.unique(widths[widths > 0]).tolist():  # mostly one: masks of one channel each
        rows = np.flatnonzero(widths == width)
        columns = np.nonzero(np.tile(left[rows], blocks))[1].reshape(len(rows), width)
        inverse = _inverses(precision, columns)
        mine, step = seen[rows], np.zeros((len(rows), width), np.float32)
        there = np.arange(len(rows))[:, None], columns
        for _ in range(_PASSES):
            settled = mine.copy()
            settled[there] -= step
            nearest = known.prototypes[known.beyond(known.whiten(settled)).argmin(axis=0)]
            pull = (known.whiten(mine) - nearest) @ known.whitening.T
            step = np.einsum("nk,nkj->nj", pull[there], inverse)
        off[rows[:, None], columns] = step
    return off.reshape(len(seen), blocks, channels)


def _inverses(precision: Floats, columns: NDArray[np.intp]) -> Floats:
    """[N, K, K] the inverse of the precision among each row's columns, [N, K]; computed once for rows of equal columns."""
    places: dict[bytes, int] = {}
    of_row = [places.setdefault(row.tobytes(), len(places)) for row in columns]
    chosen = np.frombuffer(b"".join(places), columns.dtype).reshape(len(places), -1)
    among = precision[chosen[:, :, None], chosen[:, None, :]]
    return np.asarray(np.linalg.pinv(among, hermitian=True)[of_row])


def deviations(
    context: SequenceContext, density: FittedBlockDensity, batch: Batch, contexts: Contexts, names: Sequence[str]
) -> NDArray[np.float64]:
    """[N, K] how far each named number is off, in its own unit: now, or in the average over a quarter window or one,
    whichever is furthest. A channel at a time, the others taken as they are; NaN where a number is missing.
    """
    channels, count = context.channels, context.channels.count
    recent = context.layout.recent(contexts.features, _LEVELS).reshape(len(batch), _LEVELS, count)
    out = np.empty((len(batch), len(names)))
    for place, name in enumerate(names):
        channel = channels.of_number(name)
        left = np.zeros((len(batch), count), bool)
        left[:, channel] = True
        off = off_by(density, contexts.features, left)[:, :_LEVELS, channel]
        shown = recent[:, :, channel]
        apart = (unclip(shown) - unclip(shown - off)) * context.levels.spreads[channel] * channels.scale[channel]
        furthest = np.abs(apart).argmax(axis=1)
        out[:, place] = apart[np.arange(len(batch)), furthest]
        out[np.isnan(batch.numbers[:, batch.schema.numbers.index(name)]), place] = np.nan
    return out


def neutral(context: SequenceContext, density: FittedBlockDensity, features: Floats, left: NDArray[np.bool_]) -> Floats:
    """Context rows [N, D] with the channels left out, [N, C], as the others predict.

    What the density of the recent past does not look at follows: the window's shape at rest, the activity by the channel's
    own steps. The charts of the others, which had the channel among what predicts them, are no larger than on the window's
    averages as they are now.
    """
    layout, count, charts = context.layout, context.channels.count, context.charts
    off = off_by(density, features, left)
    out = np.array(features, np.float32)
    recent = layout.recent(out).reshape(len(out), RECENT, count)
    moved_before = _activity(context, recent[:, RECENT - 1])
    recent -= off
    activity = layout.tail(out, ACTIVITY)
    activity += ((_activity(context, recent[:, RECENT - 1]) - moved_before) * left).sum(axis=1)
    np.maximum(activity, 0.0, out=activity)
    layout.shape(out).reshape(len(out), layout.patches, count)[
        np.broadcast_to(left[:, None], (len(out), layout.patches, count))
    ] = 0.0
    shown = layout.charts(out)
    averaged = (recent[:, _LEVELS - 1] @ charts.weights - charts.offset) * charts.size
    shown[:] = np.where(left, 0.0, np.copysign(np.minimum(np.abs(shown), np.abs(averaged)), shown))
    return out


def _activity(context: SequenceContext, steps: Floats) -> Floats:
    """[N, C] what each channel counts in the activity, from the log of its variance of steps as context rows tell it."""
    moving = (context.channels.scale > 0).astype(np.float32)
    variance = np.maximum(np.exp(np.minimum(steps, 40.0)) - np.float32(0.02), 0.0) * (context.step_start + 1e-6)
    return np.asarray(variance / (1 + np.sqrt(variance)) ** 2 * moving / max(1.0, float(moving.sum())), np.float32)
