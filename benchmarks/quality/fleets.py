"""The same number of records as ever more entities: what a budget of false alarms finds in a fleet, and what it costs.

Six sensors follow two hidden drives, each entity with levels, spreads and drives of its own, a record a minute. Whatever the
fleet, 300,000 records train, and 28 faults of 40 records, seven kinds and the size of the judge's, are planted into what
follows; entities go on from their past, as on a scorer. Rows [N, 2 + C] are the time in seconds, the entity and the sensors.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from sklearn.neighbors import NearestNeighbors

from benchmarks.quality.cases import Numbers
from benchmarks.quality.measuring import finite
from benchmarks.quality.methods import Flags, Floats, Method
from benchmarks.quality.metrics import auroc
from benchmarks.quality.stopwatch import Stopwatch
from latentwatch.detector.faults import SENSOR_FAULTS, FaultKind, plant_faults
from latentwatch.detector.spread import spread_over
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.record import Batch, batch_from_columns
from latentwatch.domain.schema import RecordSchema

SIZES = (10, 100, 1_000, 10_000)
CADENCE, SENSORS = 60.0, 6
TRAIN_RECORDS, TEST_RECORDS, MOST_TESTED = 300_000, 60_000, 300
FAULT_RECORDS, FAULTS_A_KIND = 40, 4
BUDGETS = {
    "whole": AlertPolicy(false_alarms_per_day=2.0),
    "each": AlertPolicy(false_alarms_per_day=0.1, per="entity"),
}
BUDGET_NAMES = (("whole", "two a day of all"), ("each", "one in ten days of each"))
_DAY = 86_400.0
_RANKED = 30_000
"""Training records whose strangeness sets a peer's threshold."""
_KEPT = np.array([0.97, 0.8])
"""What a drive keeps of itself from one record to the next."""
_SCHEMA = RecordSchema.model_validate(
    {"time": "at", "entity": "unit", "features": {f"x{sensor}": "numeric" for sensor in range(SENSORS)}}
)
_KINDS = tuple(kind for kind in SENSOR_FAULTS if kind is not FaultKind.CONSTANT_MOVES)


class Fleet(NamedTuple):
    """One fleet's stretches, in order of time."""

    train: Batch
    """All entities."""
    past: Batch
    """Of the entities that are tested, what trained."""
    normal: Batch
    """What follows."""
    faulty: Batch
    """The same with faults."""
    faults: list[Any]


class FleetMethod(Protocol):
    """What gives a fleet's records one number each."""

    def fit(self, train: Batch) -> None:
        """Learn from normal records."""

    def strangeness(self, past: Batch, records: Batch) -> Floats:
        """[N] of records that follow the past of their entities."""

    def threshold(self, policy: AlertPolicy) -> tuple[float, float]:
        """From which strangeness records are flagged, and the share of normal ones that this promises."""


