"""A detector of plain numbers as one of records that hold counters: their rates are judged.

Batch with counters [N] -> contexts with rates, scores

What a rate is says `latentwatch.detector.counting`. Where one is unknown (a restart, an entity's first record), what stands
for it must be no anomaly by itself: it is the entity's mean rate of late, or, where the record would look strange with
that, what its other numbers and its past predict.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.array_prefixes import below, prefixed
from latentwatch.detector.budget import Budget
from latentwatch.detector.bundle import Bundled, detector_from
from latentwatch.detector.corrected_readings import CorrectedDetector
from latentwatch.detector.counting import OF_A_COUNTER, column_of, fresh_counts, read_rates, with_rates
from latentwatch.detector.entities import rows_by_entity
from latentwatch.detector.growth import share_of_falls
from latentwatch.detector.interface import ContextEncoder, Contexts, Detector, MapGround
from latentwatch.detector.latent.state_space import StateSpace
from latentwatch.domain.counters import in_rates
from latentwatch.domain.percent import percent
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.record import Batch, Value
from latentwatch.domain.schema import FeatureType, RecordSchema
from latentwatch.domain.scores import Explanation, Scores

Floats = NDArray[np.float32]

_DAY = 86_400_000_000
"""Microseconds. Longer, and a float of 32 bits no longer tells one second from the next."""

_PLAIN = 1.0
"""Surprise below which a record does not look strange with that mean."""
_KEPT_BITS = 12
"""Of a predicted rate: a four-thousandth of it."""
_SELDOM_FALLS = 0.02
"""Share of falling steps up to which they are restarts."""


@dataclass(frozen=True, slots=True)
class RateContext:
    """The context encoder of a detector that reads counters: in each state, and in each row, the counters' part comes
    first. Immutable and thread-safe; the states are the caller's."""

    inner: Bundled
    """What judges the rates."""
    counters: tuple[str, ...]
    """Names, K of them."""
    usual: Floats
    """[K] the rate of a counter of which nothing is known."""

    @property
    def state_size(self) -> int:
        """S."""
        return self._own + self.inner.context.state_size

    @property
    def width(self) -> int:
        """D: the rates, and what the detector of rates keeps."""
        return len(self.counters) + self.inner.context.width

    @property
    def warm_after(self) -> int:
        """Records after which the detector of rates has its full context."""
        return self.inner.context.warm_after

    def fresh(self, entities: Sequence[str]) -> Floats:
        """[len(entities), S] states of which no record came yet."""
        return np.concatenate([fresh_counts(self.usual, len(entities)), self.inner.context.fresh(entities)], axis=1)

    def extend(self, states: Floats, owners: NDArray[np.intp], batch: Batch) -> Contexts:
        """Advance `states` in place, in row order, and return each row's rates and context.

        What is unknown is predicted from all that came before it, so that records are taken in rounds: of each entity those
        up to and with its next unknown rate. Most batches are one round.
        """
        touched, local = np.unique(owners, return_inverse=True)
        local, own = local.astype(np.intp), np.ascontiguousarray(states[touched])
        rates, unknown = read_rates(own, local, batch, self.counters)
        inner = np.ascontiguousarray(own[:, self._own :])
        features = np.empty((len(batch), self.inner.context.width), np.float32)
        seen = np.empty(len(batch), np.int64)
        for rows in _rounds(local, np.asarray(unknown.any(axis=1))):
            part, of = batch.take(rows), local[rows]
            rates[rows] = self._with_predicted(inner, of, part, rates[rows], unknown[rows])
            contexts = self.inner.context.extend(inner, of, with_rates(part, self.counters, rates[rows]))
            features[rows], seen[rows] = contexts.features, contexts.seen
        states[touched] = np.concatenate([own[:, : self._own], inner], axis=1)
        return Contexts(np.concatenate([rates, features], axis=1), seen)

    def _with_predicted(
        self, states: Floats, owners: NDArray[np.intp], batch: Batch, rates: Floats, unknown: NDArray[np.bool_]
    ) -> Floats:
        """The rates [N, K] with what is predicted where they are unknown, at most once an entity; `states` stay."""
        last = np.flatnonzero(unknown.any(axis=1))
        if not len(last):
            return rates
        mine = np.flatnonzero(np.isin(owners, owners[last]))
        known, local = np.unique(owners[mine], return_inverse=True)
        tried = with_rates(batch.take(mine), self.counters, rates[mine])
        contexts = self.inner.context.extend(states[known], local.astype(np.intp), tried)
        at = np.searchsorted(mine, last)
        tried, contexts = tried.take(at), contexts.take(at)
        off = self.inner.deviations(tried, contexts, self.counters)
        off[self.inner.score(tried, contexts).surprise < _PLAIN] = 0.0
        predicted = np.where(np.isfinite(off), rates[last] - off, rates[last])
        out = rates.copy()
        out[last] = np.where(unknown[last], _rounded(predicted), rates[last])
        return out

    def adopt(self, states: Floats, previous: ContextEncoder) -> Floats | None:
        """Continue the states of another encoder of the same counters; None where they are others."""
        if not isinstance(previous, RateContext) or previous.counters != self.counters:
            return None
        own = self._own
        adopted = self.inner.context.adopt(np.ascontiguousarray(states[:, own:]), previous.inner.context)
        return None if adopted is None else np.concatenate([states[:, :own], adopted], axis=1)

    @property
    def _own(self) -> int:
        return len(self.counters) * OF_A_COUNTER


