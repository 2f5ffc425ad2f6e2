"""Streams with a clock: how a method is measured on them, and peers that know the time of day.

Rows [N, 1 + C] are the time in seconds since 1970 and the channels.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.quality import everyday
from benchmarks.quality.cases import Numbers
from benchmarks.quality.everyday import Clocked
from benchmarks.quality.measuring import finite, fitted
from benchmarks.quality.methods import Flags, Floats, Method, Outliers
from benchmarks.quality.metrics import FlagCounts, auroc
from benchmarks.quality.vus import segments, vus_pr

DAY = 86_400.0
BUFFER = 6
"""Records by which an alert may be early or late, in VUS-PR and in `met`."""
HIGHEST_RATE = 0.003
"""Share of normal records that may be flagged; fewer where that is more than one a day."""


def metric_names(folder: Path) -> list[str]:
    """The labelled metrics; none where the data folder has no such data."""
    return sorted(file.stem for file in (folder / "metrics").glob("*.csv"))


def metric_stream(folder: Path, name: str) -> Clocked:
    """A metric whose first half trains."""
    table = pd.read_csv(folder / "metrics" / f"{name}.csv").sort_values("timestamp")
    rows, truth = table[["timestamp", "value"]].to_numpy(np.float64), table["label"].to_numpy() > 0
    half = len(rows) // 2
    return Clocked(rows[:half], rows[half:], truth[half:])


def metric(folder: Path, name: str, method: Method, seed: int) -> Numbers:
    """One labelled metric."""
    return measure(metric_stream(folder, name), method, seed)


def everyday_stream(folder: Path, name: str, method: Method, seed: int) -> Numbers:
    """One generated stream."""
    del folder
    return measure(everyday.generate(name, seed), method, seed)


def measure(stream: Clocked, method: Method, seed: int) -> Numbers:
    """Ranking, and what happens at the default threshold: events met, normal records flagged, alerts a day."""
    model, seconds = fitted(method, seed, stream.train)
    scores = finite(model.strangeness(stream.test))
    flags, truth = model.flags(stream.test, scores), stream.truth
    verdicts = FlagCounts.count(truth, flags)
    events = segments(truth)
    met = [bool(flags[first : last + 1][: BUFFER + 1].any()) for first, last in events]
    ever = [bool(flags[first : last + 1].any()) for first, last in events]
    days = float(np.ptp(stream.test[:, 0])) / DAY
    return {
        "auroc": auroc(truth, scores),
        "vus_pr": vus_pr(truth, scores, BUFFER),
        "events": float(len(events)),
        "met": float(sum(met)),
        "met_ever": float(sum(ever)),
        "flagged": verdicts.false_alarm_rate,
        "alerts_a_day": len(segments(flags & ~truth)) / days,
        "promised": promised_rate(stream.train[:, 0]),
        "fit_seconds": seconds,
    }


def promised_rate(times: Floats) -> float:
    """The share of normal records of such times, in seconds, that may be flagged."""
    return min(HIGHEST_RATE, float(np.median(np.diff(times))) / DAY)


class RecordThreshold:
    """Calls abnormal what lies above the training scores' quantile at the promised rate."""

    limit: float = np.inf
    _training: Floats

    def flags(self, rows: Floats, strangeness: Floats) -> Flags:
        """[N] rows above it."""
        del rows
        return np.asarray(strangeness > self.limit)

    def training_strangeness(self) -> Floats:
        """[N] of the training rows."""
        return self._training

    def learn_limit(self, times: Floats, training: Floats) -> None:
        """Set the limit from training scores."""
        self._training = training
        self.limit = float(np.quantile(training, 1 - promised_rate(times)))


class SeasonalNaive(RecordThreshold):
    """The distance from the record one day before, which may itself be strange; largest over the channels."""

    def fit(self, train: Floats) -> None:
        """Learn the scale, and keep the last day."""
        self._lag = max(1, round(DAY / float(np.median(np.diff(train[:, 0])))))
        self._before = train[-self._lag :, 1:]
        distance = np.abs(train[self._lag :, 1:] - train[: -self._lag, 1:])
        self._scale = np.median(distance, axis=0) + 1e-9 * (1 + np.abs(train[:, 1:]).max(axis=0))
        self.learn_limit(train[:, 0], (distance / self._scale).max(axis=1))

    def strangeness(self, rows: Floats) -> Floats:
        """[N] rows follow the training rows."""
        joined = np.concatenate([self._before, rows[:, 1:]])
        distance = np.abs(joined[self._lag :] - joined[: -self._lag])
        return np.asarray((distance / self._scale).max(axis=1))


class SlotMedian(RecordThreshold):
    """The distance from the median of the slot of the day or of the week, in the slot's median deviation."""

    def __init__(self, cycle: float, slots: int) -> None:
        self._cycle, self._slots = cycle, slots

    def fit(self, train: Floats) -> None:
        """Learn each slot's median and deviation; where a slot is empty the whole's."""
        values, slots = train[:, 1:], self._slot(train)
        self._middle = np.tile(np.median(values, axis=0), (self._slots, 1))
        for slot in np.unique(slots):
            self._middle[slot] = np.median(values[slots == slot], axis=0)
        off = np.abs(values - self._middle[slots])
        self._spread = np.tile(np.median(off, axis=0), (self._slots, 1))
        for slot in np.unique(slots):
            self._spread[slot] = (self._spread[slot] + np.median(off[slots == slot], axis=0)) / 2
        self._spread += 1e-9 * (1 + np.abs(values).max(axis=0))
        self.learn_limit(train[:, 0], self.strangeness(train))

    def strangeness(self, rows: Floats) -> Floats:
        """[N]"""
        slots = self._slot(rows)
        return np.asarray((np.abs(rows[:, 1:] - self._middle[slots]) / self._spread[slots]).max(axis=1))

    def _slot(self, rows: Floats) -> Any:
        return (rows[:, 0] % self._cycle / self._cycle * self._slots).astype(int)


