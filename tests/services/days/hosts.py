"""Forty hosts, a record of nine metrics a minute each, and a morning with an outage, a slow disk and planned work."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

WEB, DATABASES = 30, 10
HOSTS = [f"web-{number:02}" for number in range(WEB)] + [f"db-{number:02}" for number in range(DATABASES)]
START = datetime(2026, 11, 20, tzinfo=UTC)
OUTAGE, SLOW_DISK, WORK = (60, 80), (130, 150), (200, 225)
"""Minutes of the morning: thirty web hosts' latency, one database's disk, maintenance of five hosts."""
WORKED_ON = HOSTS[5:10]
SLOW = "db-04"
METRICS = [
    "cpu_user",
    "cpu_iowait",
    "mem_used",
    "disk_used",
    "disk_io_time",
    "net_recv",
    "net_sent",
    "connections",
    "p99",
]


def morning(day: int, minutes: int, *, faults: bool = False) -> pd.DataFrame:
    """Records in the order of time: `minutes` of a day, each of every host."""
    fleet, random = np.random.default_rng(7), np.random.default_rng(day)
    count = len(HOSTS)
    size, habit = fleet.uniform(0.6, 1.6, count), fleet.uniform(0.8, 1.2, (count, len(METRICS)))
    full, swing = fleet.uniform(30, 70, count), np.zeros(count)
    rows = []
    for minute in range(minutes):
        swing = 0.9 * swing + random.normal(0, 0.1, count)
        load = np.maximum(0.05, size * (1 + 0.3 * np.sin(2 * np.pi * minute / 720)) * (1 + 0.4 * swing))
        shown = np.stack(
            [
                20 * load, 2 * load**0.5, 40 + 6 * load, full, 5 * load,
                1e6 * load, 2e6 * load, 200 * load, 80 + 40 * load,
            ],
            axis=1,
        )  # fmt: skip
        shown = shown * habit * (1 + random.normal(0, 0.03, shown.shape))
        if faults and OUTAGE[0] <= minute < OUTAGE[1]:
            shown[:WEB, METRICS.index("p99")] *= 6
            shown[:WEB, METRICS.index("connections")] *= 3
        if faults and SLOW_DISK[0] <= minute < SLOW_DISK[1]:
            shown[HOSTS.index(SLOW), METRICS.index("cpu_iowait")] *= 12
            shown[HOSTS.index(SLOW), METRICS.index("disk_io_time")] *= 6
        if faults and WORK[0] <= minute < WORK[1]:
            shown[5:10, METRICS.index("net_recv") : METRICS.index("connections") + 1] = 0
            shown[5:10, METRICS.index("cpu_user")] *= 0.1
        time = (START + timedelta(days=day, minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ")
        rows += [
            {"at": time, "host": host, **dict(zip(METRICS, np.round(shown[each], 4), strict=True))}
            for each, host in enumerate(HOSTS)
        ]
    return pd.DataFrame(rows)


def moment(day: int, minute: int) -> str:
    """A minute of a morning, as commands take it."""
    return (START + timedelta(days=day, minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ")
