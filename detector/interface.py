"""What the scorer asks of any detector, whatever its kind; importable without torch."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from latentwatch.detector.budget import Budget
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.record import Batch
from latentwatch.domain.schema import RecordSchema
from latentwatch.domain.scores import Explanation, Scores


@dataclass(frozen=True, slots=True)
class Contexts:
    """What the recent past of each record's entity says. Only records up to and including the row's own enter it."""

    features: NDArray[np.float32]
    """[N, D], D = `ContextEncoder.width`; D is 0 where records are scored on their own."""
    seen: NDArray[np.int64]
    """[N] how many records of the entity came before the row."""

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "Contexts":
        """The chosen rows, in the order given."""
        return Contexts(self.features[rows], self.seen[rows])


class ContextEncoder(Protocol):
    """Keeps a fixed-size numeric state per entity and turns it, with each new record, into a context row."""

    @property
    def state_size(self) -> int:
        """S, floats of state per entity; 0 where records are scored on their own."""
        ...

    @property
    def width(self) -> int:
        """D, length of a context row."""
        ...

    @property
    def warm_after(self) -> int:
        """Records after which an entity's context is full; before, its scores are marked as warming up."""
        ...

    def fresh(self, entities: Sequence[str]) -> NDArray[np.float32]:
        """[len(entities), S] states of entities never seen before, started from the training mean."""
        ...

    def extend(self, states: NDArray[np.float32], owners: NDArray[np.intp], batch: Batch) -> Contexts:
        """Advance `states` [E, S] in place through the batch, in row order; `owners` [N] gives each record's state row.

        Splitting a batch anywhere gives the same contexts and the same states, bit for bit.
        """
        ...

    def adopt(self, states: NDArray[np.float32], previous: "ContextEncoder") -> NDArray[np.float32] | None:
        """States of this encoder that continue those of another one [E, S_previous] -> [E, S]; None where it cannot."""
        ...


class Detector(Protocol):
    """A loaded bundle. Immutable, thread-safe, numpy only; the same input gives the same answer for ever."""

    @property
    def bundle(self) -> str:
        """Content hash of the bundle it was loaded from; empty where it was trained and never saved."""
        ...

    @property
    def kind(self) -> str:
        """The kind of its autoencoder."""
        ...

    @property
    def schema(self) -> RecordSchema:
        """The records it scores."""
        ...

    @property
    def context(self) -> ContextEncoder:
        """Keeps what its records' past says."""
        ...

    @property
    def cadence(self) -> float:
        """Seconds between the records of an entity; 0 where training did not see them come regularly."""
        ...

    @property
    def recurring_gap(self) -> float:
        """Seconds of the longest pause between an entity's records that training saw again and again; 0 where there is none
        that is longer than a run that was missed."""
        ...

    @property
    def follows_drift(self) -> bool:
        """Whether levels that drift slowly are followed, and therefore no anomaly."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What training found that people should know, in sentences."""
        ...

    def score(self, batch: Batch, contexts: Contexts) -> Scores:
        """Calibrated scores of N records. Row i depends on row i of both arguments alone."""
        ...

    def explain(self, batch: Batch, contexts: Contexts, scores: Scores) -> list[Explanation]:
        """Why each record scored as it did. Costly: call it for flagged rows only."""
        ...

    def deviations(self, batch: Batch, contexts: Contexts, names: Sequence[str]) -> NDArray[np.float64]:
        """[N, K] how far each named plain number lies from what the others predict, in its own unit: now or in an average
        of its recent past, whichever is furthest; NaN where it is missing. Costly: call it for flagged rows only.
        """
        ...

    def score_without(self, batch: Batch, contexts: Contexts, names: Sequence[str], left: NDArray[np.bool_]) -> Scores:
        """`score` as if each named number that is left out of a row, [N, K], were as the others predict. Costly as well."""
        ...

    def with_stand_ins(self, batch: Batch, names: Sequence[str]) -> Batch:
        """N records with what may stand for each named plain number, category or text, so that nothing about it is strange by itself:
        neither that it is missing nor that it stands still. `score_without` it is as if it were not there."""
        ...

    def ongoing(self, batch: Batch, contexts: Contexts, scores: Scores) -> NDArray[np.float32]:
        """[N] the surprise less what is only memory of something that has ended; at most the record's own. Costly as well."""
        ...

    def budget(self, policy: AlertPolicy) -> Budget:
        """What the policy's budget comes to: the threshold, and how many false alarms a day it promises."""
        ...

    def threshold(self, policy: AlertPolicy) -> float:
        """The surprise from which a record is flagged, so that normal data keep the policy's budget."""
        ...

    def map_ground(self) -> "MapGround":
        """The latent map's ground: where normal records are dense."""
        ...


@dataclass(frozen=True, slots=True)
class MapGround:
    """Density of normal records on the two-dimensional latent map."""

    x: NDArray[np.float32]
    """[W] centres of the grid's columns."""
    y: NDArray[np.float32]
    """[H] centres of its rows."""
    density: NDArray[np.float32]
    """[H, W], 0 to 1."""
    sample: NDArray[np.float32]
    """[M, 2] places of some normal training records."""
    contours: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    """[2] the density at least reached by 80 and by 95 % of normal records that were not learned from; [0] where that was not
    measured."""
    basis: str = ""
    """Versions whose maps have the same basis keep their places: what one flagged may be drawn on the map of another. Empty
    where each version has a map of its own."""

    def density_at(self, places: NDArray[np.float32]) -> NDArray[np.float32]:
        """[N] the density of the cell in which each place [N, 2] lies; 0 beyond the grid."""
        cells, inside = [], np.ones(len(places), bool)
        for axis, line in enumerate((self.x, self.y)):
            step = float(line[-1] - line[0]) / max(1, len(line) - 1) or 1.0
            at = np.rint((places[:, axis] - line[0]) / step)
            inside &= (at >= 0) & (at < len(line))
            cells.append(np.clip(at, 0, len(line) - 1).astype(np.intp))
        return np.where(inside, self.density[cells[1], cells[0]], 0).astype(np.float32)
