"""The state of a scorer, which exists once the first model is loaded."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from latentwatch.domain.outcome import Stretch
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.record import Decoded
from latentwatch.streams.alignment.readings import are_readings
from latentwatch.streams.amending import LateRecords
from latentwatch.streams.assignment import Partitions
from latentwatch.streams.context.context_store import ContextStore
from latentwatch.streams.decoding.patient_decoding import PatientDecoder
from latentwatch.streams.outcomes import ScoredBatch, Serving
from latentwatch.streams.ports import Messages
from latentwatch.streams.watching.alert_stretches import AlertStretches
from latentwatch.streams.watching.run_watch import RunWatch
from latentwatch.streams.watching.shape_watch import ShapeWatch
from latentwatch.streams.watching.stopped_sending import SendingWatch


@dataclass(slots=True)
class ScorerState:
    """The model that scores, the memory of entities that it reads, and where the stream stands. Used by one thread."""

    model: Serving
    """Replaced between two batches when another is promoted."""
    contexts: ContextStore
    late: LateRecords | None
    """None where the monitor allows no late records."""
    sending: SendingWatch
    runs: RunWatch
    partitions: Partitions
    decoder: PatientDecoder
    """Reads the fields of `model`; another one from when a model is promoted that reads other fields."""
    shapes: ShapeWatch = field(default_factory=ShapeWatch)
    around: AlertStretches = field(default_factory=AlertStretches)

    def stretches(self, scored: ScoredBatch, flagged: NDArray[np.intp], policy: AlertPolicy) -> tuple[Stretch, ...]:
        """What of a batch, of which some rows are flagged, is kept around flagged records."""
        return self.around.take(scored, flagged, policy.gap(self.model.detector.cadence))

    def aligned(self, decoded: Decoded, messages: Messages) -> Decoded:
        """Rows, where messages hold one value each; else what was decoded."""
        alignment = self.contexts.alignment
        if alignment is None:
            return decoded
        if are_readings(decoded.batch.schema):
            self.shapes.look_at_names(decoded.batch, self.model.detector.schema)
        return alignment.take(decoded, messages, self.partitions.positions)
