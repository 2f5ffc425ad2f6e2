"""What a scorer counts of its own run."""

from dataclasses import dataclass

from latentwatch.domain.outcome import Outcome


@dataclass(slots=True)
class Totals:
    """What a run has done so far."""

    records: int = 0
    flagged: int = 0
    dead_letters: int = 0
    passed: int = 0
    """Messages that the monitor's `where` passes over."""
    aligned: int = 0
    """Messages in long form that released no row: scored, dead, passed over or aligned is what became of every message."""
    unread: int = 0
    """Values that were left out of records that were scored."""
    batches: int = 0
    swaps: int = 0

    @property
    def messages(self) -> int:
        """Whose outcome is known."""
        return self.records + self.dead_letters + self.passed + self.aligned

    def note(self, outcome: Outcome) -> None:
        """Count what was committed."""
        self.records += sum(count.scored for count in outcome.counts)
        self.flagged += len(outcome.flagged)
        self.dead_letters += len(outcome.dead_letters)
        self.passed += outcome.passed
        self.aligned += outcome.aligned
        self.unread += len(outcome.unread)
        self.batches += 1
