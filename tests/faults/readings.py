"""Values in long form with sequence numbers, some doubled, late or broken, the monitor that aligns them, and what rows they make.

The rows are found here from the messages alone, by other code than the product's: for each rig the values sorted into ticks.
"""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from latentwatch.domain.monitor import Monitor, parse_monitor
from latentwatch.domain.record import RawMessage
from latentwatch.streams.testing import FakeDetector
from tests.faults.workload import PARTITIONS, RIGS

FEATURES = ("load", "temp", "flow")
START, EVERY = 1_700_000_000, 10
MONITOR = """
name: faults
source: {kafka: {topic: %s, group: group-%s}}
record:
  time: at
  entity: rig
  long: {name: of, value: is}
  every: %ss
  features: {load: numeric, temp: numeric, flow: numeric}
alert: {group_gap: 1h, after_step: keep}
"""


def monitor(topic: str) -> Monitor:
    """The monitor of a topic."""
    return parse_monitor(MONITOR % (topic, topic, EVERY))


def detector(bundle: str) -> FakeDetector:
    """The detector of a bundle named `gain-<number>`; it flags every row, so that every one leaves a trace."""
    return FakeDetector(monitor("any").record, bundle, gain=float(bundle.removeprefix("gain-")), threshold=-1.0)


def message(number: int) -> tuple[int, bytes | None]:
    """The message of a sequence number and its partition: of each rig and tick three values, or two and one that comes again, or
    one that comes a tick late."""
    turn, rig = divmod(number, RIGS)
    tick, place = divmod(turn, 3)
    partition = rig % PARTITIONS
    if number % 97 == 5:
        return partition, [b"{", b"[]", b'{"at": "soon"}', None][number // 97 % 4]
    of = FEATURES[0 if number % 31 == 7 else place]
    at = START + EVERY * tick + place - (EVERY if number % 43 == 11 else 0)
    found: Any = "broken" if number % 89 == 17 else number % 29 / 10
    return partition, json.dumps({"at": at, "rig": f"rig-{rig}", "of": of, "is": found}).encode()


class Made(NamedTuple):
    """A row: entity, the tick's beginning in seconds, and its values."""

    entity: str
    time: int
    values: dict[str, float | None]


def rows(messages: Iterable[RawMessage]) -> tuple[dict[tuple[int, int], Made], set[tuple[int, int]]]:
    """Rows by the place of the message that makes them, and the places of what is dead, in a run that nothing interrupts."""
    open_rows: dict[str, dict[str, Any]] = {}
    made: dict[tuple[int, int], Made] = {}
    dead: set[tuple[int, int]] = set()
    for each in sorted(messages):
        place = each.partition, each.offset
        try:
            found = json.loads(each.value or b"")
            at, rig, of = int(found["at"]), found["rig"], found["of"]
        except (ValueError, TypeError, KeyError):
            dead.add(place)
            continue
        tick = at // EVERY * EVERY
        row = open_rows.setdefault(rig, {"tick": tick, "values": {}, "out": False, "begins": at})
        if tick > row["tick"]:
            if row["values"] and not row["out"] and row["tick"] > row["begins"]:
                made[place] = Made(rig, row["tick"], {name: row["values"].get(name) for name in FEATURES})
            row.update(tick=tick, values={}, out=False)
        if tick == row["tick"] and not row["out"] and found["is"] != "broken":
            row["values"][of] = float(found["is"])
            if len(row["values"]) == len(FEATURES):
                row["out"], row["begins"] = True, 0
                made[place] = Made(rig, tick, dict(row["values"]))
    return made, dead
