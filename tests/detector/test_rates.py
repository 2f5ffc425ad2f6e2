"""Counters are judged by their rate, whatever their level, and a restart is no anomaly."""

import numpy as np
import pytest

from latentwatch.detector.bundle import encode_bundle, load_bundle, save_bundle
from latentwatch.detector.corrected_readings import correct, corrected_values, under
from latentwatch.detector.counting import counters_of, to_rates
from latentwatch.detector.interface import Detector
from latentwatch.detector.rates import RateDetector, in_rates_of
from latentwatch.detector.running_context import RunningContext
from latentwatch.detector.steps.detector import asking
from latentwatch.detector.training import train
from latentwatch.domain.clock import from_microseconds
from latentwatch.domain.counters import in_rates
from latentwatch.domain.errors import InvalidMonitor
from latentwatch.domain.exceptions import Exceptions, InForce, NormalLevel
from latentwatch.domain.monitor import Monitor, parse_monitor
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.schema import RecordSchema
from latentwatch.domain.steps import AfterStep

SCHEMA = RecordSchema.model_validate(
    {"time": "at", "entity": "host", "features": {"sent": {"type": "counter", "unit": "B"}, "cpu": "numeric"}}
)
POLICY = AlertPolicy(false_alarm_rate=0.003)


def traffic(records: int, seed: int, schema: RecordSchema = SCHEMA, start: float = 5e12) -> Batch:
    """Two hosts a record every 10 seconds: what they sent goes with their processor."""
    random = np.random.default_rng(seed)
    parts = []
    for _ in range(2):
        load = 2 + 0.8 * np.sin(np.arange(records) / 60) + 0.2 * random.normal(size=records)
        parts.append((start + np.cumsum(random.poisson(1500 * load)), 40 * load + random.normal(size=records)))
    sent, cpu = (np.stack(columns, axis=1).ravel() for columns in zip(*parts, strict=True))
    times = np.repeat(np.arange(records), 2) * 10_000_000 + 1_700_000_000_000_000
    return batch_from_columns(
        schema, {"sent": sent, "cpu": cpu}, entities=["a", "b"] * records, times=times.astype(np.int64)
    )


def with_sent(batch: Batch, sent: np.ndarray) -> Batch:
    """The records with other counts."""
    numbers = batch.numbers.copy()
    numbers[:, 0] = sent
    return batch.with_numbers(numbers)


@pytest.fixture(scope="module")
def detector() -> RateDetector:
    """Trained on half a day of two hosts."""
    monitor = Monitor.model_validate(
        {"name": "net", "source": {"file": {"path": "x.csv"}}, "record": SCHEMA.model_dump(mode="json")}
    )
    trained = train(traffic(2_500, 0), monitor).detector
    assert isinstance(trained, RateDetector)
    return trained


def flagged(detector: Detector, batch: Batch) -> np.ndarray:
    """[N] which records are flagged."""
    contexts = RunningContext(detector.context).extend(batch)
    return detector.score(batch, contexts).surprise >= detector.threshold(POLICY)


def test_rates_are_of_each_entity_and_exact_beyond_32_bits():
    """Steps of a few bytes are told at five trillions; the first record of an entity has the usual rate."""
    times = np.array([0, 5, 10, 12, 20, 32], np.int64) * 1_000_000
    batch = batch_from_columns(
        SCHEMA,
        {"sent": [5e12, 7e12, 5e12 + 30, 7e12 + 7, 5e12 + 70, np.nan], "cpu": np.zeros(6)},
        entities=["a", "b", "a", "b", "a", "b"],
        times=times,
    )
    rates, usual = to_rates(batch, ("sent",))
    assert usual.tolist() == [3.0]
    np.testing.assert_array_equal(rates.numbers[:, 0], np.array([3, 3, 3, 1, 4, np.nan], np.float32))
    assert rates.numbers.dtype == np.float32
    assert rates.schema.feature("sent").unit == "B/s"


def test_what_comes_late_or_twice_changes_no_rate():
    """A record of a time that is known already has the mean rate, and the next is reckoned from the newest before."""
    batch = batch_from_columns(
        SCHEMA,
        {"sent": [0.0, 20.0, 10.0, 20.0, 60.0], "cpu": np.zeros(5)},
        entities=["a"] * 5,
        times=np.array([0, 10, 5, 10, 20], np.int64) * 1_000_000,
    )
    rates, _ = to_rates(batch, ("sent",))
    assert rates.numbers[4, 0] == 4.0
    assert rates.numbers[2, 0] == rates.numbers[3, 0]


def test_levels_of_a_counter_do_not_count_and_bursts_do(detector: RateDetector):
    """Normal records keep the promise at any level; ten times the traffic is found in its first record."""
    batch = traffic(1_000, 1, start=9e14)
    assert flagged(detector, batch).mean() < 0.01
    step = np.diff(batch.numbers[:, 0].reshape(-1, 2), axis=0, prepend=batch.numbers[:2, 0][None])
    step[500:506, 0] *= 10
    burst = with_sent(batch, (batch.numbers[:2, 0] + np.cumsum(step, axis=0)).ravel())
    assert flagged(detector, burst)[2 * 500]


