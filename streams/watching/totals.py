"""What a scorer counts of its own run."""

from dataclasses import dataclass


@dataclass(slots=True)
class Totals:
    """What a run has done so far."""

    records: int = 0
    flagged: int = 0
    dead_letters: int = 0
    passed: int = 0
    """Messages that the monitor's `where` passes over: scored, dead or passed over is what became of every one."""
    batches: int = 0
    swaps: int = 0