class SpectralResidual(RecordThreshold):
    """The saliency of the last of 256 records (Ren et al., KDD 2019), largest over the channels."""

    WINDOW = 256

    def fit(self, train: Floats) -> None:
        """Nothing is learned but the last window and the limit."""
        self._before = train[-self.WINDOW + 1 :, 1:]
        training = self._saliency(np.concatenate([train[: self.WINDOW - 1, 1:], train[:, 1:]]))
        self.learn_limit(train[:, 0], training)

    def strangeness(self, rows: Floats) -> Floats:
        """[N] rows follow the training rows."""
        return self._saliency(np.concatenate([self._before, rows[:, 1:]]))

    def _saliency(self, values: Floats) -> Floats:
        windows = np.lib.stride_tricks.sliding_window_view(values, self.WINDOW, axis=0)
        out = np.empty(windows.shape[:2])
        for start in range(0, len(windows), 1024):
            spectrum = np.fft.fft(windows[start : start + 1024], axis=2)
            size = np.log(np.abs(spectrum) + 1e-8)
            usual = np.apply_along_axis(lambda row: np.convolve(row, np.ones(3) / 3, "same"), 2, size)
            salient = np.abs(np.fft.ifft(np.exp(size - usual + 1j * np.angle(spectrum)), axis=2))
            recent = salient[:, :, -21:].mean(axis=2)
            out[start : start + 1024] = (salient[:, :, -1] - recent) / (recent + 1e-8)
        return np.asarray(out.max(axis=1))


class Lagged(RecordThreshold):
    """A method that looks at rows alone, given the last values of each channel and no clock."""

    def __init__(self, model: Outliers, lags: int) -> None:
        self._model, self._lags = model, lags

    def fit(self, train: Floats) -> None:
        """Learn from windows."""
        self._before = train[len(train) - self._lags + 1 :, 1:]
        windows = self._windows(np.concatenate([np.repeat(train[:1, 1:], self._lags - 1, axis=0), train[:, 1:]]))
        self._model.fit(windows)
        self.learn_limit(train[:, 0], self._model.training_strangeness())

    def strangeness(self, rows: Floats) -> Floats:
        """[N] rows follow the training rows."""
        return self._model.strangeness(self._windows(np.concatenate([self._before, rows[:, 1:]])))

    def _windows(self, values: Floats) -> Floats:
        windows = np.lib.stride_tricks.sliding_window_view(values, self._lags, axis=0)
        return np.ascontiguousarray(windows.reshape(len(windows), -1))


class ClockedLatentwatch:
    """The detector as a monitor has it: a time, `window: auto`, shipped defaults; streams start as on a fresh scorer."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def fit(self, train: Floats) -> None:
        """Train on all rows, as a monitor's training does after its split."""
        from latentwatch.detector.training import CalibrationSet, FitSet, calibrate, fit, window_of
        from latentwatch.domain.model_choice import ModelChoice
        from latentwatch.domain.monitor import Monitor
        from latentwatch.domain.schema import RecordSchema
        from latentwatch.domain.sources import FileSettings, SourceSettings

        names = {f"x{column}": "numeric" for column in range(1, train.shape[1])}
        self._schema = RecordSchema.model_validate({"time": "at", "features": names})
        choice = ModelChoice(seed=self._seed)
        monitor = Monitor(
            name="metric", source=SourceSettings(file=FileSettings(path="-")), record=self._schema, model=choice
        )
        history = self._batch(train)
        window = window_of(history, monitor)
        fit_set, nothing = FitSet(history), CalibrationSet(history.take(slice(0, 0)))
        self._detector: Any = calibrate(fit(fit_set, choice, window), fit_set, nothing)
        self._rate = promised_rate(train[:, 0])
        self._train = train

    def strangeness(self, rows: Floats) -> Floats:
        """[N] surprise, -log10 p."""
        batch, context = self._batch(rows), self._detector.context
        contexts = context.extend(context.fresh([""]), np.zeros(len(batch), np.intp), batch)
        return np.asarray(self._detector.score(batch, contexts).surprise, np.float64)

    def training_strangeness(self) -> Floats:
        """[N] surprise of the training rows."""
        return self.strangeness(self._train)

    def flags(self, rows: Floats, strangeness: Floats) -> Flags:
        """[N] at the threshold of the promised rate."""
        from latentwatch.domain.policies import AlertPolicy

        del rows
        return np.asarray(strangeness >= self._detector.threshold(AlertPolicy(false_alarm_rate=self._rate)))

    def _batch(self, rows: Floats) -> Any:
        from latentwatch.domain.record import batch_from_columns

        columns = {name: rows[:, column] for column, name in enumerate(self._schema.numbers, 1)}
        return batch_from_columns(self._schema, columns, times=(rows[:, 0] * 1e6).astype(np.int64))
