"""What a monitor says of its records beyond their fields: which count, what names an entity, what stands where."""

from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)


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
    """A record that holds one value, or several, and in another field what they are of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str | tuple[str, ...]
    """The field that says what is measured: a feature's path, or name. Several are joined by dots, without those that a message
    does not have."""
    value: str | None = None
    """The field that holds the value."""
    values: str | None = None
    """In place of `value`, an object of several: each is called as the message is, a dot, and its own key. For JSON."""

    @model_validator(mode="after")
    def _one_or_several(self) -> Self:
        if (self.value is None) == (self.values is None) or "" in (self.value, self.values):
            raise ValueError("'long' needs 'value', the field of a message's value, or 'values', an object of several")
        if not self.names or "" in self.names or len(set(self.names)) < len(self.names):
            raise ValueError("'long' needs 'name', the field that says what a value is of, or several, each once")
        return self

    @model_serializer(mode="wrap")
    def _as_said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None}

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that say what is measured."""
        return (self.name,) if isinstance(self.name, str) else self.name

    @property
    def reading(self) -> tuple[Any, ...]:
        """How it is read; of what an earlier version could say, as that had it."""
        return (self.name, self.value) if self.value is not None else (self.name, {"values": self.values})


class FileEntity(BaseModel):
    """Each file is an entity, named as the file is without folder and suffix: one machine a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Literal[True]
