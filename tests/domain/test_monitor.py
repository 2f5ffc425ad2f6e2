"""A monitor file is read strictly, and what is wrong with it is said with file, line and fix."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentwatch.domain.durations import format_duration, parse_duration
from latentwatch.domain.errors import InvalidMonitor
from latentwatch.domain.model_choice import ModelKind
from latentwatch.domain.monitor import dump_monitor, load_monitor, parse_monitor
from latentwatch.domain.schema import FeatureType

PUMP = """\
name: pump
source: {kafka: {topic: plant.pump, group: latentwatch-pump}}
record:
  time: datetime
  entity: rig
  features:
    Pressure: numeric
    Mode: category
    Hour: {type: cyclic, period: 24}
    Note: text
model: {kind: denoising, effort: balanced}
window: auto
alert: {false_alarms_per_day: 2, group_gap: 5m, notify: [oncall]}
retrain: {schedule: "@daily", history: 14d}
"""


def test_a_whole_monitor_is_read():
    """Every field of the documented example arrives with its type."""
    monitor = parse_monitor(PUMP)
    assert monitor.record.names == ("Pressure", "Mode", "Hour", "Note")
    assert monitor.record.numbers == ("Pressure", "Hour")
    assert monitor.record.feature("Hour").type is FeatureType.CYCLIC
    assert monitor.model.kind is ModelKind.DENOISING
    assert monitor.alert.group_gap == timedelta(minutes=5)
    assert monitor.retrain.history == timedelta(days=14)


def test_everything_but_name_source_and_features_has_a_default():
    """The smallest monitor is complete and has an alarm budget."""
    monitor = parse_monitor("name: a\nsource: {file: {path: '-'}}\nrecord: {features: {x: numeric}}\n")
    assert monitor.alert.is_default
    assert (monitor.alert.daily_budget(), monitor.alert.highest_rate) == (2, 0.003)
    assert monitor.window == "auto"
    assert monitor.alert.group_gap == "auto"
    assert "group_gap" not in dump_monitor(monitor)
    assert monitor.group == "latentwatch-a"


@pytest.mark.parametrize("related", ["", "related: [Mode, [rig-1, 'rig-2*']]\n"])
def test_written_monitors_are_read_back_equal(related: str):
    """Dumping and parsing gives the same monitor; what is related by a field and by name is told apart."""
    monitor = parse_monitor(PUMP + related)
    rule = monitor.incident_rule(1.0)
    assert (rule.fields, rule.related) == ((("Mode",), (("rig-1", "rig-2*"),)) if related else ((), ()))
    assert parse_monitor(dump_monitor(monitor)) == monitor


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("Pressure: numeric", "Pressure: nummeric"), "pump.yaml:7: record.features.Pressure: Input should be"),
        (("alert:", "alrt:"), "pump.yaml:13: alrt: unknown field 'alrt'"),
        (("topic: plant.pump", "topic: plant pump"), "pump.yaml:2: source.kafka.topic"),
        (("group_gap: 5m", "group_gap: 5 parsecs"), "pump.yaml:13: alert.group_gap: '5 parsecs' is not a duration"),
        (("group_gap: 5m", "group_gap: -5"), "pump.yaml:13: alert.group_gap: -5 is no length of time"),
        (("group_gap: 5m", "group_gap: .nan"), "pump.yaml:13: alert.group_gap: nan is no length of time"),
        (("history: 14d", "history: .inf"), "pump.yaml:14: retrain.history: inf is no length of time"),
        (("history: 14d", "history: 99999999999d"), "retrain.history: '99999999999d' is no length of time"),
        (("name: pump\n", ""), "field 'name' is missing; add it"),
        (("window: auto", "window: 0"), "pump.yaml:12: window: window must be 'auto' or at least 1"),
        (("{type: cyclic, period: 24}", "cyclic"), "'period' is needed for a cyclic feature"),
        (("entity: rig", "entity: Pressure"), "named more than once: Pressure"),
        (("false_alarms_per_day: 2", "false_alarms_per_day: 2, false_alarm_rate: 0.1"), "not both"),
        (("false_alarms_per_day: 2", "false_alarm_rate: 0.1, per: entity"), "give 'false_alarms_per_day' as well"),
        (("false_alarms_per_day: 2", "false_alarms_per_day: 2, per: host"), "'monitor' or 'entity'"),
        (
            ("alert:", "weight: Mode\nalert:"),
            "'weight' names the field 'Mode', which is no numeric feature",
        ),
        (
            ("alert:", "related: [Pressure]\nalert:"),
            "'related' names the field 'Pressure', which is no category or text",
        ),
        (("alert:", "train: {after: 0s}\nalert:"), "must be longer than nothing"),
        (("alert:", "train: {after: 30d}\nalert:"), "longer than 'retrain: {history: ...}'"),
        (("source: {kafka: {topic: plant.pump, group: latentwatch-pump}}", "source: {}"), "exactly one of"),
        (
            ("topic: plant.pump", "topic: plant.pump, delimiter: ;"),
            "pump.yaml:2: source.kafka: 'header' and 'delimiter'",
        ),
        (("topic: plant.pump", "topic: plant.pump, format: csv, arrays: true"), "'arrays' belongs to format json"),
        (("topic: plant.pump", "topic: plant.pump, registry: x"), "source.kafka: 'registry' belongs to format avro"),
        (("name: pump", "name: [unclosed"), "not valid YAML"),
        (("effort: balanced", "follow_drift: 3"), "pump.yaml:11: model.follow_drift: say auto, true or false"),
        (("window: auto", "name: other"), "pump.yaml:12: name is given twice"),
        (
            ("kind: denoising", "kind: windowed"),
            "pump.yaml:11: model.kind: 'windowed' is no kind of autoencoder, 'window'",
        ),
        (
            ("effort: balanced}\nwindow: auto", "density: mixture}\nwindow: 60"),
            "pump.yaml:11: model.density: 'mixture' changes nothing with a window",
        ),
        (
            ("effort: balanced}\nwindow: auto", "follow_drift: true}\nwindow: 1"),
            "pump.yaml:11: model.follow_drift: 'true' changes nothing with 'window: 1'",
        ),
    ],
)
def test_mistakes_name_file_line_and_fix(tmp_path: Path, change: tuple[str, str], expected: str):
    """Each kind of mistake is located and explained."""
    path = tmp_path / "pump.yaml"
    path.write_text(PUMP.replace(*change))
    with pytest.raises(InvalidMonitor) as error:
        load_monitor(path)
    assert expected in str(error.value)


@pytest.mark.parametrize(
    ("model", "window"),
    [
        ("{density: gaussian}", "1"),
        ("{density: gaussian, follow_drift: true}", "auto"),
        ("{density: auto, follow_drift: auto, kind: auto}", "60"),
        ("{density: auto, follow_drift: auto, kind: auto}", "1"),
        ("{follow_drift: false, effort: light}", "60"),
    ],
)
def test_settings_that_count_and_written_defaults_are_read(tmp_path: Path, model: str, window: str):
    """Each setting where it means something, and what only repeats a default anywhere."""
    path = tmp_path / "pump.yaml"
    path.write_text(
        PUMP.replace("{kind: denoising, effort: balanced}", model).replace("window: auto", f"window: {window}")
    )
    monitor = load_monitor(path)
    assert monitor.model.idle(monitor.window) == {}


def test_a_stored_definition_with_settings_that_change_nothing_is_read():
    """What an earlier version registered still opens, so that pages show it; only the file has to be corrected."""
    stored = PUMP.replace("kind: denoising", "kind: windowed, density: mixture").replace("window: auto", "window: 60")
    monitor = parse_monitor(stored)
    assert list(monitor.model.idle(monitor.window)) == ["kind", "density"]
    assert parse_monitor(dump_monitor(monitor)) == monitor


@pytest.mark.parametrize("text", ["", "just words", "- a\n- list\n"])
def test_a_file_that_is_no_mapping_is_refused(text: str):
    """Empty files, words and lists say what a monitor is."""
    with pytest.raises(InvalidMonitor, match="a monitor is a mapping"):
        parse_monitor(text)


def test_a_missing_file_says_how_to_write_one(tmp_path: Path):
    """The error for a missing monitor names the command that makes one."""
    with pytest.raises(InvalidMonitor, match="latentwatch init"):
        load_monitor(tmp_path / "none.yaml")


@given(st.integers(min_value=1, max_value=10**9))
def test_durations_survive_being_written(milliseconds: int):
    """Formatting and parsing a duration gives the same duration."""
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration


def test_the_order_of_units_is_no_other_reading():
    """A model is stored with its keys in order; the monitor's file has them as people wrote them."""
    units = "Mode: {type: numeric, unit: B, units: {KiB: 1024, GiB: 1073741824, KB: 1000}}"
    written = parse_monitor(PUMP.replace("Mode: category", units)).record
    other = parse_monitor(
        PUMP.replace("Mode: category", "Mode: {type: numeric, unit: B, units: {KB: 1000, GiB: 1073741824, KiB: 1024}}")
    ).record
    assert written.fingerprint() == other.fingerprint()
    assert not written.compared_with(other).changed
    larger = parse_monitor(PUMP.replace("Mode: category", units.replace("1024", "1000"))).record
    assert written.fingerprint() != larger.fingerprint()
