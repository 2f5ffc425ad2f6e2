"""What exporters, historians and devices write: `init` gives a monitor that needs no edit, or says why none can be given."""

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from latentwatch.domain.errors import InvalidHistory, InvalidInput
from latentwatch.domain.monitor import parse_monitor
from latentwatch.guessing import guess_monitor
from latentwatch.history import read_history
from tests.latentwatch.exporters import EXPORTERS
from tests.latentwatch.measured import TICKS, level

READ: dict[str, tuple[str, int, dict[str, tuple[int, int]]]] = {
    "zabbix_export": ("host.host", 2, {"CPU idle": (0, 0), "Memory used": (0, 1)}),
    "zabbix_history": ("", 1, {"23296": (0, 0), "23297": (0, 1)}),
    "influx_plain": ("host", 2, {"usage_idle": (0, 0), "usage_user": (0, 1)}),
    "grafana": ("", 1, {'cpu {host="web1"}': (0, 0), "mem": (0, 1)}),
    "tasmota": ("", 1, {"AM2301.Temperature": (0, 0), "AM2301.Humidity": (0, 3)}),
    "shelly": ("src", 2, {"params.switch:0.apower": (0, 0)}),
    "mqtt_bridge": ("topic", 2, {"payload.temperature": (0, 0), "payload.humidity": (0, 3)}),
    "azure_records": ("resourceId", 2, {"Percentage CPU": (0, 0), "Network In Total": (0, 1)}),
    "opcua": ("", 1, {"ns=2;s=Line1.Temperature": (0, 0), "ns=2;s=Line1.Pressure": (0, 1)}),
    "pi": ("", 1, {"SINUSOID": (0, 0), "FIC101.PV": (0, 1)}),
    "wonderware": ("", 1, {"ReactTemp": (0, 0), "ReactLevel": (0, 1)}),
    "modbus": ("Slave ID", 2, {"40001": (0, 0)}),
    "netdata_export": ("hostname", 2, {"user": (0, 0), "system": (0, 1)}),
    "cloudwatch_stream": ("dimensions.InstanceId", 2, {"CPUUtilization.max": (0, 0), "NetworkIn.max": (0, 1)}),
    "metricbeat": ("host.name", 2, {"cpu.user.pct": (0, 0), "cpu.idle.pct": (0, 1)}),
    "lorawan": ("end_device_ids.device_id", 2, {"temperature": (0, 0), "soil_moisture": (0, 3)}),
    "collectd": ("host", 2, {"cpu.0.percent.idle": (0, 0), "cpu.0.percent.user": (0, 1)}),
}
"""By exporter its monitor's entity, how many of those there are, and of which machine and measurement some features are."""


@pytest.mark.parametrize("name", READ)
def test_a_monitor_comes_that_needs_no_edit(name: str, tmp_path: Path) -> None:
    """It reads every record of the sample as what it is; only cells that hold words are left out."""
    file, write = EXPORTERS[name]
    path = tmp_path / file
    path.write_text(write())
    record = parse_monitor(guess_monitor(str(path)).yaml("sample")).record
    entity, entities, features = READ[name]
    assert " ".join(record.entity_fields) == entity
    history = read_history(record, [str(path)])
    assert len(set(history.entities)) == entities
    assert len(history) >= 0.98 * entities * TICKS
    first = history.take(np.flatnonzero(history.entities == history.entities[0]))
    for feature, (machine, of) in features.items():
        told = first.numbers[:40, record.numbers.index(feature)]
        assert told == pytest.approx([level(tick, machine, of) for tick in range(40)], rel=1e-5), feature


ANSWERS: dict[str, tuple[int, dict[str, tuple[int, int]]]] = {
    "cloudwatch_statistics": (1, {"Average": (0, 0)}),
    "azure_list": (1, {"value": (0, 0)}),
    "datadog": (2, {"value": (0, 0)}),
    "netdata_data": (1, {"user": (0, 0), "system": (0, 1)}),
    "home_assistant_json": (1, {"sensor.power": (0, 0), "sensor.voltage": (0, 1)}),
}
"""By answer how many entities there are, and of which machine and measurement some features are."""


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_named_with_a_command_that_makes_lines(name: str, tmp_path: Path) -> None:
    """Those lines are a monitor's, in the order of time whatever that of the answer was."""
    file, write = EXPORTERS[name]
    path = tmp_path / file
    path.write_text(write())
    with pytest.raises(InvalidHistory, match="one document; turn it into lines") as refused:
        guess_monitor(str(path))
    python, option, program, less, source, more, target = shlex.split(str(refused.value).splitlines()[1])
    assert (python, option, less, more, source) == ("python3", "-c", "<", ">", str(path))
    done = subprocess.run(
        [sys.executable, "-c", program], input=path.read_text(), capture_output=True, text=True, check=True
    )
    Path(target).write_text(done.stdout)
    entities, features = ANSWERS[name]
    record = parse_monitor(guess_monitor(target).yaml("sample")).record
    history = read_history(record, [target])
    assert len(set(history.entities)) == entities
    first = history.take(np.flatnonzero(history.entities == history.entities[0]))
    for feature, (machine, of) in features.items():
        told = first.numbers[:40, record.numbers.index(feature)]
        assert told == pytest.approx([level(tick, machine, of) for tick in range(40)], rel=1e-5), feature


def test_uplinks_that_nobody_decoded_are_refused(tmp_path: Path) -> None:
    """Bytes say nothing to a model; the message says what the network can do."""
    path = tmp_path / "uplinks.jsonl"
    path.write_text(EXPORTERS["lorawan"][1]().replace("decoded_payload", "raw_bytes"))
    with pytest.raises(InvalidInput, match="The Things Network whose payload nobody decoded"):
        guess_monitor(str(path))


def test_another_set_of_metricbeat_is_chosen_by_name(tmp_path: Path) -> None:
    """As of Telegraf's measurements."""
    file, write = EXPORTERS["metricbeat"]
    path = tmp_path / file
    path.write_text(write())
    record = guess_monitor(str(path), where={"metricset.name": "memory"}).monitor.record
    assert record.names == ("memory.used.pct", "memory.used.bytes")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("influx_annotated", "InfluxDB's annotated CSV; pivot"),
        ("influx_lines", "InfluxDB's line protocol; write it as"),
        ("grafana_excel", "'sep=' for Excel; leave that line out"),
        ("graphite", "Graphite's plain text; write it as CSV"),
        ("statsd", "StatsD's lines, which have no time"),
        ("exposition", "a scrape of Prometheus' metrics, of one moment"),
        ("syslog", "'DATE' looks like a time that cannot be read"),
    ],
)
def test_what_is_no_table_is_named_for_what_it_is(name: str, said: str, tmp_path: Path) -> None:
    """No monitor comes of it, and the message says what to do."""
    file, write = EXPORTERS[name]
    path = tmp_path / file
    path.write_text(write())
    with pytest.raises(InvalidHistory, match=said):
        guess_monitor(str(path))


def test_values_that_stand_series_by_series_are_refused(tmp_path: Path) -> None:
    """A row's values would come too late but for one name; sorted by time they are rows."""
    file, write = EXPORTERS["opcua"]
    head, *rows = write().splitlines()
    path = tmp_path / file
    path.write_text("\n".join([head, *sorted(rows, key=lambda row: row.split(",")[1])]))
    with pytest.raises(InvalidHistory, match=r"do not follow the time.*sort them by 'SourceTimestamp'"):
        guess_monitor(str(path))
