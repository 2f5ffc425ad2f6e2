"""The rows in the making of one partition: values in, one by one, and at most one row out with each.

So every message is accounted for once, by the row that it releases or as one that only filled one, and a row has the position of
the message that released it. What comes out depends on the messages and their order alone, not on how they are cut into batches.
"""

from typing import NamedTuple

import msgspec

from latentwatch.streams.alignment.readings import Value

MOST_ENTITIES = 200_000
"""Entities remembered in one partition; beyond it the longest silent eighth is forgotten, open rows too."""
_FORGOTTEN_SHARE = 8
_NEVER = -(2**63)
_STEP_TICKS = 2
"""A step of the event time by more ticks than this proves nothing: a clock that was set, or a sender that was away."""


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
    latest: dict[str, tuple[int, Value]] = msgspec.field(default_factory=dict)
    """Time, microseconds since 1970 UTC, and value of each feature's last one."""


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

    def take(self, entity: str, time: int, name: str | None, value: Value | None) -> AlignedRow | None:
        """The row that a value releases: its entity's that it completes, its entity's whose tick it shows to be over, or else one
        that is overdue. Without a name or a value the message tells the time alone."""
        tick = time // self.every
        row = self.entities.get(entity)
        if row is None:
            row = self._admit(entity, time, tick)
        now = self._progress(time, row)
        released = None
        if tick > row.tick:
            if self._is_open(row):
                released = self._row(entity, row)
            row.tick, row.filled, row.closed = tick, 0, False
            if not self.age:
                row.latest.clear()
        row.heard = now
        if name is not None and value is not None and tick == row.tick and not row.closed:
            before = row.latest.get(name)
            row.latest[name] = (time, value)
            if before is None or before[0] < tick * self.every:
                row.filled += 1
                if len(row.latest) >= self.width:
                    row.begins = _NEVER
            if row.filled >= self.width and released is None:
                row.closed = True
                return self._row(entity, row)
        if released is None and self.overdue:
            return self._next_overdue()
        return released

    def rest(self) -> list[AlignedRow]:
        """All rows that are open, where nothing more will come."""
        rows = [self._row(name, row) for name, row in self.entities.items() if self._is_open(row)]
        self.entities.clear()
        self.overdue.clear()
        return rows

    def adopt(self, names: frozenset[str], every: int, age: int) -> None:
        """Go on with the features of another model: values stay of those that both have. Ticks of another length begin anew."""
        if every != self.every:
            self.entities.clear()
            self.overdue.clear()
        self.every, self.age, self.width = every, age, len(names)
        for row in self.entities.values():
            row.latest = {name: each for name, each in row.latest.items() if name in names}
            row.filled = sum(time >= row.tick * every for time, _ in row.latest.values())

    def _admit(self, entity: str, time: int, tick: int) -> Entity:
        if self.now is None:
            self.now, self.look_at = time, time + self.every
        if len(self.entities) >= MOST_ENTITIES:
            silent = sorted(self.entities, key=lambda name: self.entities[name].heard)
            for name in silent[: MOST_ENTITIES // _FORGOTTEN_SHARE]:
                del self.entities[name]
        row = self.entities[entity] = Entity(tick, self.now - time, self.now, time + max(self.every, self.age))
        return row

    def _is_open(self, row: Entity) -> bool:
        """Whether there is a row to be made, whole or not."""
        return bool(row.filled) and not row.closed and (row.tick + 1) * self.every > row.begins

    def _progress(self, time: int, row: Entity) -> int:
        """How far the partition has come with a message."""
        assert self.now is not None  # there is an entity
        step = time + row.shift - self.now
        if step > 0:
            if step > _STEP_TICKS * self.every:
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
            if self._is_open(row) and name not in waiting and self._is_over(row)
        ]
        self.overdue += [name for _, name in sorted(found)]

    def _is_over(self, row: Entity) -> bool:
        assert self.now is not None
        return self.now - row.heard > self.every + max(_STEP_TICKS * self.every, self.age)

    def _next_overdue(self) -> AlignedRow | None:
        while self.overdue:
            name = self.overdue.pop(0)
            row = self.entities.get(name)
            if row is not None and self._is_open(row) and self._is_over(row):
                row.closed = True
                return self._row(name, row)
        return None

    def _row(self, entity: str, row: Entity) -> AlignedRow:
        start = row.tick * self.every
        oldest = min(start, start + self.every - self.age) if self.age else start
        return AlignedRow(entity, start, {name: value for name, (time, value) in row.latest.items() if time >= oldest})
