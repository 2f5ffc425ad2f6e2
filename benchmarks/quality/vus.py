"""VUS-PR, the volume under the precision-recall surface over label buffers: the primary metric for sequences.

Paparrizos et al., "Volume Under the Surface: A New Accuracy Evaluation Measure for Time-Series Anomaly Detection",
PVLDB 15(11), 2022; the variant scored is the one of TSB-AD (Liu & Paparrizos, NeurIPS 2024). A detector that is a
few rows early or late is not punished as if it had missed: labels slope down over a buffer on each side of an
anomaly, precision and recall are taken against these soft labels, recall is multiplied by the share of anomalies
touched at all, and the area is averaged over buffers 0 to L.

The published definition walks every threshold for every buffer. Here each row is reduced to the first threshold that
flags it, so that all thresholds of one buffer are a single cumulative sum: O(rows near anomalies) per buffer.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Segments = NDArray[np.intp]

THRESHOLDS = 250
"""Number of thresholds, evenly spaced in rank, as published."""
DEFAULT_BUFFER = 125
"""Buffer where a series shows no period."""


def vus_pr(labels: NDArray[np.bool_], scores: Floats, buffer: int, thresholds: int = THRESHOLDS) -> float:
    """Volume under the PR surface of `scores` [N], higher = stranger, against `labels` [N] for buffers 0..`buffer`.

    Raises ValueError when the labels hold no anomaly, or nothing else.
    """
    truth = np.asarray(labels, bool)
    if truth.all() or not truth.any():
        raise ValueError("VUS-PR needs at least one normal and one anomalous row")
    events = segments(truth)
    first = _first_flagged(np.asarray(scores, np.float64), thresholds)
    flagged = np.cumsum(np.bincount(first, minlength=thresholds))
    return float(np.mean([_range_ap(truth, events, first, flagged, width) for width in range(buffer + 1)]))


def segments(truth: NDArray[np.bool_]) -> Segments:
    """Runs of True as rows of (first, last) [S, 2], both inclusive."""
    edges = np.diff(np.concatenate([[False], truth, [False]]).astype(np.int8))
    return np.stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1], axis=1)


def _first_flagged(scores: Floats, thresholds: int) -> NDArray[np.intp]:
    """[N] index of the first threshold, from the highest down, that each row reaches."""
    falling = np.sort(scores)[::-1]
    levels = falling[np.linspace(0, len(scores) - 1, thresholds).astype(int)]
    # levels fall; a row is flagged from the first level that is not above it
    return np.asarray(np.searchsorted(-levels, -scores, side="left"), np.intp)


def _range_ap(
    truth: NDArray[np.bool_], events: Segments, first: NDArray[np.intp], flagged: NDArray[np.intp], width: int
) -> float:
    """Average precision against labels whose edges slope over `width` rows, half on each side."""
    thresholds = len(flagged)
    rows, weights = _soft_labels(len(truth), events, width)
    soft = np.cumsum(np.bincount(first[rows], weights=weights, minlength=thresholds))
    outside = ~truth[rows]
    sloped = np.cumsum(np.bincount(first[rows][outside], weights=weights[outside], minlength=thresholds))
    positives = truth.sum()
    expected = (positives + positives + sloped) / 2  # halfway between the hard labels and those touched
    touched = np.searchsorted(np.sort(_first_touch(first, events, width)), np.arange(thresholds), side="right")
    recall = np.minimum(soft / expected, 1) * touched / len(_merged(events, width))
    precision = soft / flagged
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def _soft_labels(count: int, events: Segments, width: int) -> tuple[NDArray[np.intp], Floats]:
    """Rows whose soft label is above zero, and that label: 1 inside, sqrt(1 - d / width) at d rows outside."""
    reach = width // 2
    rows = [np.arange(start, end + 1) for start, end in events]
    weights = [np.ones(len(inside)) for inside in rows]
    away = np.arange(1, reach + 1)
    slope = np.sqrt(1 - away / width) if reach else np.zeros(0)
    for start, end in events:
        for beyond in (end + away, start - away):
            within = (beyond >= 0) & (beyond < count)
            rows.append(beyond[within])
            weights.append(slope[within])
    places, owners = np.unique(np.concatenate(rows), return_inverse=True)
    return places, np.minimum(np.bincount(owners, weights=np.concatenate(weights)), 1.0)


def _merged(events: Segments, width: int) -> Segments:
    """Events with their buffers, joined where the buffers meet [M, 2]."""
    reach = width // 2
    joined = events[1:, 0] - reach <= events[:-1, 1] + reach
    starts = np.concatenate([[True], ~joined])
    ends = np.concatenate([~joined, [True]])
    return np.stack([events[starts, 0] - reach, events[ends, 1] + reach], axis=1)


def _first_touch(first: NDArray[np.intp], events: Segments, width: int) -> NDArray[np.intp]:
    """[M] first threshold at which each merged event is touched."""
    spans = np.clip(_merged(events, width), 0, len(first) - 1)
    return np.array([first[start : end + 1].min() for start, end in spans], np.intp)


def period(series: Floats, lags: int = 400, shortest: int = 3, longest: int = 300) -> int:
    """The buffer L of a series: the lag of the highest local peak of its autocorrelation, as TSB-AD chooses it.

    The first 20,000 rows of the first channel decide; DEFAULT_BUFFER without a peak between `shortest` and `longest`.
    """
    values = np.asarray(series, np.float64)[:20_000]
    centred = values - values.mean()
    power = float(centred @ centred)
    if power <= 0:
        return DEFAULT_BUFFER
    size = 1 << (2 * len(centred) - 1).bit_length()
    spectrum = np.fft.rfft(centred, size)
    correlation = np.fft.irfft(spectrum * np.conj(spectrum), size)[: min(lags, len(centred) - 1) + 1] / power
    tail = correlation[shortest:]
    peaks = np.flatnonzero((tail[1:-1] > tail[:-2]) & (tail[1:-1] > tail[2:])) + 1
    if not len(peaks):
        return DEFAULT_BUFFER
    best = int(peaks[np.argmax(tail[peaks])])
    return best + shortest if shortest <= best <= longest else DEFAULT_BUFFER
