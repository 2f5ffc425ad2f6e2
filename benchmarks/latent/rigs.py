"""The plant's stretches, and what is trained on them: four rigs, a record of each every ten seconds, no faults in training."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.latent.state_model import StateModel
from latentwatch.detector.sequences.choice import choose_window
from latentwatch.detector.sequences.context import encode
from latentwatch.detector.sequences.detector import SequenceDetector
from latentwatch.detector.sequences.fitting import calibrate_sequences, fit_sequences
from latentwatch.domain.model_choice import ModelChoice, ModelKind
from latentwatch.domain.record import Batch
from latentwatch.plant import Plant

Floats = NDArray[np.float32]

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
DAY_RECORDS = 8_640
RIGS = 4


@dataclass(frozen=True, slots=True)
class Rigs:
    """One plant."""

    plant: Plant

    @classmethod
    def of_seed(cls, seed: int) -> "Rigs":
        """The plant of that seed."""
        return cls(Plant(seed=seed, rigs=RIGS))

    def days(self, first: int, count: int) -> Batch:
        """Normal records of `count` days from day `first` on."""
        return self.plant.history(BEGIN + timedelta(days=first), count * DAY_RECORDS)

    def faulty_day(self, day: int) -> tuple[Batch, NDArray[np.bool_]]:
        """A day with faults of every kind of the plant's own, and which records [N] have one."""
        batch, faults = self.plant.stream(BEGIN + timedelta(days=day), DAY_RECORDS)
        truth = np.zeros(len(batch), bool)
        for fault in faults:
            truth[fault.rows] = True
        return batch, truth


def trained(
    history: Batch, seed: int, kind: ModelKind = ModelKind.AUTO, replaced: SequenceDetector | None = None
) -> SequenceDetector:
    """The shipped detector of normal records, calibrated; `replaced` is the version before."""
    choice = ModelChoice(kind=kind, seed=seed)
    return calibrate_sequences(fit_sequences(history, choice, choose_window(history), replaced=replaced), history)[0]


def context_rows(detector: SequenceDetector, batch: Batch) -> tuple[Floats, NDArray[np.bool_]]:
    """[N, D] context rows of records whose entities start fresh, and [N] which of them have a full past."""
    contexts = encode(detector.context, batch)
    return contexts.features, np.asarray(contexts.seen >= detector.context.warm_after)


def state_model(detector: SequenceDetector) -> StateModel:
    """The detector's state model. Raises TypeError where it has none."""
    model = getattr(detector.model.coded, "model", None)
    if not isinstance(model, StateModel):
        raise TypeError("the detector has no state model")
    return model


def spread_over(count: int, wanted: int) -> NDArray[np.intp]:
    """At most `wanted` of `count` rows, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).astype(np.intp))
