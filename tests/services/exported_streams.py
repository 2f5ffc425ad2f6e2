"""Streams as exporters, clouds and devices send them, of the same two numbers as those of collectors and brokers.

What each looks like in a file alone is tested with `tests.latentwatch.exporters`.
"""

import json
from collections.abc import Iterator

from tests.services.kinds_of_streams import ENTITIES, Kind, Measured, Record, iso


def _units(tick: list[Measured]) -> Iterator[Record]:
    """A percent sign, and sizes of two units beside their numbers."""
    for each in tick:
        size = f"{each.b / 20:.3f} GiB" if each.b > 20 else f"{each.b * 51.2:.2f} MiB"
        yield {"timestamp": iso(each.at), "rig": f"rig-{each.entity}", "load": f"{each.a}%", "memory": size}


def _suffixes(tick: list[Measured]) -> Iterator[Record]:
    """Thousands as a K, as dashboards shorten numbers."""
    for each in tick:
        views = f"{each.b / 20:.2f}K" if each.b > 20 else str(round(each.b * 50))
        yield {"timestamp": iso(each.at), "rig": f"rig-{each.entity}", "load": each.a, "views": views}


def _money(tick: list[Measured]) -> Iterator[Record]:
    """Amounts with a currency and parted thousands; what is owed stands in parentheses."""
    for each in tick:
        owed = f"(${each.b * 100:,.2f})"
        yield {
            "timestamp": iso(each.at),
            "account": f"acc-{each.entity}",
            "paid": f"${each.a * 100:,.2f}",
            "owed": owed,
        }


def _commas(tick: list[Measured]) -> Iterator[Record]:
    """As a German spreadsheet writes numbers."""
    for each in tick:
        a, b = (f"{value * 100:,.2f}".translate(str.maketrans(",.", ".,")) for value in (each.a, each.b))
        yield {"timestamp": iso(each.at), "rig": f"rig-{each.entity}", "a": a, "b": b}


def _umlauts(tick: list[Measured]) -> Iterator[Record]:
    """Words that ASCII does not have."""
    for each in tick:
        yield {"Zeit": iso(each.at), "Gerät": f"Mühle {each.entity}", "Größe": each.a, "Menge": each.b}


def _bridge(tick: list[Measured]) -> Iterator[Record]:
    """A broker's bridge: what the device sent stands as text in the message."""
    for each in tick:
        payload = json.dumps({"temperature": each.a, "humidity": each.b})
        yield {"topic": f"zigbee/h{each.entity}", "qos": 0, "timestamp": each.epoch * 1000, "payload": payload}


def _collectd(tick: list[Measured]) -> Iterator[list[Record]]:
    for each in tick:
        yield [
            {
                "values": [value],
                "dstypes": ["gauge"],
                "dsnames": ["value"],
                "time": each.epoch + 0.45,
                "interval": 60.0,
                "host": f"h{each.entity}",
                "plugin": "cpu",
                "plugin_instance": "0",
                "type": "percent",
                "type_instance": name,
            }
            for name, value in (("idle", each.a), ("user", each.b))
        ]


def _cloudwatch(tick: list[Measured]) -> Iterator[Record]:
    for each in tick:
        for name, value in (("CPUUtilization", each.a), ("NetworkIn", each.b)):
            statistics = {"max": value, "min": round(value - 1.5, 3), "sum": round(5 * value - 3, 3), "count": 5.0}
            yield {
                "metric_stream_name": "all",
                "account_id": "123456789012",
                "region": "eu-central-1",
                "namespace": "AWS/EC2",
                "metric_name": name,
                "dimensions": {"InstanceId": f"i-0{each.entity}"},
                "timestamp": each.epoch * 1000,
                "value": statistics,
                "unit": "Percent",
            }


