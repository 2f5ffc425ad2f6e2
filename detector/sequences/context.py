"""Each entity's recent past at several time scales, updated record by record.

z [N, C] → context rows [N, D]: z itself, averages over a quarter and one window, the logarithm of the short-term variance
of steps over its usual size; the window's shape in segments, where it is looked at; the chart of
each channel against what the others predict; the recent number of moved constants, of missing values, and of moved
constants over four windows; how many channels are moving; log(longest current run / longest run in training) of stuck
or missing values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.array_prefixes import below, prefixed
from latentwatch.detector.entities import rows_by_entity
from latentwatch.detector.interface import ContextEncoder, Contexts
from latentwatch.detector.sequences.channels import DISCRETE_VALUES, Channels, channel_names, soft_clip
from latentwatch.detector.sequences.charts import BLOCKS_KEPT, Charts, Readings
from latentwatch.detector.sequences.followed_levels import Levels, fit_levels
from latentwatch.detector.sequences.layout import STANDSTILL, Layout
from latentwatch.detector.sequences.newcomer_levels import acquaint
from latentwatch.detector.sequences.recursion import HEADER, RING, STEPS, advance
from latentwatch.domain.record import Batch

PATCHES = 8
"""Segments that a window's shape is told in, where it is."""
_STEP_SPAN = 16
_TRAIL_SPAN = 16
"""Span of the counts of moved constants and of missing values."""


