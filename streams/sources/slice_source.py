"""A stretch of some partitions as a source that ends: what another engine has fetched, scored by the same loop.

One micro-batch's messages -> the Source port. The positions are still the database's: what it has already is read for the
context or not at all, and what it needs from before the stretch is reported, never guessed.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.clock import Clock
from latentwatch.streams.ports import Changes, Gap, Messages
from latentwatch.streams.segments import segments


class Rewound(Exception):
    """The database needs records from before the stretch; the engine must fetch from there, nothing was written."""


class SliceSource:
    """Messages of a topic that are at hand. Live: they are scored as they happen, only their fetching is another's."""

    live = True
    topic_id = None

    def __init__(
        self, messages: Messages, begins: Mapping[int, int], earliest: Mapping[int, int], *, clock: Clock
    ) -> None:
        """`begins` tells up to where each partition was fetched before, without a hole to the first message here;
        `earliest` what the topic itself began with. Where both are one, what came before is gone for good.
        """
        self.name = messages.source
        self._clock = clock
        self._messages = messages
        self._rows = {
            partition: np.flatnonzero(messages.partitions == partition)
            for partition in sorted({partition for partition, _, _ in segments(messages.partitions)})
        }
        self._begins = {
            partition: begins.get(partition, int(messages.offsets[rows[0]])) for partition, rows in self._rows.items()
        }
        self._earliest = earliest
        self._next: dict[int, int] = {}
        self._gained = tuple(self._rows)
        self._gaps: list[Gap] = []
        self._paused = False

    def open(self) -> None:
        """Nothing to connect to."""

    def poll(self, max_records: int, timeout_seconds: float) -> Messages:
        """The next messages of the sought partition that is first."""
        for partition, place in sorted(self._next.items()):
            rows = self._rows[partition][place : place + max_records]
            if len(rows) and not self._paused:
                self._next[partition] = place + len(rows)
                return self._pick(rows)
        if self._paused or not self.finished:
            self._clock.sleep(timeout_seconds)
        return self._pick(np.zeros(0, np.intp))

    def _pick(self, rows: NDArray[np.intp]) -> Messages:
        whole = self._messages
        return Messages(
            whole.source,
            whole.partitions[rows],
            whole.offsets[rows],
            whole.timestamps_ms[rows],
            [whole.values[row] for row in rows.tolist()],
        )

    def changes(self) -> Changes:
        """Every partition is gained once; gaps as seeking met them."""
        gained, self._gained = self._gained, ()
        gaps, self._gaps = tuple(self._gaps), []
        return Changes(gained=gained, gaps=gaps)

    def seek(self, partition: int, offset: int) -> None:
        """Go to an offset. Raises KeyError for a partition that is not here, Rewound where earlier ones are needed."""
        rows = self._rows[partition]
        begin = self._begins[partition]
        if offset < begin:
            if begin > self._earliest.get(partition, 0):
                raise Rewound(f"{self.name}[{partition}] is at {offset}, before the {begin} that was fetched from")
            self._next.pop(partition, None)
            self._gaps.append(Gap(partition, offset, begin))
            return
        self._next[partition] = int(np.searchsorted(self._messages.offsets[rows], offset))

    def hold(self, partition: int) -> None:
        """Stop delivering one partition until it is sought again."""
        self._next.pop(partition, None)

    def starts(self) -> dict[int, int]:
        """Where the stretch begins in each of its partitions."""
        return dict(self._begins)

    def start_offset(self, partition: int) -> int:
        """Where the stretch begins."""
        return self._begins[partition]

    def pause(self) -> None:
        """Deliver nothing for now."""
        self._paused = True

    def resume(self) -> None:
        """Deliver again."""
        self._paused = False

    def lag(self) -> dict[int, int]:
        """Unknown here: the engine that fetches knows."""
        return {}

    def acknowledge(self, positions: dict[int, int]) -> None:
        """Nobody to tell."""

    @property
    def finished(self) -> bool:
        """Whether every partition was delivered to its end."""
        return all(self._next.get(partition) == len(rows) for partition, rows in self._rows.items())

    def close(self) -> None:
        """Nothing to leave."""
