"""The monitor file described: a schema that knows what people write, and a reference page with every key."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from latentwatch.cli import main
from latentwatch.domain.errors import InvalidMonitor
from latentwatch.domain.monitor import dump_monitor, parse_monitor
from latentwatch.monitor_schema import json_schema, keys, reference

ROOT = Path(__file__).parents[2]
FULL = """
name: plant-1
source: {kafka: {topic: plant.rigs, format: json, arrays: true}}
record:
  time: at
  entity: [site, rig]
  where: {kind: [pump, fan], live: true}
  missing: -200
  timezone: Europe/Berlin
  features:
    pressure: {type: numeric, unit: bar, direction: up, ignore_below: "5 %", alarm_above: 12.5, weight: 0.5, missing: [n.v., 0]}
    mode: category
    angle: {type: cyclic, period: 360}
model: {effort: light, follow_drift: auto, seed: 3}
window: 32
alert: {false_alarms_per_day: 0.5, per: entity, group_gap: 10m, notify: [oncall]}
related: [[rig-1, "rack-1-*"]]
late: {allowed: 30s}
retrain: {schedule: "0 3 * * *", history: 4w}
"""
PLAIN = "name: a\nsource: {file: {path: a.csv}}\nrecord: {features: {x: numeric}}\nalert: {group_gap: 90}\n"
LONG = (
    "name: a\nsource: {file: {path: a.csv}}\nrecord: {time: t, entity: {file: true}, long: {name: n, value: v}, every: 60s,"
    " age: 5m, features: {x: numeric}}\n"
)


@pytest.mark.parametrize("text", [FULL, PLAIN, LONG])
def test_what_is_read_fits_the_schema(text: str) -> None:
    """As people write it, and as the database keeps it."""
    jsonschema.Draft202012Validator.check_schema(json_schema())
    jsonschema.validate(yaml.safe_load(text), json_schema())
    jsonschema.validate(yaml.safe_load(dump_monitor(parse_monitor(text))), json_schema())


@pytest.mark.parametrize(
    "wrong",
    [
        {"nmae: b\n": ""}, {"window: 32": "window: many"}, {"mode: category": "mode: word"}, {"unit: bar": "unti: bar"},
        {"weight: 0.5": "weight: 2"}, {"effort: light": "effort: hard"}, {"direction: up": "direction: sideways"},
        {"seed: 3": "kind: windowed"}, {"name: plant-1": "name: Plant 1"},
    ],
)  # fmt: skip
def test_what_is_refused_does_not_fit_it(wrong: dict[str, str]) -> None:
    """An editor marks what the commands refuse."""
    text = FULL
    for right, mistake in wrong.items():
        text = text.replace(right, mistake) if mistake else f"{right}{text}"
    if "windowed" not in text:  # which is read where the database kept it, and refused in files
        with pytest.raises(InvalidMonitor):
            parse_monitor(text)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), json_schema())


def test_every_key_says_what_it_is() -> None:
    """In the reference and, below a key, in the editor."""
    assert not [key.path for key in keys() if not key.meaning]
    paths = [key.path for key in keys()]
    assert len(paths) == len(set(paths)) > 50
    assert {"source.kafka.topic", "record.features.NAME.weight", "alert.notify", "retrain.history"} < set(paths)


def test_the_reference_page_is_that_of_today() -> None:
    """`python -m latentwatch.monitor_schema > docs/monitor-file.md` makes it so."""
    assert (ROOT / "docs" / "monitor-file.md").read_text(encoding="utf-8") == reference()


def test_the_command_prints_the_schema(capfd: pytest.CaptureFixture[str]) -> None:
    """As one JSON object."""
    with pytest.raises(SystemExit) as ended:
        main(["schema"])
    assert not ended.value.code
    assert json.loads(capfd.readouterr().out) == json_schema()
