"""Messages of collectors, clouds and devices, as JSON lines."""

import json

from tests.latentwatch.measured import HOSTS, TICKS, at, each, epoch, level, lines


def zabbix_export() -> str:
    """Zabbix's real-time export of history: a value a line."""
    return lines(
        {
            "host": {"host": host, "name": host},
            "groups": ["Linux servers"],
            "item_tags": [{"tag": "component", "value": "cpu"}],
            "itemid": 40 * machine + of,
            "name": ("CPU idle", "Memory used")[of],
            "clock": epoch(tick),
            "ns": (tick * 7919 + of) % 1_000_000_000,
            "value": level(tick, machine, of),
            "type": 0,
        }
        for tick, machine, host in each()
        for of in range(2)
    )


def tasmota() -> str:
    """What Tasmota's sensors send by MQTT."""
    return lines(
        {
            "Time": f"{at(tick):%Y-%m-%dT%H:%M:%S}",
            "AM2301": {
                "Temperature": level(tick),
                "Humidity": level(tick, 0, 3),
                "DewPoint": round(level(tick) / 2, 2),
            },
            "TempUnit": "C",
        }
        for tick in range(TICKS)
    )


def shelly() -> str:
    """What Shelly's second generation notifies."""
    return lines(
        {
            "src": f"shellyplus1pm-{host}",
            "dst": f"shellies/{host}/events",
            "method": "NotifyStatus",
            "params": {
                "ts": epoch(tick) + 0.43,
                "switch:0": {
                    "id": 0,
                    "apower": level(tick, machine),
                    "voltage": round(230 + level(tick, machine, 2) / 10, 1),
                    "aenergy": {"by_minute": [1.5, 2.5, 0.0], "minute_ts": epoch(tick), "total": 1000 + 3.1 * tick},
                },
            },
        }
        for tick, machine, host in each()
    )


def mqtt_bridge() -> str:
    """A broker's bridge that sends payloads as text."""
    return lines(
        {
            "topic": f"zigbee2mqtt/{host}",
            "qos": 0,
            "retain": False,
            "timestamp": epoch(tick) * 1000,
            "payload": json.dumps(
                {"temperature": level(tick, machine), "humidity": level(tick, machine, 3), "linkquality": 80 + tick % 5}
            ),
        }
        for tick, machine, host in each()
    )


def cloudwatch_stream() -> str:
    """CloudWatch's metric streams as JSON."""
    return lines(
        {
            "metric_stream_name": "all",
            "account_id": "123456789012",
            "region": "eu-central-1",
            "namespace": "AWS/EC2",
            "metric_name": name,
            "dimensions": {"InstanceId": f"i-0{machine}"},
            "timestamp": epoch(tick) * 1000,
            "value": {
                "max": level(tick, machine, of),
                "min": round(level(tick, machine, of) - 1.5, 2),
                "sum": round(5 * level(tick, machine, of) - 3, 2),
                "count": 5.0,
            },
            "unit": ("Percent", "Bytes")[of],
        }
        for tick, machine, _ in each()
        for of, name in enumerate(("CPUUtilization", "NetworkIn"))
    )


def azure_records() -> str:
    """Azure Monitor's diagnostic settings to an event hub."""
    return lines(
        {
            "records": [
                {
                    "count": 4,
                    "total": round(4 * level(tick, machine, of), 2),
                    "minimum": level(tick, machine, of) - 1,
                    "maximum": level(tick, machine, of) + 1,
                    "average": level(tick, machine, of),
                    "resourceId": f"/SUBSCRIPTIONS/X/RESOURCEGROUPS/Y/PROVIDERS/MICROSOFT.COMPUTE/VIRTUALMACHINES/{host.upper()}",
                    "time": f"{at(tick):%Y-%m-%dT%H:%M:%S}.0000000Z",
                    "metricName": name,
                    "timeGrain": "PT1M",
                }
                for machine, host in enumerate(HOSTS)
                for of, name in enumerate(("Percentage CPU", "Network In Total"))
            ]
        }
        for tick in range(TICKS)
    )


