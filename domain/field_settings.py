"""What a monitor file says of how fields are written: values that mean none, numbers, and units of several sizes.

YAML → settings, checked; and back without those that say nothing.
"""

import codecs
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

Missing = tuple[float | str, ...]
"""Values that mean "no value" in somebody's data: numbers such as -200, words such as n/a."""
Written = Literal["1,234.5", "1.234,5", "1 234.5", "1 234,5", "1'234.5"]
"""How text writes a number: what parts its thousands, and its decimal sign."""

_LARGEST_FLOAT32 = 3.4028234663852886e38
"""Numbers are kept as such; numpy would tell, but whoever only parses monitors (Airflow, every half minute) does without."""


def _known_encoding(value: str) -> str:
    """An encoding of text that the standard library reads, and in which ASCII is itself or every letter wide."""
    signs = rb"az AZ 09 \x41 +AGE- {}[]\";,~"
    try:
        name = codecs.lookup(value).name
        if name.startswith(("utf-16", "utf-32")) or signs.decode(name) == signs.decode():
            return value
    except (LookupError, ValueError):  # of what is no text, such as zip, `decode` says so too
        pass
    raise ValueError(
        f"no encoding of text is called {value!r}; name one such as cp1252, latin-1, cp1251, shift_jis or utf-16-le"
    )


Encoding = Annotated[str, AfterValidator(_known_encoding)]
"""What text is written in."""


class UnitSize(BaseModel):
    """Another unit that text may have beside a feature's number."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: str
    size: float = Field(gt=0, allow_inf_nan=False)
    """How many of the feature's own unit it is."""

    @field_validator("unit")
    @classmethod
    def _unit_is_a_word(cls, value: str) -> str:
        if not value.strip() or any(sign.isdigit() for sign in value):
            raise ValueError(f"'units' names what stands beside a number, a word without digits; {value!r} is none")
        return value.strip()


def as_missing(value: Any) -> Any:
    """A list also where one value stands alone; numbers as a batch's 32 bits can hold them. Raises ValueError."""
    values = list(value) if isinstance(value, list | tuple) else [value]
    for each in values:
        if isinstance(each, bool) or not isinstance(each, int | float | str):
            raise ValueError(f"{each!r} is neither a number nor a word; write numbers, or words in quotes")
        if not isinstance(each, str) and not abs(each) <= _LARGEST_FLOAT32:
            raise ValueError(f"{each!r} is no number that 32 bits hold, so that no record can have it; remove it")
    return [each if isinstance(each, str) else float(each) for each in values]


def telling(dumped: dict[str, Any], silent: Collection[str]) -> dict[str, Any]:
    """Without the keys of later versions that say nothing: what earlier versions stored stays the same, byte for byte."""
    return {key: value for key, value in dumped.items() if key not in silent or value not in (None, (), [], False)}


def as_sizes(value: Any) -> Any:
    """Units from how the file has them, each with its size."""
    return [{"unit": unit, "size": size} for unit, size in value.items()] if isinstance(value, Mapping) else value
