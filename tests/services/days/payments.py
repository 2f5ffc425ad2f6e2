"""Card payments of three days, and later days with thirty frauds each by amount, from a new country, and of odd text."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

ODD = 30
KINDS = ("amount", "country", "text")
COUNTRY = "NG"
_COUNTRIES = {"DE": 0.45, "FR": 0.15, "NL": 0.1, "PL": 0.08, "ES": 0.07, "IT": 0.07, "GB": 0.06, "RO": 0.02}
_TRADES = ["grocery", "fuel", "restaurant", "electronics", "travel", "gambling"]
_LOGS = np.array([3.2, 3.9, 3.4, 5.0, 5.6, 4.2])
_MERCHANTS = 200


def payments(count: int, day: int, seed: int, *, odd: bool = False) -> tuple[pd.DataFrame, np.ndarray]:
    """Payments in the order of time from a day of November, over three days; [count] of what kind each is."""
    random, start = np.random.default_rng(seed), datetime(2026, 11, day, tzinfo=UTC)
    share = 1 / np.arange(1, _MERCHANTS + 1)
    merchant = random.choice(_MERCHANTS, count, p=share / share.sum())
    trade = np.array(_TRADES)[merchant % len(_TRADES)]
    seconds = np.sort(random.uniform(0, 3 * 86_400, count))
    names = [f"M{number:03}" for number in merchant]
    table = pd.DataFrame(
        {
            "time": [(start + timedelta(seconds=float(each))).strftime("%Y-%m-%dT%H:%M:%SZ") for each in seconds],
            "card": random.integers(0, 4_000, count).astype(str),
            "merchant": names,
            "category": trade,
            "country": random.choice(list(_COUNTRIES), count, p=list(_COUNTRIES.values())),
            "amount": np.round(np.exp(random.normal(_LOGS[merchant % len(_TRADES)], 0.6)), 2),
            "channel": random.choice(["chip", "contactless", "online"], count, p=[0.4, 0.4, 0.2]),
            "segment": random.choice(["retail", "business", "student"], count, p=[0.7, 0.2, 0.1]),
            "description": [f"purchase at {name} {each}" for name, each in zip(names, trade, strict=True)],
        }
    )
    kinds = np.full(count, "normal", object)
    if odd:
        chosen = random.choice(count, 3 * ODD, replace=False).reshape(3, ODD)
        for kind, rows in zip(KINDS, chosen, strict=True):
            kinds[rows] = kind
        table.loc[chosen[0], "amount"] = np.round(table.loc[chosen[0], "amount"] * 25, 2)
        table.loc[chosen[1], ["country", "channel"]] = [COUNTRY, "online"]
        table.loc[chosen[2], "description"] = "urgent gift card wire refund bitcoin"
    return table, kinds
