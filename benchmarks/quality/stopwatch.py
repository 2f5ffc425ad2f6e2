"""Elapsed time of a block."""

import time
from types import TracebackType
from typing import Self


class Stopwatch:
    """`with Stopwatch() as watch: ...` then `watch.seconds`, monotonic."""

    seconds: float = 0.0

    def __enter__(self) -> Self:
        self._start = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.perf_counter() - self._start
