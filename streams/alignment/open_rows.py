"""The rows in the making of one partition: messages in, one by one, and at most one row out with each.

So every message is accounted for once, by the row that it releases or as one that only filled one, and a row has the position of
the message that released it. What comes out depends on the messages and their order alone, not on how they are cut into batches.
"""

from collections.abc import Mapping
from itertools import repeat
from operator import itemgetter
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from latentwatch.streams.alignment.readings import Value

MOST_ENTITIES = 200_000
"""Entities remembered in one partition; beyond it the longest silent eighth is forgotten, open rows too."""
_FORGOTTEN_SHARE = 8
NEVER = -(2**63)
"""Before every time."""
_VALUE = itemgetter(1)
STEP_TICKS = 2
"""A step of the event time by more ticks than this proves nothing: a clock that was set, or a sender that was away."""


Told = tuple[int, Value]
"""A value and its time, microseconds since 1970 UTC."""


class AlignedRow(NamedTuple):
    """What is known of an entity and tick."""

    entity: str
    time: int
    """The tick's beginning, microseconds since 1970 UTC."""
    values: dict[str, Value]
    """By the feature's name; a feature without a value is not in it."""


class Entity(msgspec.Struct, gc=False):
    """An entity's row in the making, and the last value of each feature: at most as many as there are features."""

    tick: int
    shift: int
    """What makes its times comparable with others': a clock that is an hour ahead is so all the time."""
    heard: int
    """The partition's progress when it spoke last, microseconds."""
    begins: int
    """Rows of ticks that are over by then are not made unless they are whole: what is missing in them may only not have come
    yet since reading began. The least number once every feature has had a value."""
    filled: int = 0
    """Features that have a value of this tick."""
    closed: bool = False
    """Whether this tick's row is out already."""
    latest: dict[str, Told] = msgspec.field(default_factory=dict)
    """Each feature's last value."""