def _azure(tick: list[Measured]) -> Iterator[Record]:
    yield {
        "records": [
            {
                "count": 4,
                "total": round(4 * value, 3),
                "minimum": value - 1,
                "maximum": value + 1,
                "average": value,
                "resourceId": f"/SUBSCRIPTIONS/X/VIRTUALMACHINES/H{each.entity}",
                "time": f"{each.at:%Y-%m-%dT%H:%M:%S}.0000000Z",
                "metricName": name,
                "timeGrain": "PT1M",
            }
            for each in tick
            for name, value in (("Percentage CPU", each.a), ("Network In Total", each.b))
        ]
    }


def _metricbeat(tick: list[Measured]) -> Iterator[Record]:
    """Two sets of metrics; that with the most records is the monitor's."""
    for each in tick:
        for kind, system in (
            ("cpu", {"cpu": {"user": {"pct": each.a}, "idle": {"pct": each.b}}}),
            ("memory", {"memory": {"used": {"pct": 0.5}}}),
        )[: 1 + each.tick % 2]:
            yield {
                "@timestamp": f"{each.at:%Y-%m-%dT%H:%M:%S}.123Z",
                "event": {"dataset": f"system.{kind}", "module": "system", "duration": 100_000 + each.tick * 37 % 5000},
                "metricset": {"name": kind, "period": 60000},
                "agent": {"type": "metricbeat", "id": f"a-{each.entity}", "name": f"h{each.entity}"},
                "host": {"name": f"h{each.entity}"},
                "system": system,
            }


def _things_network(tick: list[Measured]) -> Iterator[Record]:
    for each in tick:
        decoded = {"soil_moisture": each.b, "temperature": each.a}
        yield {
            "end_device_ids": {"device_id": f"soil-{each.entity}", "dev_eui": f"70B3D5{each.entity}"},
            "correlation_ids": [f"gs:uplink:{each.tick}{each.entity}"],
            "received_at": f"{each.at:%Y-%m-%dT%H:%M:%S}.123456789Z",
            "uplink_message": {
                "f_port": 2,
                "f_cnt": 100 + each.tick,
                "frm_payload": f"AQ{each.tick:04}==",
                "decoded_payload": decoded,
                "rx_metadata": [{"gateway_ids": {"gateway_id": "g1"}, "rssi": -90, "snr": 7.5}],
            },
        }


def _chirpstack(tick: list[Measured]) -> Iterator[Record]:
    for each in tick:
        yield {
            "deduplicationId": f"3ac7e3c4-{each.tick:04}-{each.entity}",
            "time": f"{each.at:%Y-%m-%dT%H:%M:%S}.205443+00:00",
            "deviceInfo": {
                "tenantName": "ChirpStack",
                "applicationName": "farm",
                "deviceProfileName": "soil",
                "deviceName": f"soil-{each.entity}",
                "devEui": f"0101010101010{each.entity}",
                "tags": {},
            },
            "devAddr": f"0018934{each.entity}",
            "adr": True,
            "dr": 5,
            "fCnt": 100 + each.tick,
            "fPort": 2,
            "confirmed": False,
            "data": f"AQ{each.tick:04}==",
            "object": {"temperature": each.a, "moisture": each.b},
            "rxInfo": [{"gatewayId": "0016c001f153a14c", "rssi": -48, "snr": 9.0}],
            "txInfo": {"frequency": 868100000},
        }


def _zabbix(tick: list[Measured]) -> Iterator[Record]:
    for each in tick:
        for of, (name, value) in enumerate((("CPU idle", each.a), ("Memory used", each.b))):
            yield {
                "host": {"host": f"h{each.entity}", "name": f"h{each.entity}"},
                "groups": ["Linux servers"],
                "itemid": 40 * each.entity + of,
                "name": name,
                "clock": each.epoch,
                "ns": (each.tick * 7919 + of) % 1_000_000_000,
                "value": value,
                "type": 0,
            }


def _netdata(tick: list[Measured]) -> Iterator[Record]:
    for each in tick:
        for name, value in (("user", each.a), ("system", each.b)):
            chart = {"chart_id": "system.cpu", "chart_name": "system.cpu", "units": "percentage"}
            source = {"prefix": "netdata", "hostname": f"h{each.entity}"}
            yield {**source, **chart, "id": name, "name": name, "value": value, "timestamp": each.epoch}


