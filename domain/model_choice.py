"""Which model a monitor learns."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import field_validator

from latentwatch.domain.monitor_part import MonitorPart


class ModelKind(StrEnum):
    """Families of models behind one interface."""

    AUTO = "auto"
    DENOISING = "denoising"
    VARIATIONAL = "variational"
    DISENTANGLED = "disentangled"
    ADVERSARIAL = "adversarial"
    LINEAR = "linear"
    WINDOWED = "windowed"
    """Of earlier versions: now a window and full effort. Files that say it are refused; stored definitions are read."""


class ModelChoice(MonitorPart):
    """Which model learns normal, and how hard scoring may work."""

    kind: ModelKind = ModelKind.AUTO
    """Which autoencoder; auto chooses by the data."""
    effort: Literal["light", "balanced", "full"] = "balanced"
    """On single records: how many get the costly components. On sequences: light looks at no whole windows, full shows their
    shape to the autoencoder as well."""
    density: Literal["auto", "gaussian", "mixture", "prototypes"] = "auto"
    """On single records: how the density of the latent code is measured. On sequences it is always by prototypes."""
    follow_drift: Literal["auto"] | bool = "auto"
    """On sequences: whether the level of a sensor that drifts slowly is followed; auto follows where the history drifts."""
    seed: int = 0
    """Of everything in training that is drawn."""

    @field_validator("follow_drift", mode="before")
    @classmethod
    def _auto_or_a_truth_value(cls, value: Any) -> Any:
        if value not in ("auto", True, False):
            raise ValueError("say auto, true or false")
        return value

    def idle(self, window: Literal["auto"] | int) -> dict[str, str]:
        """The settings that change nothing with that window, by name: why, and what to write in their place.

        A setting at its default claims nothing and is never among them. With `auto` each training chooses the window by
        its data, so that settings of both families may count.

        >>> ModelChoice(density="gaussian").idle("auto")
        {}
        >>> list(ModelChoice(density="gaussian").idle(60))
        ['density']
        """
        found = {}
        if self.kind is ModelKind.WINDOWED:
            found["kind"] = (
                "'windowed' is no kind of autoencoder, 'window' alone says whether a record is judged with its past; "
                "in its place say 'window: 32' (how many records to look back) and 'effort: full', which learn the same"
            )
        if self.density != "auto" and window not in ("auto", 1):
            found["density"] = (
                f"{self.density!r} changes nothing with a window, where latent density is always measured by prototypes; "
                "remove it, or say 'window: 1'"
            )
        if self.follow_drift != "auto" and window == 1:
            found["follow_drift"] = (
                f"'{str(self.follow_drift).lower()}' changes nothing with 'window: 1', where a record is scored on its own "
                "and has no level to follow; remove it, or give a longer window"
            )
        return found