@dataclass(frozen=True, slots=True)
class SequenceContext:
    """The context encoder of one detector. Immutable and thread-safe; the states are the caller's."""

    channels: Channels
    window: int
    """W, in records."""
    gap_milliseconds: int
    """After a silence longer than this the past says nothing any more: the entity starts again."""
    patches: int
    """PATCHES, or 0 where the window's shape is not looked at."""
    step_start: NDArray[np.float32]
    """[C] mean variance of steps in training: where an entity's own begins."""
    charts: Charts
    levels: Levels

    @property
    def spans(self) -> tuple[int, int, int]:
        """Spans of the averages, in records."""
        return max(2, self.window // 4), self.window, 4 * self.window

    @property
    def state_size(self) -> int:
        """S: header, averages, step variance and last value per channel; with patches a ring of the last W values; what
        charts keep; the levels that are followed; last, what was learned of the level of an entity that was not in
        training."""
        return self._levels_at + self.channels.count + self._acquaintance

    @property
    def _levels_at(self) -> int:
        """Where in a state the levels begin that are followed."""
        return self._charts_at + BLOCKS_KEPT * self.channels.count

    @property
    def _charts_at(self) -> int:
        """Where in a state that begins what charts keep."""
        return HEADER + (RING + self.ring) * self.channels.count

    @property
    def _acquaintance(self) -> int:
        """Floats at the end of a state that `acquaint` keeps: a count of records and a level per channel."""
        return 1 + self.channels.count

    @property
    def ring(self) -> int:
        """Values per channel kept for the window's shape: whole segments, at least one value each."""
        return self.patches * max(1, self.window // PATCHES)

    @property
    def width(self) -> int:
        """D."""
        return self.layout.width

    @property
    def layout(self) -> Layout:
        """Where in its context rows everything stands."""
        return Layout(self.channels.count, self.patches)

    @property
    def warm_after(self) -> int:
        """Records until the middle average has filled."""
        return self.window

    def fresh(self, entities: Sequence[str]) -> NDArray[np.float32]:
        """[len(entities), S] zeros: the averages start from the training mean, which is 0 after scaling."""
        return np.zeros((len(entities), self.state_size), np.float32)

    def extend(self, states: NDArray[np.float32], owners: NDArray[np.intp], batch: Batch) -> Contexts:
        """Advance `states` in place, in row order, and return the context of each row."""
        scaled, moved = self.channels.scaled(batch)
        shown = z = soft_clip(scaled)
        strangers = np.flatnonzero(self.channels.strangers(batch.entities))
        if len(strangers):
            known = states[:, -self._acquaintance :]
            scaled[strangers] = acquaint(known, owners[strangers], scaled[strangers], self.channels.between)
        if self.levels.followed:
            scaled = self.levels.read(states, self._levels_at, owners, scaled)
        if len(strangers) or self.levels.followed:
            z = soft_clip(scaled)
        features = np.empty((len(batch), self.width), np.float32)
        seen = np.empty(len(batch), np.int64)
        rates = np.array([2 / (span + 1) for span in (*self.spans, _STEP_SPAN, _TRAIL_SPAN)], np.float32)
        moving = (self.channels.scale > 0).astype(np.float32)
        advance(
            states,
            np.ascontiguousarray(owners, np.int64),
            z,
            moved,
            batch.times // 1000,
            self.gap_milliseconds,
            rates,
            self.step_start,
            moving / max(1.0, float(moving.sum())),
            self.ring,
            self.patches,
            features,
            seen,
        )
        recent = np.ascontiguousarray(
            features[:, : self.channels.count]
        )  # alike for one record and many: one compiled loop
        self.tell_charts(states, Readings(shown, recent, np.ascontiguousarray(owners, np.int64), seen), features)
        self.layout.charts(features)[strangers] = 0.0  # how its sensors stand to each other is not known
        return Contexts(features, seen)

    def tell_charts(self, states: NDArray[np.float32], readings: Readings, features: NDArray[np.float32]) -> None:
        """Write charts and standstill of records [N] into their context rows [N, D]; `states` advance in place."""
        charts = self.layout.charts(features)
        charts[:], *lengths = self.charts.extend(states, self._charts_at, readings)
        self.layout.tail(features, STANDSTILL)[:] = self.charts.standstill(*lengths)

    def adopt(self, states: NDArray[np.float32], previous: ContextEncoder) -> NDArray[np.float32] | None:
        """Continue another sequence context's states: z -> a z + b per channel, by the two scalings.

        Where levels are followed now, what they were and b become the level, else they go back into the values.
        None where channels, window or patches differ. The map treats the soft clip as linear and entity offsets as the
        population's, so that beyond the clip it is an approximation that fades with the averages' spans.
        """
        if not isinstance(previous, SequenceContext) or previous.window != self.window:
            return None
        if previous.patches != self.patches or previous.ring != self.ring:
            return None
        old, new = previous.channels, self.channels
        if old.words != new.words or old.schema.fingerprint() != new.schema.fingerprint():
            return None
        usable = (new.scale > 0) & (old.scale > 0)
        divisor = np.where(new.scale > 0, new.scale, 1.0)
        ratio = np.where(usable, old.scale / divisor, 0.0).astype(np.float32)
        shift = np.where(usable, (old.centre[0] - new.centre[0]) / divisor, 0.0).astype(np.float32)
        count = new.count
        adopted = states.copy()
        kept = adopted[:, HEADER : -self._acquaintance]
        body = kept.reshape(len(states), kept.shape[1] // count, count)  # a scorer may hold no entity yet
        shown = RING + self.ring + 1
        linear = [*range(STEPS), *range(STEPS + 1, RING + self.ring), shown]
        seen = (states[:, 0] > 0).astype(np.float32)[:, None]
        level = (body[:, -1] * ratio + shift) * seen  # what the values stand on, seen from the new level of training
        body[:, -1] = level * (self.levels.rates > 0)
        stays = ((level - body[:, -1]) / self.levels.spreads)[:, None]
        showing = (body[:, shown] * ratio + shift) * seen
        ratio = ratio * previous.levels.spreads / self.levels.spreads
        body[:, linear] = body[:, linear] * ratio + stays
        body[:, shown] = showing
        body[:, STEPS] *= ratio**2  # a variance
        adopted[:, -count:] = (adopted[:, -count:] * ratio + shift) * (adopted[:, -count - 1] > 0)[:, None]
        return adopted

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle stores as weights."""
        return {
            "step_start": self.step_start,
            **prefixed("levels.", self.levels.arrays()),
            **prefixed("charts.", self.charts.arrays()),
            **self.channels.arrays(),
        }

    def meta(self) -> dict[str, Any]:
        """What a bundle stores as JSON."""
        return {
            "window": self.window,
            "gap_milliseconds": self.gap_milliseconds,
            "patches": self.patches,
            **self.channels.meta(),
        }

    @classmethod
    def from_bundle(cls, channels: Channels, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> Self:
        """The inverse of `arrays` and `meta`."""
        if arrays["step_start"].shape != (channels.count,) or int(meta["window"]) < 2:
            raise ValueError("the context does not fit its channels")
        patches = int(meta["patches"])
        if patches not in (0, PATCHES):
            raise ValueError("a window's shape is told in another number of segments")
        return cls(
            channels=channels,
            window=int(meta["window"]),
            gap_milliseconds=int(meta["gap_milliseconds"]),
            patches=patches,
            step_start=arrays["step_start"],
            charts=Charts.from_bundle(below(arrays, "charts."), channels.count),
            levels=Levels.from_bundle(below(arrays, "levels."), channels.count),
        )


def fit_context(
    channels: Channels, batch: Batch, window: int, patches: int = 0, *, follows: bool = False
) -> SequenceContext:
    """Learn the pace of records and of steps from training records; charts are not kept yet. `follows` says whether the levels
    of graded numbers are followed."""
    scaled, _ = channels.scaled(batch)
    entities, owners = np.unique(batch.entities.astype(str), return_inverse=True)
    graded = np.array([len(np.unique(column[np.isfinite(column)])) for column in scaled.T]) > DISCRETE_VALUES
    levels = fit_levels(scaled, owners, graded & _plain(channels)) if follows else Levels.fixed(channels.count)
    z = soft_clip(levels.read(np.zeros((len(entities), channels.count), np.float32), 0, owners, scaled))
    squares, intervals = [], []
    for mine in rows_by_entity(owners):
        squares.append(np.diff(z[mine], axis=0).astype(np.float64) ** 2)
        intervals.append(np.diff(batch.times[mine]) // 1000)
    steps = np.concatenate(squares)
    seen = np.isfinite(steps)
    start = np.where(seen, steps, 0).sum(0) / np.maximum(seen.sum(0), 1)
    paces = np.concatenate(intervals)
    paces = paces[paces > 0]
    pace, longest = np.quantile(paces, (0.5, 0.999)) if len(paces) else (1000.0, 1000.0)
    return SequenceContext(
        channels=channels,
        window=window,
        gap_milliseconds=round(max(2 * window * pace, 2 * longest)),
        patches=patches,
        step_start=start.astype(np.float32),
        charts=Charts.none(channels.count),
        levels=levels,
    )


def _plain(channels: Channels) -> NDArray[np.bool_]:
    """[C] whether a channel is a number that moves, and neither an hour of the day nor a word."""
    numbers = channels.schema.numbers
    names = channel_names(channels.schema, channels.words)
    return np.array([name in numbers and part == "" for name, part in names], bool) & (channels.scale > 0)


def encode(context: SequenceContext, batch: Batch) -> Contexts:
    """Contexts of a whole batch whose entities all start fresh."""
    entities, owners = np.unique(batch.entities.astype(str), return_inverse=True)
    return context.extend(context.fresh(entities.tolist()), owners.astype(np.intp), batch)


def readings_of(context: SequenceContext, batch: Batch, contexts: Contexts) -> Readings:
    """What charts are learned from: a whole batch whose entities all started fresh, none of them a stranger."""
    owners = np.unique(batch.entities.astype(str), return_inverse=True)[1]
    z, _ = context.channels.transform(batch)
    return Readings(z, contexts.features[:, : z.shape[1]], owners.astype(np.int64), contexts.seen)
