"""Samples as exporters, historians and devices write them: by name a file's name and its text."""

from collections.abc import Callable

from tests.latentwatch import json_answers, json_exporters
from tests.latentwatch.measured import HOSTS, TICKS, at, each, epoch, iso, level


def influx_annotated() -> str:
    """InfluxDB's annotated CSV, a table for each series."""
    head = (
        "#group,false,false,true,true,false,false,true,true,true\n"
        "#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,double,string,string,string\n"
        "#default,_result,,,,,,,,\n"
        ",result,table,_start,_stop,_time,_value,_field,_measurement,host\n"
    )
    rows = ""
    for machine, host in enumerate(HOSTS):
        for of, name in enumerate(("usage_idle", "usage_user")):
            for tick in range(TICKS):
                rows += f",,{2 * machine + of},{iso(0)},{iso(TICKS - 1)},{iso(tick)},{level(tick, machine, of)},{name},cpu,{host}\n"
    return head + rows


def influx_plain() -> str:
    """What `influx -format csv` of InfluxDB 1 writes."""
    rows = (
        f"cpu,{epoch(tick)}000000000,{host},{level(tick, machine)},{level(tick, machine, 1)}\n"
        for tick, machine, host in each()
    )
    return "name,time,host,usage_idle,usage_user\n" + "".join(rows)


def influx_lines() -> str:
    """Line protocol."""
    return "".join(
        f"cpu,host={host} usage_idle={level(tick, machine)},usage_user={level(tick, machine, 1)} {epoch(tick)}000000000\n"
        for tick, machine, host in each()
    )


def grafana() -> str:
    """Grafana's panel as CSV, formatted."""
    rows = (f"{at(tick):%Y-%m-%d %H:%M:%S},{level(tick)}%,{level(tick, 0, 1)} MiB\n" for tick in range(TICKS))
    return '"Time","cpu {host=""web1""}","mem"\n' + "".join(rows)


def grafana_excel() -> str:
    """The same, prepared for Excel."""
    rows = (f"{at(tick):%Y-%m-%d %H:%M:%S},{level(tick)},{level(tick, 0, 1)}\n" for tick in range(TICKS))
    return 'sep=,\n"Time","cpu","mem"\n' + "".join(rows)


def opcua() -> str:
    """A historian's export by node."""
    rows = (
        f"{at(tick):%Y-%m-%dT%H:%M:%S}.000Z,ns=2;s=Line1.{name},{level(tick, 0, of)},Good\n"
        for tick in range(TICKS)
        for of, name in enumerate(("Temperature", "Pressure"))
    )
    return "SourceTimestamp,NodeId,Value,StatusCode\n" + "".join(rows)


def pi() -> str:
    """PI's sampled data, with its digital states in the place of numbers."""
    rows = (
        f"{at(tick):%d-%b-%Y %H:%M:%S},{'Bad Input' if tick == 50 else 'I/O Timeout' if tick % 150 == 70 else level(tick)},{level(tick, 0, 1)}\n"
        for tick in range(TICKS)
    )
    return "Timestamp,SINUSOID,FIC101.PV\n" + "".join(rows)


def wonderware() -> str:
    """Wonderware's history of tags."""
    rows = (
        f"{at(tick):%Y-%m-%d %H:%M:%S}.000\t{name}\t{level(tick, 0, of)}\t192\t0\n"
        for tick in range(TICKS)
        for of, name in enumerate(("ReactTemp", "ReactLevel"))
    )
    return "DateTime\tTagName\tValue\tOPCQuality\tQualityDetail\n" + "".join(rows)


def modbus() -> str:
    """A logger's registers, a line a poll of a device."""
    rows = (
        f"{at(tick):%Y/%m/%d %H:%M:%S};{machine + 1};{level(tick, machine)};{int(level(tick, machine, 1) * 10)};0x{tick % 4:04X}\n"
        for tick, machine, _ in each()
    )
    return "Timestamp;Slave ID;40001;40003;Status\n" + "".join(rows)


def statsd() -> str:
    """StatsD's own lines, which have no time."""
    return "".join(f"api.requests:{tick % 9}|c\napi.latency:{level(tick)}|ms\n" for tick in range(TICKS))


def graphite() -> str:
    """Graphite's plain text."""
    return "".join(f"servers.{host}.load {level(tick, machine)} {epoch(tick)}\n" for tick, machine, host in each())


def exposition() -> str:
    """A scrape of Prometheus' own format."""
    return "# HELP node_load1 1m load average.\n# TYPE node_load1 gauge\n" + "".join(
        f'node_cpu_seconds_total{{cpu="{core}",mode="idle"}} {core * 100.5}\n' for core in range(80)
    )


EXPORTERS: dict[str, tuple[str, Callable[[], str]]] = {
    name: (f"{name}{ending}", write)
    for name, ending, write in (
        ("zabbix_export", ".ndjson", json_exporters.zabbix_export),
        ("zabbix_history", ".json", json_answers.zabbix_history),
        ("influx_annotated", ".csv", influx_annotated),
        ("influx_plain", ".csv", influx_plain),
        ("influx_lines", ".txt", influx_lines),
        ("grafana", ".csv", grafana),
        ("grafana_excel", ".csv", grafana_excel),
        ("tasmota", ".jsonl", json_exporters.tasmota),
        ("shelly", ".jsonl", json_exporters.shelly),
        ("mqtt_bridge", ".jsonl", json_exporters.mqtt_bridge),
        ("cloudwatch_stream", ".jsonl", json_exporters.cloudwatch_stream),
        ("cloudwatch_statistics", ".json", json_answers.cloudwatch_statistics),
        ("azure_records", ".jsonl", json_exporters.azure_records),
        ("azure_list", ".json", json_answers.azure_list),
        ("datadog", ".json", json_answers.datadog),
        ("metricbeat", ".ndjson", json_exporters.metricbeat),
        ("opcua", ".csv", opcua),
        ("pi", ".csv", pi),
        ("wonderware", ".tsv", wonderware),
        ("lorawan", ".jsonl", json_exporters.lorawan),
        ("modbus", ".csv", modbus),
        ("netdata_export", ".jsonl", json_exporters.netdata_export),
        ("netdata_data", ".json", json_answers.netdata_data),
        ("collectd", ".jsonl", json_exporters.collectd),
        ("statsd", ".txt", statsd),
        ("graphite", ".txt", graphite),
        ("exposition", ".txt", exposition),
        ("syslog", ".jsonl", json_exporters.syslog),
        ("home_assistant_json", ".json", json_answers.home_assistant_json),
    )
}
"""By name the file, and what writes it."""
