"""What a monitor says of its records beyond their fields: which count, what names an entity, what stands where."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Condition(BaseModel):
    """What a record's field must say for the record to be the monitor's; others are passed over."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: str
    """Dots between keys."""
    values: tuple[str, ...] = Field(min_length=1)
    """Any of these, as text."""

    @field_validator("values", mode="before")
    @classmethod
    def _values_as_text(cls, value: Any) -> Any:
        listed = value if isinstance(value, list | tuple) else [value]
        if any(each is None or isinstance(each, dict | list | tuple) for each in listed):
            raise ValueError("a condition is a word or number, or a list of them")
        return [str(each) for each in listed]


class LongForm(BaseModel):
    """A record that holds one value, and in another field what it is of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """The field that says what is measured: a feature's path, or name."""
    value: str
    """The field that holds the value."""


class FileEntity(BaseModel):
    """Each file is an entity, named as the file is without folder and suffix: one machine a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Literal[True]