class OpenRows(msgspec.Struct, gc=False):
    """One partition's rows. `every` and `age` are in microseconds; an age of 0 takes no earlier value over."""

    every: int
    age: int
    width: int
    """How many features a whole row has."""
    entities: dict[str, Entity] = msgspec.field(default_factory=dict)
    now: int | None = None
    """How far the partition's event time has come, by those of its entities whose clocks run evenly."""
    look_at: int = 0
    """When to look next for rows that no value will come for any more."""
    overdue: list[str] = msgspec.field(default_factory=list)
    """Entities whose row is over because others have gone on without them, in the order of their release."""

    def take(self, entity: str, time: int, values: Mapping[str, Value]) -> AlignedRow | None:
        """The row that a message releases: its entity's that it completes, its entity's whose tick it shows to be over, or else one
        that is overdue. Without values the message tells the time alone."""
        tick = time // self.every
        row = self.entities.get(entity)
        if row is None:
            row = self._admit(entity, time, tick)
        now = self._progress(time, row)
        released = self.begin_tick(entity, row, tick) if tick > row.tick else None
        row.heard = now
        if values and tick == row.tick and not row.closed:
            self.fill(row, dict(zip(values, zip(repeat(time), values.values(), strict=False), strict=True)))
            if row.filled >= self.width and released is None:
                return self._close(entity, row)
        if released is None and self.overdue:
            return self._next_overdue()
        return released

    def begin_tick(self, entity: str, row: Entity, tick: int) -> AlignedRow | None:
        """Go on to a later tick of an entity; the row of the one before, where that is still to be made."""
        released = self.row_of(entity, row) if self.is_open(row) else None
        row.tick, row.filled, row.closed = tick, 0, False
        if not self.age:
            row.latest.clear()
        return released

    def fill(self, row: Entity, values: Mapping[str, Told]) -> None:
        """Take down values of the entity's tick."""
        latest = row.latest
        if row.filled and self.age:
            start = row.tick * self.every
            row.filled += sum(name not in latest or latest[name][0] < start for name in values)
            latest.update(values)
        else:  # what is there is of this tick, or nothing is
            latest.update(values)
            row.filled = len(values if self.age else latest)
        if len(latest) >= self.width:
            row.begins = NEVER

    def go_on(self, progress: NDArray[np.int64]) -> None:
        """How far the partition has come with each of some messages, of which none shows an entity's row to be over."""
        self.now = int(progress[-1])
        while self.now >= self.look_at:
            self.look_at = int(progress[np.searchsorted(progress, self.look_at)]) + self.every

    def rest(self) -> list[AlignedRow]:
        """All rows that are open, where nothing more will come."""
        rows = [self.row_of(name, row) for name, row in self.entities.items() if self.is_open(row)]
        self.entities.clear()
        self.overdue.clear()
        return rows

    def adopt(self, kinds: Mapping[str, type], every: int, age: int) -> None:
        """Go on with the features of another model, by name what their values are: float or str. Values stay of those that both
        have. Ticks of another length begin anew."""
        if every != self.every:
            self.entities.clear()
            self.overdue.clear()
        self.every, self.age, self.width = every, age, len(kinds)
        for row in self.entities.values():
            start = row.tick * every
            row.latest = {
                name: each
                for name, each in row.latest.items()
                if isinstance(each[1], kinds.get(name, ())) and (age or each[0] >= start)
            }
            row.filled = sum(time >= start for time, _ in row.latest.values())

    def _admit(self, entity: str, time: int, tick: int) -> Entity:
        if self.now is None:
            self.now, self.look_at = time, time + self.every
        if len(self.entities) >= MOST_ENTITIES:
            silent = sorted(self.entities, key=lambda name: (self.entities[name].heard, name))
            for name in silent[: MOST_ENTITIES // _FORGOTTEN_SHARE]:
                del self.entities[name]
        row = self.entities[entity] = Entity(tick, self.now - time, self.now, time + max(self.every, self.age))
        return row

    def is_open(self, row: Entity) -> bool:
        """Whether there is a row to be made, whole or not."""
        return bool(row.filled) and not row.closed and (row.tick + 1) * self.every > row.begins

    def _progress(self, time: int, row: Entity) -> int:
        """How far the partition has come with a message."""
        assert self.now is not None  # there is an entity
        step = time + row.shift - self.now
        if step > 0:
            if step > STEP_TICKS * self.every:
                row.shift -= step
            else:
                self.now += step
                if self.now >= self.look_at:
                    self._look()
        return self.now

    def _look(self) -> None:
        """Note the rows of entities that others have gone on without, for so long that no value will come for them."""
        assert self.now is not None
        self.look_at = self.now + self.every
        waiting = set(self.overdue)
        found = [
            (row.heard, name)
            for name, row in self.entities.items()
            if self.is_open(row) and name not in waiting and self._is_over(row)
        ]
        self.overdue += [name for _, name in sorted(found)]

    def _is_over(self, row: Entity) -> bool:
        assert self.now is not None
        return self.now - row.heard > self.patience

    @property
    def patience(self) -> int:
        """How far others may go on without an entity before its row is over, microseconds."""
        return self.every + max(STEP_TICKS * self.every, self.age)

    def _next_overdue(self) -> AlignedRow | None:
        while self.overdue:
            name = self.overdue.pop(0)
            row = self.entities.get(name)
            if row is not None and self.is_open(row) and self._is_over(row):
                return self._close(name, row)
        return None

    def _close(self, entity: str, row: Entity) -> AlignedRow:
        """An entity's row, which takes no more values."""
        made = self.row_of(entity, row)
        row.closed = True
        if not self.age:
            row.latest.clear()
            row.filled = 0
        return made

    def row_of(self, entity: str, row: Entity) -> AlignedRow:
        """What an entity's row comes to."""
        start = row.tick * self.every
        if not self.age:
            return AlignedRow(entity, start, dict(zip(row.latest, map(_VALUE, row.latest.values()), strict=True)))
        oldest = min(start, start + self.every - self.age)
        return AlignedRow(entity, start, {name: value for name, (time, value) in row.latest.items() if time >= oldest})