def metricbeat() -> str:
    """Metricbeat's events of two metricsets."""
    return lines(
        {
            "@timestamp": f"{at(tick):%Y-%m-%dT%H:%M:%S}.123Z",
            "@metadata": {"beat": "metricbeat", "type": "_doc", "version": "8.15.0"},
            "event": {"dataset": f"system.{kind}", "module": "system", "duration": 100_000 + tick * 37 % 5000},
            "metricset": {"name": kind, "period": 10000},
            "service": {"type": "system"},
            "agent": {"type": "metricbeat", "version": "8.15.0", "id": f"a-{machine}", "name": host},
            "host": {"name": host, "cpu": {"usage": round(level(tick, machine) / 100, 4)}},
            "ecs": {"version": "8.0.0"},
            "system": (
                {"cpu": {"cores": 4, "user": {"pct": level(tick, machine)}, "idle": {"pct": level(tick, machine, 1)}}}
                if kind == "cpu"
                else {
                    "memory": {
                        "used": {"pct": level(tick, machine, 2), "bytes": int(1e9 + 1e6 * level(tick, machine, 3))}
                    }
                }
            ),
        }
        for tick, machine, host in each()
        for kind in ("cpu", "memory")
    )


def lorawan() -> str:
    """The Things Network's uplinks."""
    return lines(
        {
            "end_device_ids": {
                "device_id": f"soil-{host}",
                "application_ids": {"application_id": "farm"},
                "dev_eui": f"70B3D5{machine}",
            },
            "correlation_ids": [f"gs:uplink:{tick}{machine}"],
            "received_at": f"{at(tick, 600):%Y-%m-%dT%H:%M:%S}.123456789Z",
            "uplink_message": {
                "f_port": 2,
                "f_cnt": 100 + tick,
                "frm_payload": f"AQ{tick:04}==",
                "decoded_payload": {
                    "soil_moisture": level(tick, machine, 3),
                    "temperature": level(tick, machine),
                    "battery": 3.6,
                },
                "rx_metadata": [{"gateway_ids": {"gateway_id": "g1"}, "rssi": -90 - tick % 7, "snr": 7.5}],
                "settings": {
                    "data_rate": {"lora": {"bandwidth": 125000, "spreading_factor": 7 + tick % 2}},
                    "frequency": "868100000",
                },
                "received_at": f"{at(tick, 600):%Y-%m-%dT%H:%M:%S}.013456789Z",
                "consumed_airtime": "0.056576s",
            },
        }
        for tick, machine, host in each()
    )


def netdata_export() -> str:
    """Netdata's exporting as JSON."""
    return lines(
        {
            "prefix": "netdata",
            "hostname": host,
            "chart_id": "system.cpu",
            "chart_name": "system.cpu",
            "chart_family": "cpu",
            "chart_context": "system.cpu",
            "chart_type": "system",
            "units": "percentage",
            "id": name,
            "name": name,
            "value": level(tick, machine, of),
            "timestamp": epoch(tick),
        }
        for tick, machine, host in each()
        for of, name in enumerate(("user", "system"))
    )


def collectd() -> str:
    """What collectd's write_kafka and write_http send."""
    return lines(
        [
            {
                "values": [level(tick, machine, of)],
                "dstypes": ["gauge"],
                "dsnames": ["value"],
                "time": epoch(tick) + 0.45,
                "interval": 60.0,
                "host": host,
                "plugin": "cpu",
                "plugin_instance": "0",
                "type": "percent",
                "type_instance": name,
            }
            for of, name in enumerate(("idle", "user"))
        ]
        for tick, machine, host in each()
    )


def syslog() -> str:
    """syslog-ng's JSON."""
    return lines(
        {
            "PROGRAM": ("sshd", "cron", "kernel")[tick % 3],
            "PRIORITY": ("info", "notice")[tick % 2],
            "PID": str(900 + tick % 3),
            "MESSAGE": f"Accepted publickey for root from 10.0.0.{tick % 20} port {40000 + tick * 7 % 900}",
            "HOST": host,
            "FACILITY": "auth",
            "DATE": f"{at(tick):%b %d %H:%M:%S}",
        }
        for tick, machine, host in each()
    )
