"""Processor time of a block."""

import time
from types import TracebackType
from typing import Self


class Stopwatch:
    """`with Stopwatch() as watch: ...` then `watch.seconds`: processor time of this process.

    Every method runs on one thread, so this is what a quiet machine's clock would show, on a busy machine too.
    """

    seconds: float = 0.0

    def __enter__(self) -> Self:
        self._start = time.process_time()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.process_time() - self._start
