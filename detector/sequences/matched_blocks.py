"""Paths through a stretch of states: real steps, in another order.

states [N, S] in time -> blocks of successive rows, each begun where the states were nearly as where the last one ended -> rows

The matched-block bootstrap (Carlstein and others 1998): within a block every step is one that was made, and where two blocks meet
the states before them are alike, so that the path has the memory of the stretch and is none of its copies.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

FEWEST_RECORDS = 64
"""Of a stretch: by fewer nobody knows how they follow one another."""
DAY, WEEK = 86_400_000_000, 7 * 86_400_000_000
_WHOLE = 0.9
"""Of a day is long enough to know its course by; of two weeks that of a week."""
_CLOCK = 3_600_000_000
"""Microseconds around the time of day that a block may be of, at least."""
_SPANS = (4, 32)
"""Rows before a place whose means are what is alike where blocks meet: the present without its noise, and the recent past."""
_ALIKE = 3
"""Places that are most alike, of which chance takes one."""
_LONGEST_BLOCK, _SHORTEST_BLOCK = 120, 4
_BLOCKS = 12
"""Of a short stretch, at least so many."""

_NOISE_BLOCK = 24
_PROBES, _NEAREST = 4, 8
"""Places along a block where states are compared, and how many blocks are near enough for chance to take one."""


@dataclass(frozen=True, slots=True)
class StateTrack:
    """What an entity went through, in time."""

    states: Floats
    """[N, S]"""
    words: NDArray[np.intp]
    """[N] a number for what a block must have in common with the one before: a mode, for one."""
    times: NDArray[np.int64]
    """[N] microseconds."""

    @property
    def period(self) -> int:
        """Microseconds after which its course comes again: a day or a week; 0 where it is too short to know."""
        span = int(self.times[-1] - self.times[0])
        return WEEK if span >= 2 * WEEK * _WHOLE else DAY if span >= DAY * _WHOLE else 0

    @property
    def block(self) -> int:
        """Rows in a block, in the mean."""
        return int(np.clip(len(self.times) // _BLOCKS, _SHORTEST_BLOCK, _LONGEST_BLOCK))

    def recent(self) -> Floats:
        """[N, 2 S] the means of the rows before each, over spans; of the first rows of what there is."""
        total = np.concatenate([np.zeros((1, self.states.shape[1])), np.cumsum(self.states, axis=0, dtype=np.float64)])
        upto = np.arange(len(self.states)) + 1
        means = []
        for span in _SPANS:
            begin = np.maximum(upto - span, 0)
            means.append((total[upto] - total[begin]) / (upto - begin)[:, None])
        return np.concatenate(means, axis=1).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Path:
    """Rows of a stretch, one after the other."""

    rows: NDArray[np.intp]
    """[n]"""
    begins: NDArray[np.intp]
    """[B] where in the path a block begins, 0 first."""
    times: NDArray[np.int64]
    """[n] microseconds: the steps of the rows, from where the stretch ended."""


def draw_path(track: StateTrack, count: int, random: np.random.RandomState) -> Path:
    """`count` rows of a stretch of at least two, that go on in the time of day at which it ends."""
    times, recent = track.times, track.recent()
    steps = np.diff(times, prepend=times[:1])
    usual = int(max(1, np.median(steps[1:])))
    steps = np.maximum(steps, 1)
    clock, period = int(times[-1]) + usual, track.period
    at = _first(track, clock, random)
    rows = np.empty(count, np.intp)
    moments = np.empty(count, np.int64)
    begins: list[int] = []
    done = 0
    while done < count:
        begins.append(done)
        wanted = random.randint(track.block // 2, track.block * 3 // 2 + 1)
        length = min(wanted, len(times) - at, count - done)
        rows[done : done + length] = np.arange(at, at + length)
        took = np.cumsum(steps[at : at + length])
        took += (usual if done else 0) - took[0]  # the step into a block is none that was made
        moments[done : done + length] = clock + took
        clock = int(moments[done + length - 1])
        done += length
        at = _next(track, recent, at + length, (clock + usual, period), random)
    return Path(rows, np.array(begins, np.intp), moments)


def _first(track: StateTrack, clock: int, random: np.random.RandomState) -> int:
    """The row at the time of day; anywhere in the first half where no course is known."""
    if not track.period:
        return int(random.randint(max(1, len(track.times) // 2)))
    return int(np.argmin(_off(track.times, clock, track.period)))


def _off(times: NDArray[np.int64], clock: int, period: int) -> NDArray[np.int64]:
    """[N] microseconds by which times differ from a moment, but for whole periods."""
    ahead = (times - clock) % period
    return np.asarray(np.minimum(ahead, period - ahead))


def _next(track: StateTrack, recent: Floats, after: int, clock: tuple[int, int], random: np.random.RandomState) -> int:
    """The row with which the next block begins, in place of `after`, which would go on with the last one."""
    last = after - 1
    count, block = len(track.times), track.block
    rows = np.arange(1, max(2, count - _SHORTEST_BLOCK))
    free = np.abs(rows - after) > block // 2
    free &= track.words[rows - 1] == track.words[last]
    free &= track.words[rows] == track.words[last]
    moment, period = clock
    if period:
        window = max(_CLOCK, 2 * int(np.median(np.diff(track.times))))
        free &= _off(track.times[rows], moment, period) <= window
    if not free.any():
        return after if after < count else int(random.randint(1, max(2, count // 2)))
    rows = rows[free]
    distance = np.square(recent[rows - 1] - recent[last]).sum(axis=1)
    nearest = np.argpartition(distance, min(_ALIKE, len(rows) - 1))[:_ALIKE]
    return int(rows[random.choice(nearest)])


def bridged(values: Floats, path: Path, ramp: int) -> Floats:
    """[n, S] values [N, S] along a path, without the step where two blocks meet: what is missing to the block before is added,
    and leaves in `ramp` rows."""
    along = values[path.rows].astype(np.float64)
    span = _SPANS[0]
    weight = 0.5 * (1 + np.cos(np.pi * np.arange(ramp) / ramp))
    off = np.zeros((len(along) + ramp, values.shape[1]))
    for begin in path.begins[1:].tolist():
        at, last = int(path.rows[begin]), int(path.rows[begin - 1])
        before = values[max(0, last + 1 - span) : last + 1].mean(axis=0)
        here = values[max(0, at - span) : at].mean(axis=0) if at else values[at]
        carried = off[begin - 1].copy()
        off[begin:] = 0
        off[begin : begin + ramp] = (before + carried - here) * weight[:, None]
    return np.asarray(along + off[: len(along)], np.float32)


def beside(track: StateTrack, path: Path, random: np.random.RandomState) -> NDArray[np.intp]:
    """[n] rows elsewhere in the stretch where the states run as along the path, in blocks of at most 24 rows within which words
    stay; the path's own where there are none."""
    count = len(track.times)
    places = np.arange(count)
    changes = np.flatnonzero(track.words[1:] != track.words[:-1]) + 1
    until = np.append(changes, count)[np.searchsorted(changes, places, "right")] - places
    rows = path.rows.copy()
    turns = np.flatnonzero(np.diff(track.words[rows])) + 1
    regular = np.arange(0, len(rows), _NOISE_BLOCK)
    edges = np.unique(np.concatenate([regular, path.begins, turns, [len(rows)]]))
    for begin, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        at, length = int(rows[begin]), stop - begin
        free = (until >= length) & (np.abs(places - at) > _NOISE_BLOCK) & (track.words == track.words[at])
        if not free.any():
            continue
        open_to = np.flatnonzero(free)
        distance = np.zeros(len(open_to))
        for probe in np.unique(np.linspace(0, length - 1, _PROBES).astype(int)).tolist():
            distance += np.square(track.states[open_to + probe] - track.states[at + probe]).sum(axis=1)
        nearest = np.argpartition(distance, min(_NEAREST, len(open_to) - 1))[:_NEAREST]
        first = int(open_to[random.choice(nearest)])
        rows[begin:stop] = np.arange(first, first + length)
    return rows
