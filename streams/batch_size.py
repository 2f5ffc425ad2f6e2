"""How many records the next batch may hold: more under backlog, fewer when caught up or when scoring is slow."""

LARGEST = 16_384
"""Records in one batch."""


class BatchSize:
    """Doubles after full batches and halves after near-empty or slow ones.

    Large batches spread the cost of a commit; small ones bring a decision sooner.
    """

    def __init__(self, smallest: int = 256, largest: int = LARGEST, longest_seconds: float = 0.5) -> None:
        self._smallest = smallest
        self._largest = largest
        self._longest_seconds = longest_seconds
        self.records = smallest

    def note(self, records: int, seconds: float) -> None:
        """Learn from the last batch."""
        if seconds > self._longest_seconds or records < self.records // 4:
            self.records = max(self._smallest, self.records // 2)
        elif records >= self.records:
            self.records = min(self._largest, self.records * 2)