@dataclass(frozen=True, slots=True)
class RateDetector:
    """A detector of rates that reads counters. Immutable and thread-safe."""

    context: RateContext
    records: RecordSchema
    """With the counters."""
    found: tuple[str, ...] = ()
    """What training found out about the counters."""
    bundle: str = ""

    @property
    def inner(self) -> Bundled:
        """What judges the records once their counters are rates."""
        return self.context.inner

    @property
    def kind(self) -> str:
        """The kind of the autoencoder."""
        return self.inner.kind

    @property
    def schema(self) -> RecordSchema:
        """The records it scores."""
        return self.records

    @property
    def cadence(self) -> float:
        """Seconds between the records of an entity; 0 where training did not see them come regularly."""
        return self.inner.cadence

    @property
    def recurring_gap(self) -> float:
        """Seconds of the longest pause between an entity's records that is usual; 0 where there is none."""
        return self.inner.recurring_gap

    @property
    def follows_drift(self) -> bool:
        """Whether levels that drift slowly are followed."""
        return self.inner.follows_drift

    @property
    def notes(self) -> tuple[str, ...]:
        """What training found, in sentences."""
        return (*self.found, *self.inner.notes)

    def in_rates(self, batch: Batch, contexts: Contexts) -> Batch:
        """The records with the rates that their context rows hold."""
        return with_rates(batch, self.context.counters, contexts.features[:, : self._counters])

    def score(self, batch: Batch, contexts: Contexts) -> Scores:
        """Calibrated scores."""
        return self.inner.score(*self._inner(batch, contexts))

    def explain(self, batch: Batch, contexts: Contexts, scores: Scores) -> list[Explanation]:
        """Why each record scored as it did; what is said of counters is said of their rates."""
        return self.inner.explain(*self._inner(batch, contexts), scores)

    def deviations(self, batch: Batch, contexts: Contexts, names: Sequence[str]) -> NDArray[np.float64]:
        """[N, K] how far each named number, of a counter its rate, lies from what the others predict."""
        return self.inner.deviations(*self._inner(batch, contexts), names)

    def score_without(self, batch: Batch, contexts: Contexts, names: Sequence[str], left: NDArray[np.bool_]) -> Scores:
        """Scores as if the numbers left out, [N, K], were as the others predict."""
        return self.inner.score_without(*self._inner(batch, contexts), names, left)

    def with_stand_ins(self, batch: Batch, names: Sequence[str]) -> Batch:
        """As what judges rates says; of a counter one that grows by its usual rate, and begins anew every day."""
        stood = self.inner.with_stand_ins(batch, names)
        out = stood.numbers.copy()
        seconds = (batch.times % _DAY) / 1e6 + 0.05 * self.cadence * (batch.offsets % 2)  # no two rates alike
        for name in set(names) & set(self.context.counters):
            usual = float(self.context.usual[self.context.counters.index(name)])
            out[:, batch.schema.numbers.index(name)] = usual * seconds
        return stood.with_numbers(out)

    def ongoing(self, batch: Batch, contexts: Contexts, scores: Scores) -> Floats:
        """[N] the surprise less what is only memory of something that has ended."""
        return self.inner.ongoing(*self._inner(batch, contexts), scores)

    def codes(self, batch: Batch, contexts: Contexts) -> Floats:
        """[N, K] latent codes of records."""
        return self.inner.codes(*self._inner(batch, contexts))

    def decoded(self, codes: Floats) -> list[dict[str, Value]]:
        """The mean record at each code [N, K], with rates."""
        return self.inner.decoded(codes)

    def budget(self, policy: AlertPolicy) -> Budget:
        """What the policy's budget comes to."""
        return self.inner.budget(policy)

    def threshold(self, policy: AlertPolicy) -> float:
        """The surprise from which records are flagged."""
        return self.inner.threshold(policy)

    def state_space(self) -> StateSpace:
        """Its codes of normal records, and which code lies where on the map."""
        return self.inner.state_space()

    def map_ground(self) -> MapGround:
        """Where normal records are dense on the map."""
        return self.inner.map_ground()

    def reading(self, schema: RecordSchema) -> Self:
        """The same detector of records whose fields stand elsewhere: features of the same names and types in this order."""
        inner = self.inner.reading(in_rates(schema, self.context.counters))
        return replace(self, context=replace(self.context, inner=inner), records=schema, bundle="")

    def _inner(self, batch: Batch, contexts: Contexts) -> tuple[Batch, Contexts]:
        features = np.ascontiguousarray(contexts.features[:, self._counters :])
        return self.in_rates(batch, contexts), Contexts(features, contexts.seen)

    @property
    def _counters(self) -> int:
        return len(self.context.counters)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every array of the bundle."""
        return {"usual": self.context.usual, **prefixed("inner.", self.inner.arrays())}

    def meta(self) -> dict[str, Any]:
        """Everything else."""
        return {
            "detector": "rates",
            "schema": self.schema.model_dump(mode="json"),
            "counters": list(self.context.counters),
            "inner": self.inner.meta(),
            "found": list(self.found),
        }

    @classmethod
    def from_bundle(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], bundle: str = "") -> Self:
        """The inverse of `arrays` and `meta`. Raises KeyError for what is missing, BundleRefused for what does not fit."""
        schema, counters = RecordSchema.model_validate(meta["schema"]), tuple(map(str, meta["counters"]))
        inner = detector_from(below(arrays, "inner."), meta["inner"], bundle)
        if (
            isinstance(inner, RateDetector)
            or arrays["usual"].shape != (len(counters),)
            or in_rates(schema, counters) != inner.schema
        ):
            raise ValueError("the counters do not fit what judges their rates")
        context = RateContext(inner, counters, np.asarray(arrays["usual"], np.float32))
        return cls(context, schema, tuple(map(str, meta["found"])), bundle)


def in_rates_of(detector: Detector, batch: Batch, contexts: Contexts) -> Batch:
    """Records [N] with the rates of counters in their place, also where exceptions have others judged."""
    plain: object = detector
    corrected: list[CorrectedDetector] = []
    while not isinstance(plain, RateDetector) and hasattr(plain, "inner"):
        corrected += [plain] if isinstance(plain, CorrectedDetector) else []
        plain = plain.inner  # what acts on its records before: exceptions, steps, weights
    if not isinstance(plain, RateDetector):
        return batch
    rates = plain.in_rates(batch, contexts)
    for each in corrected:
        rates = each.as_shown(rates, batch.schema.counters)
    return rates


def judging_rates(inner: Bundled, history: Batch, counters: tuple[str, ...], usual: Floats) -> RateDetector:
    """A detector that was trained on rates, for records with counters; `history` is what they were made of."""
    rows_of_each = rows_by_entity(history.entities)
    found = []
    for name in counters:
        falls = share_of_falls(column_of(history, name), rows_of_each)
        said = history.schema.feature(name).type is FeatureType.COUNTER
        found.append(
            f"{name} is a counter: what is judged is its rate a second."
            if said
            else f"{name} only grows: what is judged is its rate a second. Say 'type: counter' of it in the monitor, so that large "
            "values are read exactly."
        )
        if said and falls > _SELDOM_FALLS:
            found.append(
                f"{name} falls in {percent(falls)} of the records, which a counter does only where it begins anew."
            )
    return RateDetector(RateContext(inner, counters, usual), history.schema, tuple(found))


def _rounds(owners: NDArray[np.intp], ends: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """Rows [N] in rounds: those of each owner up to its first row that `ends` one are in the first, and so on."""
    if not ends.any():
        return [np.arange(len(owners))]
    number = np.zeros(len(owners), np.int64)
    for rows in rows_by_entity(owners):
        number[rows] = np.cumsum(ends[rows]) - ends[rows]
    return [np.flatnonzero(number == each) for each in range(int(number.max()) + 1)]


def _rounded(rates: NDArray[np.float64]) -> Floats:
    """Without the last bits, which depend on how many records are predicted at once."""
    size = 2.0 ** np.floor(np.log2(np.maximum(np.abs(rates), 1e-30)) - _KEPT_BITS)
    return np.asarray(np.round(rates / size) * size, np.float32)
