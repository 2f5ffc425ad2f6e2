"""The numbers that are measured, what each is meant to be, and how they are shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = float | list[float] | None


@dataclass(frozen=True, slots=True)
class Aim:
    """One number."""

    name: str
    wanted: str
    """In words; empty where none is set."""
    says: str


AIMS = (
    Aim("loss_without_latent_auroc", "", "AUROC lost without both halves, mean of all suites of sequences, points"),
    Aim("loss_without_latent_ap", "", "AP lost without them"),
    Aim(
        "exceedances_whole", ".01 .001", "share of normal records with a surprise of 2 and of 3, where a suite has them"
    ),
    Aim("exceedances_reconstruction", ".01 .001", "the same, of this half alone"),
    Aim("exceedances_density", ".01 .001", "and of this one"),
    Aim("trust", ">= .93", "trustworthiness of the map against current values, k = 15"),
    Aim("contour_80", ".80 +- .06", "later normal records within the contour of 80 %"),
    Aim("contour_95", ".95 +- .06", "and of 95 %"),
    Aim("map_auroc", ">= .80", "what the map draws: flagged records of faults against normal ones"),
    Aim("unexplained_after_retrain", "<= .03", "of the codes' variance, without alignment"),
    Aim("neighbours_kept", ">= .70", "of the 10 nearest, found by the new code"),
    Aim("unexplained_after_five", "<= .08", "five retrainings against the first version"),
    Aim("unexplained_on_tables", "<= .05", "one retraining on the other half of a table, the mean of two"),
    Aim("kept_on_tables", ">= .70", "neighbours kept there"),
    Aim("variational_auc_plant", "<= .62", "sampled records told from real ones of the same time"),
    Aim("variational_auc_tables", "mixture's + .03", "mean of eight tables"),
    Aim("mixture_auc_tables", "", "a Gaussian mixture of the records, for comparison"),
    Aim("nearest_ratio", ">= .85", "distance of sampled rows to training rows, of that of held-out rows; the least"),
    Aim("variational_midpoint", "<= 1.10", "decoded mean between two codes: distance to a record, 1 is typical"),
    Aim("mig", ">= .2 each", "mutual information gap of mode, voltage, ambient temperature"),
    Aim("adversarial_code_auc", "<= .65", "codes told from draws of N(0, I)"),
)


def as_table(numbers: Mapping[str, Value]) -> str:
    """One line a number, beside its aim."""
    lines = [f"{'':27}{'measured':>18}  {'aim':16}"]
    lines += [f"{aim.name:27}{_shown(numbers.get(aim.name)):>18}  {aim.wanted:16}  {aim.says}" for aim in AIMS]
    return "\n".join(lines)


def _shown(value: Value) -> str:
    if value is None:
        return "not measured"
    return " ".join(
        f"{number:.4f}" if abs(number) < 0.1 else f"{number:.3f}"
        for number in (value if isinstance(value, list) else [value])
    )
