"""Model versions, how they were judged, and which one serves."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class VersionStatus(StrEnum):
    """What became of a trained model."""

    CANDIDATE = "candidate"
    """Trained, not judged yet."""
    CHAMPION = "champion"
    """The one that serves."""
    HELD = "held"
    """Judged and not let in."""
    RETIRED = "retired"
    """Served once, replaced since."""
    REFUSED = "refused"
    """Its bundle is damaged: its content does not match its hash."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How a bundle did on data it never saw."""

    promised_rate: float
    """Share of normal records that its threshold may flag."""
    realised_rate: float
    realised_interval: tuple[float, float]
    """95 % interval of the realised rate."""
    holdout_records: int
    faults_planted: int
    faults_found: int
    recall_by_fault: dict[str, float] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    """Anything else worth showing, JSON only."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a challenger is let in, with the reasons in words."""

    promote: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One trained model of a monitor."""

    monitor: str
    version: int
    bundle: str
    """Content hash; also the bundle's folder name."""
    status: VersionStatus
    kind: str
    created: datetime
    promoted: datetime | None
    trained_records: int
    history_start: datetime | None
    history_end: datetime | None
    evaluation: Evaluation | None
    reasons: tuple[str, ...]
    training_digest: str | None = None
    """Digest of the history and the settings that it was trained on; None where they are not known."""
