"""What would calm an alert: few changes, the guilty sensor first, and nothing that may not change."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import pytest

from latentwatch.detector.calming import LEAD, Calming, calming, changed, with_readings
from latentwatch.detector.sequences.detector import SequenceDetector
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.record import Batch
from tests.detector.sequences.conftest import PLANT

pytestmark = pytest.mark.slow

BEGUN = 300


@dataclass(frozen=True)
class Alarm:
    """A sensor that reads too high from row `BEGUN` on."""

    detector: SequenceDetector
    records: Batch
    threshold: float

    def calmed(self, **wishes) -> Calming:
        """What would calm it."""
        return calming(self.detector, self.records, BEGUN, self.threshold, **wishes)


@pytest.fixture(scope="module")
def alarm(detector) -> Alarm:
    """Vibration of one rig, 3 mm/s too high for eight records."""
    rig = PLANT.history(datetime(2026, 1, 6, tzinfo=UTC), BEGUN + 8)
    rig = rig.take(rig.entities == rig.entities[0])
    column = rig.schema.numbers.index("vibration")
    numbers = rig.numbers.copy()
    numbers[BEGUN:, column] += 3
    return Alarm(detector, replace(rig, numbers=numbers), detector.threshold(AlertPolicy(false_alarm_rate=0.001)))


def test_the_sensor_at_fault_is_all_that_would_have_to_change(alarm):
    """It is named alone, with a value in its unit that leaves no alert."""
    found = alarm.calmed()
    assert found.before >= alarm.threshold
    assert [each.feature for each in found.changes] == ["vibration"]
    assert found.calm
    assert found.after < alarm.threshold
    change = found.changes[0]
    assert change.actual - change.instead == pytest.approx(3, abs=1)
    assert found.first == BEGUN - LEAD
    assert len(found.surprises) == len(found.changed) == 8 + LEAD
    assert found.surprises[LEAD:].max() == pytest.approx(found.after)


def test_what_is_fixed_does_not_change(alarm):
    """Without the guilty sensor nothing calms it, or others in its place do; it is never named."""
    found = alarm.calmed(fixed={"vibration"})
    assert "vibration" not in [each.feature for each in found.changes]
    assert len(found.changes) <= 5
    before = with_readings(alarm.detector, alarm.records, BEGUN, {})
    above, left = (np.maximum(each[LEAD:] - alarm.threshold, 0).sum() for each in (before, found.surprises))
    assert left < above


def test_nothing_is_changed_where_nothing_alarms(alarm):
    """A stretch below the threshold is calm as it is."""
    found = calming(alarm.detector, alarm.records, BEGUN, 50.0)
    assert found.calm
    assert not found.changes
    assert found.before < 50


def test_a_value_tried_by_hand_scores_as_if_it_had_been_read(alarm):
    """The normal level calms, a higher one does not, and an unknown feature is refused."""
    usual = float(np.median(alarm.records.numbers[:BEGUN, alarm.records.schema.numbers.index("vibration")]))
    calm = with_readings(alarm.detector, alarm.records, BEGUN, {"vibration": usual})
    worse = with_readings(alarm.detector, alarm.records, BEGUN, {"vibration": usual + 6})
    assert calm[LEAD:].max() < alarm.threshold < worse[LEAD:].max()
    with pytest.raises(KeyError):
        with_readings(alarm.detector, alarm.records, BEGUN, {"no such sensor": 1.0})


def test_missing_and_words_can_be_put_in_place(alarm):
    """Numbers become NaN, categories None; the batch that was given stays as it is."""
    few = alarm.records.take(slice(0, 2))
    blank = changed(changed(few, "vibration", [None, 1.5]), "mode", ["eco", None])
    assert [each["vibration"] for each in blank.all_values()] == [None, 1.5]
    assert [each["mode"] for each in blank.all_values()] == ["eco", None]
    assert few.all_values() != blank.all_values()


def test_a_stretch_that_does_not_begin_within_the_records_is_refused(alarm):
    """Row numbers count from the first record given."""
    with pytest.raises(ValueError, match="row 400 is not one of"):
        calming(alarm.detector, alarm.records, 400, alarm.threshold)
