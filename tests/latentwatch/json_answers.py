"""Answers of monitoring systems that are one JSON document."""

import json

import numpy as np

from tests.latentwatch.measured import HOSTS, TICKS, at, epoch, iso, level


def zabbix_history() -> str:
    """The answer of Zabbix's history.get."""
    values = [
        {
            "itemid": str(23296 + of),
            "clock": str(epoch(tick)),
            "value": str(level(tick, 0, of)),
            "ns": str(tick * 7919 % 10**9),
        }
        for tick in range(TICKS)
        for of in range(2)
    ]
    return json.dumps({"jsonrpc": "2.0", "result": values, "id": 1})


def cloudwatch_statistics() -> str:
    """The answer of CloudWatch's get-metric-statistics, in no order."""
    order = np.random.default_rng(3).permutation(TICKS)
    points = [{"Timestamp": iso(int(tick)), "Average": level(int(tick)), "Unit": "Percent"} for tick in order]
    return json.dumps({"Label": "CPUUtilization", "Datapoints": points}, indent=4)


def azure_list() -> str:
    """The answer of `az monitor metrics list`."""
    data = [{"timeStamp": iso(tick), "average": level(tick)} for tick in range(TICKS)]
    value = {
        "name": {"value": "Percentage CPU"},
        "unit": "Percent",
        "timeseries": [{"data": data, "metadatavalues": []}],
    }
    return json.dumps({"cost": 0, "interval": "PT1M", "timespan": "x", "value": [value]}, indent=2)


def datadog() -> str:
    """The answer of Datadog's query of timeseries."""
    series = [
        {
            "metric": "system.cpu.idle",
            "scope": f"host:{host}",
            "pointlist": [[epoch(tick) * 1000.0, level(tick, machine)] for tick in range(TICKS)],
            "interval": 60,
            "unit": None,
        }
        for machine, host in enumerate(HOSTS)
    ]
    return json.dumps({"status": "ok", "res_type": "time_series", "series": series})


def netdata_data() -> str:
    """The answer of Netdata's api/v1/data, latest first."""
    rows = [[epoch(tick), level(tick), level(tick, 0, 1)] for tick in reversed(range(TICKS))]
    return json.dumps({"labels": ["time", "user", "system"], "data": rows})


def home_assistant_json() -> str:
    """The answer of Home Assistant's api/history: a list of states for each entity."""
    return json.dumps(
        [
            [
                {
                    "entity_id": f"sensor.{name}",
                    "state": str(level(tick, 0, of)),
                    "attributes": {"unit_of_measurement": "W"},
                    "last_changed": f"{at(tick):%Y-%m-%dT%H:%M:%S}.123456+00:00",
                    "last_updated": f"{at(tick):%Y-%m-%dT%H:%M:%S}.123456+00:00",
                }
                for tick in range(TICKS)
            ]
            for of, name in enumerate(("power", "voltage"))
        ]
    )
