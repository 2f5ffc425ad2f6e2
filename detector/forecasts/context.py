"""The context of a detector with forecasts: that of its components, and beside it all that learns while it serves.

What is strange lately depends on the surprises before, so that records are judged where their states are: a context row
holds the judgement, and what the components say is computed once.

D of the components' context | surprises by name | expected C | strength C | surprise
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self, cast

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.forecasts.forecaster import Forecaster
from latentwatch.detector.forecasts.fusion import HISTOGRAMS, Fusion
from latentwatch.detector.interface import ContextEncoder, Contexts
from latentwatch.detector.lately import BINS
from latentwatch.detector.sequences.detector import SequenceDetector
from latentwatch.domain.record import Batch

Floats = NDArray[np.float32]

_HISTOGRAMS = HISTOGRAMS * BINS


@dataclass(frozen=True, slots=True)
class ForecastContext:
    """The context encoder of one detector with forecasts. Immutable and thread-safe; the states are the caller's."""

    components: SequenceDetector
    forecaster: Forecaster
    fusion: Fusion
    entities: tuple[str, ...]
    """Those whose states are known from training."""
    starts: Floats
    """[1 + entities, forecasts and histograms] states: a stranger's, then theirs as training left them."""

    @property
    def state_size(self) -> int:
        """S: the components' context, the forecasts' state, the histograms of what is lately."""
        return self.components.context.state_size + self.forecaster.state_size + _HISTOGRAMS

    @property
    def width(self) -> int:
        """D."""
        return self.components.context.width + len(self.components.parts) + 2 * len(self.forecaster.channels) + 2

    @property
    def warm_after(self) -> int:
        """Records until the components' context has filled."""
        return self.components.context.warm_after

    def fresh(self, entities: Sequence[str]) -> Floats:
        """[len(entities), S] states: forecasts go on from training, the components' context begins anew."""
        known = {name: row for row, name in enumerate(self.entities, 1)}
        rows = np.array([known.get(name, 0) for name in entities], np.intp)
        return np.concatenate([self.components.context.fresh(entities), self.starts[rows]], axis=1)

    def extend(self, states: Floats, owners: NDArray[np.intp], batch: Batch) -> Contexts:
        """Advance `states` in place, in row order, and return the context of each row.

        Forecasts and their states do not depend on how records are cut into batches; what the components say does so by the
        last bits of a matrix product, which the histograms pass on as they are and do not enlarge.
        """
        inner = self.components.context
        at = inner.state_size
        touched, local = np.unique(owners, return_inverse=True)
        own = states[touched, :at]
        contexts = inner.extend(own, local.astype(np.intp), batch)
        read = self.components.read(contexts)
        forecasts = self.forecaster.read(states, at, owners, inner.channels.scaled(batch)[0], batch.times)
        composite = self.components.calibration.composite.surprise(read["fused"])
        histograms = states[touched, -_HISTOGRAMS:].reshape(len(touched), HISTOGRAMS, BINS)
        fused = self.fusion.judge(histograms, local.astype(np.intp), forecasts, composite)
        states[touched, :at] = own
        states[touched, -_HISTOGRAMS:] = histograms.reshape(len(touched), _HISTOGRAMS)
        told = [read[name] for name in self.components.parts]
        features = np.column_stack(
            [contexts.features, *told, forecasts.expected, fused.strength, fused.forecast, fused.surprise]
        )
        return Contexts(np.asarray(features, np.float32), contexts.seen)

    def carried_on(self, later: Batch) -> Self:
        """The same, begun where the entities that training knows are after records that follow, as if those had been served."""
        places = {name: row for row, name in enumerate(self.entities)}
        owners = np.array([places.get(name, -1) for name in later.entities.astype(str).tolist()], np.intp)
        states = self.fresh(self.entities)
        self.extend(states, owners[owners >= 0], later.take(owners >= 0))
        learned = states[:, self.components.context.state_size :]
        return replace(self, starts=np.concatenate([self.starts[:1], learned]))

    def adopt(self, states: Floats, previous: ContextEncoder) -> Floats | None:
        """Continue the states of another such context; what is lately begins anew, since another model's surprises
        are others. Of a context without forecasts the components go on. None where the components cannot."""
        inner = self.components.context
        if not isinstance(previous, ForecastContext):
            adopted = inner.adopt(states, previous)
            if adopted is None:
                return None
            return np.concatenate([adopted, np.repeat(self.starts[:1], len(states), axis=0)], axis=1)
        before = previous.components.context
        at, forecaster = before.state_size, self.forecaster
        adopted = inner.adopt(np.ascontiguousarray(states[:, :at]), cast(ContextEncoder, before))
        if adopted is None or not forecaster.continues(previous.forecaster):
            return None
        chosen, old, new = forecaster.channels, before.channels, inner.channels
        theirs = previous.forecaster
        unit = new.scale[chosen] * forecaster.scale
        ratio = old.scale[chosen] * theirs.scale / unit
        apart = old.centre[0, chosen] + theirs.centre * old.scale[chosen] - new.centre[0, chosen]
        shift = (apart - forecaster.centre * new.scale[chosen]) / unit
        kept = forecaster.adopt(states[:, at : at + theirs.state_size], ratio, shift)
        return np.concatenate([adopted, kept, np.zeros((len(states), _HISTOGRAMS), np.float32)], axis=1)
