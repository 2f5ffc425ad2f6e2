"""What the pace of a sample says of a first monitor's alerts."""

import pytest

from latentwatch.domain.durations import spell_duration
from latentwatch.domain.policies import AlertPolicy
from latentwatch.first_alert import first_alert, first_history


@pytest.mark.parametrize(
    ("seconds", "rate", "gap"),
    [
        (60, 0.0006, "5 min"),
        (300, 0.003, "15 min"),
        (1800, 0.003, "1 h 30 min"),
        (3600, 0.003, "3 h"),
        (86_400, 0.003, "3 d"),
    ],
)
def test_a_metric_has_at_most_one_false_alarm_a_day_and_three_in_a_thousand_records(seconds, rate, gap):
    """The smaller of both; flagged records within three steps are one alert, as the default has it."""
    alert, notes = first_alert(float(seconds), owners=1, numbers=1, others=0)
    assert alert == {"false_alarm_rate": rate}
    assert spell_duration(AlertPolicy.model_validate(alert).gap(seconds).total_seconds()) == gap
    assert "of normal records" in notes[0]
    assert "of all 50 of the sample" in first_alert(float(seconds), owners=50, numbers=1, others=0)[1][0]
    told = [note for note in notes if "apart" in note]
    assert [f"up to {gap} apart" in note for note in told] == ([True] if seconds > 60 else [])


def test_a_plant_keeps_two_a_day_unless_that_is_more():
    """Twenty sensors every second two a day; every hour two would be a twelfth of the records."""
    assert first_alert(1.0, owners=4, numbers=20, others=1)[0] == {"false_alarms_per_day": 2.0}
    assert first_alert(3600.0, owners=1, numbers=20, others=1)[0]["false_alarm_rate"] == 0.003
    alert, notes = first_alert(3600.0, owners=100, numbers=20, others=1)
    assert alert == {"false_alarms_per_day": 2.0, "per": "monitor"}
    assert "all 100 entities of the sample together, to start with: one in 1,200 records" in notes[0]
    assert "0.1 then makes 10 a day" in notes[0]
    assert first_alert(0.0, owners=1, numbers=1, others=0)[0] == {"false_alarms_per_day": 2.0}


def test_records_that_come_at_no_pace_are_never_promised_away():
    """Four bookings a day: two false alarms a day would be half of them. Of ten thousand they are few."""
    alert, notes = first_alert(0.0, owners=1, numbers=1, others=2, daily=4.0)
    assert alert == {"false_alarm_rate": 0.003}
    assert "two false alarms a day would be more of them" in notes[0]
    assert first_alert(0.0, owners=1, numbers=1, others=2, daily=10_000.0)[0] == {"false_alarms_per_day": 2.0}


def test_of_metrics_as_much_history_is_learned_from_as_a_promise_takes():
    """A month at an hour is fewer than a thousand records; of a plant the usual history is kept."""
    retrain, notes = first_history(3600.0, owners=1, numbers=1, others=0)
    assert retrain == {"history": "58d"}
    assert notes[0].startswith("history: a promise takes 58 days of it")
    assert first_history(300.0, owners=1, numbers=1, others=0)[0] == {"history": "36d"}
    assert first_history(1.0, owners=4, numbers=20, others=1) == ({}, [])
