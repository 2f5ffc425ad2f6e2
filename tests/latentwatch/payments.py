"""Card payments, and days with payments of three odd kinds among them, thirty of each."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

ODD = 30
_COUNTRIES = {"DE": 0.45, "FR": 0.15, "NL": 0.1, "PL": 0.08, "ES": 0.07, "IT": 0.07, "GB": 0.06, "RO": 0.02}
_TRADES = {"grocery": 3.2, "fuel": 3.9, "restaurant": 3.4, "electronics": 5.0, "travel": 5.6, "gambling": 4.2}


def write_payments(path: Path, count: int, day: int, *, odd: bool = False) -> np.ndarray:
    """Write payments of three days as CSV; [count] of what kind each is: normal, amount, country or text."""
    random = np.random.default_rng(day)
    trades, logs = list(_TRADES), np.array(list(_TRADES.values()))
    share = 1 / np.arange(1, 121)
    shop = random.choice(120, count, p=share / share.sum())
    trade = shop % len(trades)
    start = datetime(2026, 11, day, tzinfo=UTC)
    table = pd.DataFrame(
        {
            "id": [f"tx{day:02}{row:06}" for row in range(count)],
            "time": [
                (start + timedelta(seconds=float(second))).strftime("%Y-%m-%dT%H:%M:%SZ")
                for second in np.sort(random.uniform(0, 3 * 86_400, count))
            ],
            "shop": [f"shop {place}" for place in shop],
            "trade": [trades[each] for each in trade],
            "country": random.choice(list(_COUNTRIES), count, p=list(_COUNTRIES.values())),
            "amount": np.round(np.exp(random.normal(logs[trade], 0.6)), 2),
            "channel": random.choice(["chip", "contactless", "online"], count, p=[0.4, 0.4, 0.2]),
            "description": [
                f"purchase at shop {place} {trades[each]}" for place, each in zip(shop, trade, strict=True)
            ],
        }
    )
    kinds = np.full(count, "normal", object)
    if odd:
        chosen = random.choice(count, 3 * ODD, replace=False).reshape(3, ODD)
        for kind, rows in zip(("amount", "country", "text"), chosen, strict=True):
            kinds[rows] = kind
        table.loc[chosen[0], "amount"] *= 25
        table.loc[chosen[1], "country"] = "NG"
        table.loc[chosen[2], "description"] = "urgent gift card wire refund bitcoin"
    table.to_csv(path, index=False)
    return kinds


MONITOR = """
name: payments
source: {file: {path: %s}}
record:
  time: time
  entity: id
  features:
    {shop: category, trade: category, country: category, amount: numeric, channel: category, description: text}
alert: {false_alarm_rate: 0.001}
"""