def _opcua(tick: list[Measured]) -> Iterator[Record]:
    """One machine's values by node."""
    for name, value in (("Temperature", tick[0].a), ("Pressure", tick[0].b)):
        at = f"{tick[0].at:%Y-%m-%dT%H:%M:%S}.000Z"
        yield {"SourceTimestamp": at, "NodeId": f"ns=2;s=Line1.{name}", "Value": value, "StatusCode": "Good"}


def _pi(tick: list[Measured]) -> Iterator[Record]:
    """One machine's tags, with a digital state now and then where a number belongs."""
    first = tick[0]
    level = "Bad Input" if first.tick % 150 == 70 else first.a
    yield {"Timestamp": f"{first.at:%d-%b-%Y %H:%M:%S}", "SINUSOID": level, "FIC101.PV": first.b}


def _modbus(tick: list[Measured]) -> Iterator[Record]:
    for each in tick:
        at = f"{each.at:%Y/%m/%d %H:%M:%S}"
        registers = {"40001": round(each.a * 100), "40003": round(each.b * 100)}
        yield {"Timestamp": at, "Slave ID": each.entity + 1, **registers, "Status": f"0x{each.tick % 4:04X}"}


def _tasmota(tick: list[Measured]) -> Iterator[Record]:
    first = tick[0]
    yield {
        "Time": f"{first.at:%Y-%m-%dT%H:%M:%S}",
        "AM2301": {"Temperature": first.a, "Humidity": first.b},
        "TempUnit": "C",
    }


def _shelly(tick: list[Measured]) -> Iterator[Record]:
    for each in tick:
        switch = {"id": 0, "apower": each.a, "current": each.b, "temperature": {"tC": 42.5}}
        params = {"ts": each.epoch + 0.43, "switch:0": switch}
        yield {"src": f"shelly-h{each.entity}", "dst": "events", "method": "NotifyStatus", "params": params}


EXPORTED: dict[str, Kind] = {
    "units": Kind(_units, table=True, told=("unit: '%'", "GiB: 1024")),
    "suffixes": Kind(_suffixes, told=("K: 1000",)),
    "money": Kind(_money, table=True, told=("written: 1,234.5", "unit: $")),
    "german numbers": Kind(_commas, table=True, told=("written: 1.234,5",)),
    "excel's encoding": Kind(_umlauts, table=True, saved="cp1252", told=("encoding: cp1252", "Größe: numeric")),
    "utf-16": Kind(_umlauts, table=True, saved="utf-16", told=("entity: Gerät",)),
    "json held as text": Kind(_bridge, told=("unpack: payload", "payload.temperature")),
    "collectd": Kind(_collectd, told=("collector: collectd", "long:"), held=len),
    "cloudwatch": Kind(_cloudwatch, told=("dimensions.InstanceId", "values: value")),
    "azure": Kind(_azure, told=("arrays: records", "long:"), held=lambda message: len(message["records"])),
    "metricbeat": Kind(_metricbeat, told=("metricset.name: cpu",)),
    "the things network": Kind(_things_network, told=("end_device_ids.device_id",)),
    "chirpstack": Kind(_chirpstack, told=("deviceInfo.dev", "object.temperature")),
    "zabbix": Kind(_zabbix, told=("host.host", "long:")),
    "netdata": Kind(_netdata, told=("entity: hostname", "long:")),
    "opc ua": Kind(_opcua, entities=1, table=True, told=("long:",)),
    "pi": Kind(_pi, entities=1, table=True, told=("- Bad Input",)),
    "modbus": Kind(_modbus, table=True, told=("entity: Slave ID",)),
    "tasmota": Kind(_tasmota, entities=1, told=("AM2301.Temperature",)),
    "shelly": Kind(_shelly, told=("entity: src",)),
}
assert ENTITIES == 2  # several kinds name their entities by one digit
