"""Whether what is said to calm an alarm does, with few changes, the guilty feature first."""

import time
from collections.abc import Sequence

import numpy as np

from benchmarks.explorer.alarms import Alarm
from latentwatch.detector.calming import calming
from latentwatch.detector.sequences.detector import SequenceDetector

_PAST = 240
"""Records before the first flagged one that an alert keeps."""
_FEW = 2


def measure_calming(detector: SequenceDetector, alarms: Sequence[Alarm], threshold: float) -> dict[str, float]:
    """Shares of alarms that end below the threshold, that do with at most two changes, and whose first change is guilty; and
    the milliseconds of processor that one in twenty exceeds."""
    ended, few, guilty, taken = [], [], [], []
    for alarm in alarms:
        first = max(0, alarm.begun - _PAST)
        kept = alarm.records.take(slice(first, None))
        begun = time.process_time()
        found = calming(detector, kept, alarm.begun - first, threshold)
        taken.append(1000 * (time.process_time() - begun))
        ended.append(found.calm)
        few.append(found.calm and len(found.changes) <= _FEW)
        guilty.append(bool(found.changes) and found.changes[0].feature in alarm.guilty)
    return {
        "whatif_ends_normal": float(np.mean(ended)),
        "whatif_two_or_fewer": float(np.mean(few)),
        "whatif_first_guilty": float(np.mean(guilty)),
        "whatif_p95_ms": float(np.percentile(taken, 95)),
    }