def test_an_excepted_level_of_a_counter_is_one_of_its_rate(detector: RateDetector):
    """A host that sends 20,000 a second more from some moment on is calm, shown as it is, and learned as it was before."""
    batch, since = traffic(600, 1), 2 * 300
    moment = from_microseconds(int(batch.times[since]))
    extra = np.maximum(batch.times - batch.times[since], 0) / 1e6 * 20_000.0
    moved = with_sent(batch, batch.numbers[:, 0] + np.where(np.arange(len(batch)) % 2 == 0, extra, 0.0))
    made = Exceptions((InForce(1, NormalLevel(feature="sent", shift=20_000.0, since=moment, entity="a")),))
    serving = under(detector, made)
    assert flagged(detector, moved)[since + 2 :: 2].mean() > 0.9
    np.testing.assert_array_equal(flagged(serving, moved), flagged(detector, batch))
    contexts = RunningContext(serving.context).extend(moved)
    shown, usual = in_rates_of(serving, moved, contexts), to_rates(batch, ("sent",))[0].numbers[:, 0]
    later = np.arange(since + 2, len(batch), 2)
    np.testing.assert_allclose(shown.numbers[later, 0], usual[later] + 20_000.0, rtol=1e-3)
    np.testing.assert_allclose(to_rates(correct(moved, made), ("sent",))[0].numbers[later, 0], usual[later], rtol=1e-3)
    assert corrected_values(serving, shown)[int(later[0])]["sent"] == pytest.approx(usual[later[0]], rel=1e-3)


def test_a_restart_is_no_anomaly(detector: RateDetector):
    """Forty restarts of a host flag no more than the same records without one."""
    batch = traffic(1_200, 2)
    sent = batch.numbers[:, 0].copy()
    random = np.random.default_rng(3)
    for at in range(100, 1_100, 25):
        before, after = sent[2 * at - 2], sent[2 * at]
        sent[2 * at :: 2] -= np.floor(before + random.random() * (after - before))
    restarted = with_sent(batch, sent)
    assert (np.diff(sent[::2]) < 0).sum() == 40
    assert flagged(detector, restarted).sum() <= flagged(detector, batch).sum() + 2


def test_pieces_and_bundles_say_the_same(detector: RateDetector, tmp_path):
    """However the stream is cut, and after a way through the disk, rates and scores are the same."""
    batch = traffic(300, 4)
    sent = batch.numbers[:, 0].copy()
    sent[200:] -= sent[200]
    batch = with_sent(batch, np.maximum(sent, 0.0))
    again = load_bundle(str(tmp_path), save_bundle(detector, str(tmp_path)))
    assert encode_bundle(again)[0] == encode_bundle(detector)[0]
    whole = RunningContext(detector.context).extend(batch)
    pieces = RunningContext(again.context)
    parts = [pieces.extend(batch.take(slice(at, at + 37))) for at in range(0, len(batch), 37)]
    features = np.concatenate([part.features for part in parts])
    np.testing.assert_allclose(features, whole.features, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(features[:, 0], whole.features[:, 0])
    shown = in_rates_of(detector, batch, whole)
    assert shown.schema == in_rates(SCHEMA)
    explained = detector.explain(batch.take([50]), whole.take([50]), detector.score(batch, whole).take([50]))[0]
    assert abs(explained.expected["sent"] - shown.numbers[50, 0]) < 200.0


def test_pages_are_told_rates_also_of_a_detector_under_rules(detector: RateDetector):
    """What is wrapped around it for exceptions and lasting changes hides nothing of it."""
    batch = traffic(200, 6)
    wrapped = asking(detector, detector.threshold(POLICY), AfterStep.ASK)
    contexts = RunningContext(wrapped.context).extend(batch)
    assert wrapped is not detector
    assert 0 < in_rates_of(wrapped, batch, contexts).numbers[50:, 0].mean() < 1_000
    for schema in (in_rates(SCHEMA), SCHEMA):
        assert in_rates(schema).feature("sent").unit == "B/s"


def test_a_number_that_only_grows_is_found_to_be_a_counter():
    """Of a monitor that calls it numeric, by entity, where there is a time; a level that wanders is none."""
    plain = in_rates(SCHEMA)
    grown = traffic(300, 5, plain, start=0.0)
    assert counters_of(grown) == ("sent",)
    assert counters_of(traffic(60, 5, plain, start=0.0)) == ()
    timeless = RecordSchema.model_validate({"entity": "host", "features": {"sent": "numeric", "cpu": "numeric"}})
    assert counters_of(traffic(300, 5, timeless, start=0.0)) == ()


def test_a_counter_without_a_time_is_refused():
    """The monitor's file says what to do."""
    with pytest.raises(InvalidMonitor, match="'sent' is a counter, whose rate a second needs the record's 'time'"):
        parse_monitor("name: a\nsource: {file: {path: x.csv}}\nrecord: {features: {sent: counter}}")