def generate(entities: int, seed: int) -> Fleet:
    """The fleet of so many entities."""
    random = np.random.default_rng(300 + seed)
    before, tested = TRAIN_RECORDS // entities, min(entities, MOST_TESTED)
    values = _readings(random, entities, before + TEST_RECORDS // tested)
    chosen = np.sort(random.choice(entities, tested, replace=False))
    everyone = np.arange(entities)
    normal = _batch(values[chosen, before:], before, chosen)
    faulty, faults = plant_faults(normal, seed, _KINDS, per_kind=FAULTS_A_KIND, length=FAULT_RECORDS)
    past = _batch(values[chosen, :before], 0, chosen)
    return Fleet(_batch(values[:, :before], 0, everyone), past, normal, faulty, faults)


def _readings(random: np.random.Generator, entities: int, count: int) -> Floats:
    """[entities, count, SENSORS]"""
    gains = random.normal(size=(2, SENSORS))
    gains /= np.linalg.norm(gains, axis=0)
    level = random.normal(size=(entities, 1, SENSORS))
    spread = np.exp(0.15 * random.normal(size=(entities, 1, SENSORS)))
    drive = random.normal(size=(entities, count, 2))
    for record in range(1, count):
        drive[:, record] = _KEPT * drive[:, record - 1] + np.sqrt(1 - _KEPT**2) * drive[:, record]
    return np.asarray(level + spread * (drive @ gains) + 0.25 * random.normal(size=(entities, count, SENSORS)))


def _batch(values: Floats, first: int, entities: Any) -> Batch:
    """Records [E, n, SENSORS], the first of them that many after the beginning, in order of time."""
    count = values.shape[1]
    rows = values.transpose(1, 0, 2).reshape(-1, SENSORS)
    seconds = 1_760_000_000 + (first + np.arange(count)) * CADENCE
    names = np.array([f"unit {entity:05d}" for entity in entities], object)
    return batch_from_columns(
        _SCHEMA,
        {f"x{sensor}": rows[:, sensor] for sensor in range(SENSORS)},
        times=np.repeat((seconds * 1e6).astype(np.int64), len(entities)),
        entities=np.tile(names, count),
    )


def fleet(folder: Path, name: str, method: Method, seed: int) -> Numbers:
    """Faults found at each budget, and what is flagged without them."""
    del folder
    drawn = generate(int(name), seed)
    model: FleetMethod = method.build(seed)  # type: ignore[assignment]
    with Stopwatch() as watch:
        model.fit(drawn.train)
    normal = finite(model.strangeness(drawn.past, drawn.normal))
    faulty = finite(model.strangeness(drawn.past, drawn.faulty))
    truth: Flags = np.zeros(len(drawn.faulty), bool)
    truth[np.concatenate([fault.rows for fault in drawn.faults])] = True
    numbers = {"auroc": auroc(truth, faulty), "planted": float(len(drawn.faults)), "fit_seconds": watch.seconds}
    for budget, policy in BUDGETS.items():
        threshold, promised = model.threshold(policy)
        before, after = normal >= threshold, faulty >= threshold
        numbers[f"found_{budget}"] = float(sum((after & ~before)[fault.rows].any() for fault in drawn.faults))
        numbers[f"flagged_{budget}"] = float(before.mean())
        numbers[f"promised_{budget}"] = promised
    return numbers


class FleetLatentwatch:
    """The detector as a monitor has it: `window: auto`, shipped defaults."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def fit(self, train: Batch) -> None:
        """Train on all records, as a monitor's training does after its split."""
        from latentwatch.detector.training import learn, window_of
        from latentwatch.domain.model_choice import ModelChoice
        from latentwatch.domain.monitor import Monitor
        from latentwatch.domain.sources import FileSettings, SourceSettings

        choice = ModelChoice(seed=self._seed)
        monitor = Monitor(
            name="fleet", source=SourceSettings(file=FileSettings(path="-")), record=_SCHEMA, model=choice
        )
        self._detector: Any = learn(train, choice, window_of(train, monitor))

    def strangeness(self, past: Batch, records: Batch) -> Floats:
        """[N] surprise, -log10 p."""
        names, owners = np.unique(past.entities.astype(str), return_inverse=True)
        states = self._detector.context.fresh(names.tolist())
        self._detector.context.extend(states, owners.astype(np.intp), past)
        owners = np.searchsorted(names, records.entities.astype(str)).astype(np.intp)
        contexts = self._detector.context.extend(states, owners, records)
        return np.asarray(self._detector.score(records, contexts).surprise, np.float64)

    def threshold(self, policy: AlertPolicy) -> tuple[float, float]:
        """Of the budget, as far as calibration can tell."""
        threshold = self._detector.budget(policy).threshold
        return threshold, 10.0**-threshold


class _OfItsEntity(ABC):
    """Scores each record less the mean of its entity in training, on which the threshold is set: at the share of records that
    the budget allows, or at the strangest of all where that is less than one."""

    def fit(self, train: Batch) -> None:
        """Learn each entity's level, the rest, and the training records' own strangeness."""
        names, owners = np.unique(train.entities.astype(str), return_inverse=True)
        sums = np.stack([np.bincount(owners, column) for column in train.numbers.T.astype(np.float64)], axis=1)
        self._names, self._levels = names, sums / np.bincount(owners)[:, None]
        self._daily = len(names) * _DAY / CADENCE
        rows = self._centred(train)
        self.learn(rows)
        self._training = np.sort(self.score(rows[spread_over(len(rows), _RANKED)]))

    def strangeness(self, past: Batch, records: Batch) -> Floats:
        """[N] whatever came before."""
        del past
        return self.score(self._centred(records))

    def threshold(self, policy: AlertPolicy) -> tuple[float, float]:
        """The training records' quantile."""
        rate = policy.daily_budget(len(self._names)) / self._daily
        return float(np.quantile(self._training, 1 - min(1.0, rate))), rate

    def _centred(self, batch: Batch) -> Floats:
        owners = np.searchsorted(self._names, batch.entities.astype(str))
        return np.asarray(batch.numbers - self._levels[owners], np.float64)

    @abstractmethod
    def learn(self, rows: Floats) -> None:
        """Learn rows [N, F], each told from its entity's level."""

    @abstractmethod
    def score(self, rows: Floats) -> Floats:
        """[N] how strange such rows are."""


class EntityMahalanobis(_OfItsEntity):
    """The Mahalanobis distance from the entity's level, by the covariance of all."""

    def learn(self, rows: Floats) -> None:
        """The precision."""
        self._precision = np.linalg.pinv(np.cov(rows.T))

    def score(self, rows: Floats) -> Floats:
        """[N]"""
        return np.asarray(np.einsum("nf,fg,ng->n", rows, self._precision, rows))


class EntityNeighbours(_OfItsEntity):
    """The mean distance from the five nearest of 20,000 training records, the levels of entities taken off."""

    def learn(self, rows: Floats) -> None:
        """Keep some rows; none counts as its own neighbour, since the nearest is passed over where it is the same."""
        chosen = np.random.default_rng(0).choice(len(rows), min(20_000, len(rows)), replace=False)
        self._near = NearestNeighbors(n_neighbors=6).fit(rows[chosen])

    def score(self, rows: Floats) -> Floats:
        """[N]"""
        distance = self._near.kneighbors(rows)[0]
        same = distance[:, :1] == 0
        return np.asarray(np.where(same[:, 0], distance[:, 1:].mean(axis=1), distance[:, :5].mean(axis=1)))


def methods() -> list[Method]:
    """Ours and what looks at each record as its entity's."""
    from benchmarks.quality.ours import OURS

    return [
        Method(OURS, "ours", FleetLatentwatch, seeds=1, quick=True),  # type: ignore[arg-type]
        Method("Mahalanobis by entity", "peer", lambda _: EntityMahalanobis(), seeds=1, quick=True),  # type: ignore[arg-type,return-value]
        Method("kNN mean of 5 by entity", "peer", lambda _: EntityNeighbours(), seeds=1),  # type: ignore[arg-type,return-value]
    ]
