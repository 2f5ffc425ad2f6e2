"""A shop whose sales are scored one by one, with alerts of a country that it never sold to."""

from typing import Any

import numpy as np

from latentwatch.alerts.monitors import register_monitor
from latentwatch.alerts.reading.inbox import AlertFilter, inbox
from latentwatch.alerts.registry import ModelRegistry
from latentwatch.alerts.store import AlertStore
from latentwatch.detector.bundle import save_bundle
from latentwatch.detector.interface import Contexts, Detector
from latentwatch.detector.training import learn
from latentwatch.domain.alert import Alert
from latentwatch.domain.model import Judgement
from latentwatch.domain.model_choice import ModelChoice
from latentwatch.domain.monitor import parse_monitor
from latentwatch.domain.outcome import OffsetMove, Outcome
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.review.room import Room
from latentwatch.streams.outcomes import Scored, Serving, count_minutes, describe, flagged_rows
from tests.review.sketch import EVIL

SHOP = parse_monitor(
    "name: shop\nsource: {file: {path: x.csv}}\nalert: {false_alarm_rate: 0.001}\n"
    "record: {time: at, entity: id, features: {amount: numeric, tax: numeric, country: category}}\n"
)


def sales(count: int, seed: int, country: str | None = None) -> Batch:
    """Sales of a minute each, of four countries or of one."""
    random = np.random.default_rng(seed)
    due = np.exp(random.normal(3, 0.5, count))
    return batch_from_columns(
        SHOP.record,
        {
            "amount": due,
            "tax": 0.2 * due + random.normal(0, 0.05, count),
            "country": [country] * count if country else random.choice(["DE", "FR", "NL", "PL"], count),
        },
        entities=[f"{seed}-{row}" for row in range(count)],
        times=1_770_000_000_000_000 + np.arange(count, dtype=np.int64) * 60_000_000,
        first_offset=0,
    )


def trained_shop() -> Detector:
    """Knows four countries."""
    return learn(sales(3_000, 0), ModelChoice(kind="linear"), 1)


def sold_abroad(room: Room, detector: Detector) -> list[Alert]:
    """Alerts of six sales of a fifth country, each of its own."""
    bundle = save_bundle(detector, room.bundles)
    registry = ModelRegistry(room.engine, room.clock)
    register_monitor(room.engine, SHOP, room.clock)
    version = registry.register(SHOP.name, bundle, detector.kind, 3_000, None, None, None)
    registry.judge(SHOP.name, version.version, Judgement(True, ("good",)))
    serving = Serving.of(room.bundle_cache.detector(bundle), version.version, SHOP)
    batch = sales(6, 1, EVIL)
    scored = Scored(batch, serving.detector.score(batch, none(batch)), none(batch))
    rows = flagged_rows(scored, serving)
    assert len(rows) == 6
    store = AlertStore(room.engine, SHOP.name, room.clock)
    store.claim(batch.source, 0, 0)
    told = describe(scored.take(rows), serving)
    counts = count_minutes(scored, rows, serving)
    store.commit(Outcome(SHOP.name, batch.source, (OffsetMove(0, 0, 6),), flagged=told, counts=counts))
    return list(inbox(room.engine, AlertFilter(monitor=SHOP.name), limit=10).alerts)


def none(batch: Batch) -> Any:
    """No context."""
    return Contexts(np.zeros((len(batch), 0), np.float32), np.zeros(len(batch), np.int64))
