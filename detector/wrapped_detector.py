"""What a detector around another one hands through."""

from collections.abc import Sequence
from dataclasses import dataclass

from latentwatch.detector.budget import Budget
from latentwatch.detector.interface import Detector, MapGround
from latentwatch.domain.policies import AlertPolicy
from latentwatch.domain.record import Batch
from latentwatch.domain.schema import RecordSchema


@dataclass(frozen=True, slots=True)
class WrappedDetector:
    """The base of detectors that change how another one reads records; what it promises and where it maps stay."""

    inner: Detector

    @property
    def bundle(self) -> str:
        """The content hash of the detector's bundle."""
        return self.inner.bundle

    @property
    def kind(self) -> str:
        """The kind of its autoencoder."""
        return self.inner.kind

    @property
    def schema(self) -> RecordSchema:
        """The records it scores."""
        return self.inner.schema

    @property
    def cadence(self) -> float:
        """Seconds between the records of an entity."""
        return self.inner.cadence

    @property
    def recurring_gap(self) -> float:
        """Seconds of the longest pause of an entity that is usual."""
        return self.inner.recurring_gap

    @property
    def follows_drift(self) -> bool:
        """Whether levels that drift slowly are followed."""
        return self.inner.follows_drift

    @property
    def notes(self) -> tuple[str, ...]:
        """What training found."""
        return self.inner.notes

    def with_stand_ins(self, batch: Batch, names: Sequence[str]) -> Batch:
        """Records with what may stand for features that are not looked at."""
        return self.inner.with_stand_ins(batch, names)

    def budget(self, policy: AlertPolicy) -> Budget:
        """What the policy's budget comes to."""
        return self.inner.budget(policy)

    def threshold(self, policy: AlertPolicy) -> float:
        """The surprise from which a record is flagged."""
        return self.inner.threshold(policy)

    def map_ground(self) -> MapGround:
        """Where normal records are dense on the latent map."""
        return self.inner.map_ground()
