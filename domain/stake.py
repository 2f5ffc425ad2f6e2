"""What is at stake in an alert: a weight that its monitor has, or what its records show in a field, such as an amount of money."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite


@dataclass(frozen=True, slots=True)
class Stake:
    """What a monitor says of how much is at stake in its alerts."""

    field: str = ""
    """A number of its records; empty where the weight is the same for all."""
    unit: str = ""
    weight: float = 0.0
    """Of every alert, where no field is named; 0 where nothing is said."""

    @property
    def named(self) -> str:
        """What the number counts, in a clause; empty for a weight.

        >>> Stake("amount", "EUR").named, Stake("amount").named
        ('EUR of amount', 'of amount')
        """
        return f"{self.unit} of {self.field}".strip() if self.field else ""

    def of(self, values: Iterable[Mapping[str, object]]) -> float:
        """What is at stake in records of these values: the sum of the field's sizes, or the weight.

        >>> Stake("amount").of([{"amount": 20.0}, {"amount": -5.0}, {"amount": None}]), Stake(weight=3.0).of([{}, {}])
        (25.0, 3.0)
        """
        if not self.field:
            return self.weight
        shown = (each.get(self.field) for each in values)
        return sum(abs(float(value)) for value in shown if isinstance(value, int | float) and isfinite(value))


NOTHING_AT_STAKE = Stake()


def stakes_in_words(stakes: Iterable[tuple[float, str]]) -> str:
    """What several alerts put at stake, each given as a number and what it counts; empty where it is nothing.

    >>> stakes_in_words([(1200.5, "EUR of amount"), (99.5, "EUR of amount")]), stakes_in_words([(3.0, ""), (3.0, "")])
    ('1,300 EUR of amount at stake', 'weight 3')
    """
    sums: dict[str, float] = {}
    for size, named in stakes:
        sums[named] = sums.get(named, 0.0) + size if named else max(sums.get(named, 0.0), size)
    told = [
        f"{_short(size)} {named} at stake" if named else f"weight {size:g}" for named, size in sums.items() if size > 0
    ]
    return ", ".join(told)


def _short(size: float) -> str:
    return f"{size:,.0f}" if size >= 100 else f"{size:.3g}"
