"""How a monitor's fields differ from those that a model was trained on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Differences:
    """How a monitor's fields differ from those of a model."""

    lost: tuple[str, ...]
    """Features that the model reads and the monitor no longer has."""
    changed: tuple[str, ...]
    """A clause for each field that both have and read in another way."""
    added: tuple[str, ...]
    """Features that the monitor has and the model does not read; they count from the next training."""

    @property
    def prevent_scoring(self) -> bool:
        """Whether the model needs what the monitor does not give; what was only added does not."""
        return bool(self.lost or self.changed)

    @property
    def added_in_words(self) -> str:
        """What the fields mean that were only added; empty where there are none."""
        if not self.added:
            return ""
        return f"{', '.join(self.added)} {'counts' if len(self.added) == 1 else 'count'} from the next training"
