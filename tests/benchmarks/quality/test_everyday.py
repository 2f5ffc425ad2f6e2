"""Everyday streams: repeatable, a clock, nine events where the labels say; peers that know the time of day use it."""

import numpy as np
import pytest

from benchmarks.quality import everyday
from benchmarks.quality.clocked import SeasonalNaive, SlotMedian, measure, promised_rate
from benchmarks.quality.everyday import EVENTS, Clocked, generate
from benchmarks.quality.methods import Method
from benchmarks.quality.vus import segments


@pytest.mark.parametrize("profile", everyday.PROFILES)
def test_a_stream_has_a_clock_and_its_events(profile: str):
    """Four weeks and four weeks, a record each step, nine events in the later ones, repeatable by the seed."""
    stream = generate(f"{profile}-60", 1)
    assert len(stream.train) == len(stream.test) == 28 * 24
    assert set(np.diff(np.concatenate([stream.train[:, 0], stream.test[:, 0]])).tolist()) == {3600.0}
    assert len(segments(stream.truth)) == len(EVENTS)
    assert np.array_equal(stream.test, generate(f"{profile}-60", 1).test)
    assert not np.array_equal(stream.test, generate(f"{profile}-60", 2).test)


def test_a_slot_median_finds_what_is_normal_at_another_hour():
    """A day's peak at night is nothing to a plain threshold and everything to the slot."""
    times = 3600.0 * np.arange(28 * 24)
    day = np.where(times // 3600 % 24 < 12, 0.0, 10.0) + 0.1 * np.sin(times)
    rows = np.column_stack([times, day])
    method = SlotMedian(86_400.0, 96)
    method.fit(rows)
    night = np.array([[times[-1] + 3600.0 * 3, 10.0]])
    assert method.strangeness(night)[0] > 20 * method.training_strangeness().max()


def test_seasonal_naive_looks_one_day_back():
    """The same as yesterday is nothing, another value is."""
    times = 3600.0 * np.arange(14 * 24)
    rows = np.column_stack([times, np.sin(2 * np.pi * times / 86_400) + 1e-3 * np.cos(times)])
    method = SeasonalNaive()
    method.fit(rows[:240])
    later = rows[240:].copy()
    later[30, 1] += 1.0
    scores = method.strangeness(later)
    assert set(np.flatnonzero(scores > 100 * np.median(scores)).tolist()) == {30, 54}


def test_events_and_alerts_are_counted_at_the_promised_rate():
    """Two events, of which one is flagged late; and one false alert in two days."""

    class Told:
        def fit(self, train):
            self.limit = 0.5

        def strangeness(self, rows):
            return rows[:, 1]

        def training_strangeness(self):
            raise NotImplementedError

        def flags(self, rows, strangeness):
            return strangeness > self.limit

    times = 600.0 * np.arange(2 * 144 + 1)
    rows, truth = np.column_stack([times, 0 * times]), np.zeros(len(times), bool)
    truth[20:40] = truth[100:120] = True
    rows[[30, 105, 200, 201], 1] = 1.0
    numbers = measure(Clocked(rows, rows, truth), Method("told", "dummy", lambda _: Told()), 0)
    assert (numbers["events"], numbers["met"], numbers["met_ever"], numbers["alerts_a_day"]) == (2, 1, 2, 0.5)
    assert numbers["promised"] == 0.003
    assert promised_rate(60.0 * np.arange(10)) == pytest.approx(1 / 1440)
