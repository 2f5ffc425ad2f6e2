"""An entity that was not in training starts from the population and becomes known."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from latentwatch.detector.interface import Contexts
from latentwatch.detector.sequences.context import encode
from latentwatch.detector.sequences.fitting import calibrate_sequences, fit_sequences
from latentwatch.detector.sequences.newcomer_levels import acquaint
from latentwatch.detector.training import train
from latentwatch.domain.model_choice import ModelChoice
from latentwatch.domain.monitor import Monitor
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.schema import RecordSchema
from latentwatch.plant import Plant, plant_schema

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_level_is_learned_and_the_reading_narrows():
    """Records of a stranger two scales off are read as less and less strange, towards standard normal."""
    random = np.random.default_rng(0)
    z = (2.0 + random.standard_normal((4000, 1))).astype(np.float32)
    known = np.zeros((1, 2), np.float32)
    out = acquaint(known, np.zeros(4000, np.intp), z, np.array([4.0], np.float32))
    assert abs(out[0, 0]) < abs(z[0, 0])
    assert abs(float(out[2000:].mean())) < 0.1
    assert float(out[2000:].std()) == pytest.approx(1.0, abs=0.1)


def test_where_entities_do_not_differ_nothing_is_learned():
    """With no variance between entities a level that is off stays off: it is an anomaly, not a habit."""
    z = np.full((3000, 1), 2.0, np.float32)
    out = acquaint(np.zeros((1, 2), np.float32), np.zeros(3000, np.intp), z, np.zeros(1, np.float32))
    assert np.allclose(out, 2.0)


def test_cutting_the_records_anywhere_changes_no_bit():
    """Readings and beliefs are the same in one pass and in two."""
    random = np.random.default_rng(1)
    z = random.standard_normal((300, 3)).astype(np.float32)
    z[random.random(z.shape) < 0.1] = np.nan
    owners, between = random.integers(0, 2, 300).astype(np.intp), np.array([0.0, 1.0, 9.0], np.float32)
    whole, parted = np.zeros((2, 4), np.float32), np.zeros((2, 4), np.float32)
    once = acquaint(whole, owners, z, between)
    twice = [acquaint(parted, owners[part], z[part], between) for part in (slice(0, 113), slice(113, 300))]
    assert np.array_equal(once, np.concatenate(twice), equal_nan=True)
    assert np.array_equal(whole, parted)
    assert np.array_equal(np.isnan(once), np.isnan(z))


@pytest.mark.slow
def test_a_new_rig_is_not_an_anomaly_for_being_new():
    """A rig that training never saw settles to few false alarms, although its offsets are its own."""
    plant = Plant(seed=3, rigs=5, period_seconds=30)
    history = plant.history(START, 4000)
    monitor = Monitor.model_validate(
        {
            "name": "plant",
            "source": {"file": {"path": "-"}},
            "record": plant_schema().model_dump(),
            "alert": {"false_alarm_rate": 0.01},
        }
    )
    detector = train(history.take(history.entities != "rig-5"), monitor).detector
    later = plant.history(START + timedelta(days=3), 3000)
    stranger = later.take(later.entities == "rig-5")
    flagged = detector.score(stranger, encode(detector.context, stranger)).surprise >= detector.threshold(monitor.alert)
    assert flagged.mean() < 0.1
    assert flagged[2000:].mean() < 0.04


def test_what_a_stranger_should_have_shown_is_told_at_its_own_level():
    """An entity far from the population is expected where it lives, once its level is known."""
    random = np.random.default_rng(5)
    schema = RecordSchema.model_validate({"entity": "e", "features": {"a": "numeric", "b": "numeric"}})

    def records(levels: dict[str, float], count: int) -> Batch:
        names = np.repeat(list(levels), count)
        a = np.concatenate([level + random.normal(size=count) for level in levels.values()])
        return batch_from_columns(
            schema, {"a": a, "b": a + random.normal(0, 0.1, len(a))}, entities=names.astype(object)
        )

    history = records({"one": 0.0, "two": 4.0, "three": 8.0, "four": 12.0}, 400)
    detector = calibrate_sequences(fit_sequences(history, ModelChoice(), window=16), history)[0]
    stranger = records({"five": 30.0}, 1500)
    numbers = stranger.numbers.copy()
    numbers[-1, 0] += 6
    stranger = replace(stranger, numbers=numbers)
    contexts = encode(detector.context, stranger)
    last = stranger.take(slice(1499, 1500))
    of_last = Contexts(contexts.features[-1:], contexts.seen[-1:])
    explanation = detector.explain(last, of_last, detector.score(last, of_last))[0]
    assert explanation.expected["a"] == pytest.approx(float(numbers[-1, 1]), abs=1.5)
