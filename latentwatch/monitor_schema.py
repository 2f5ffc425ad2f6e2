"""The monitor file described: its JSON Schema for editors, and every key for its reference page.

Both come from the classes that read the file: their fields, types, defaults, and the sentences below each field.
`python -m latentwatch.monitor_schema > docs/monitor-file.md` writes the page anew.
"""

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from latentwatch.domain.durations import format_duration
from latentwatch.domain.model_choice import ModelKind
from latentwatch.domain.monitor import Monitor
from latentwatch.domain.schema import Feature, FeatureType, RecordSchema

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_DURATION = {"type": ["string", "number"], "description": "a number and a unit, such as 90s, 5m, 12h, 14d; or seconds"}
_INTRODUCTION = """# The monitor file, key by key

Made from the code that reads it (`python -m latentwatch.monitor_schema`). `latentwatch schema > monitor.schema.json` gives the same
to an editor: with the YAML language server, begin a file with `# yaml-language-server: $schema=monitor.schema.json`.

`latentwatch init DATA` writes a first file and says why it is so; `latentwatch doctor monitor.yaml` reads it as every command
does, and names file, line and fix of what is wrong. A key that is not here is refused. Only `name`, `source` and `record.features`
are needed. Below `record.features` stands each feature by its name: its type alone (`pressure: numeric`) or a mapping.

What a model reads (`time`, `entity`, and of each feature `type`, `path`, `period`, `missing`, `written` and `units`) acts from the next training;
everything else acts from the next start of a scorer.

| Key | What it is | Default |
|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the monitor file."""

    path: str
    """Dots between keys."""
    words: str
    """What may stand there."""
    meaning: str
    default: str
    """As it would be written; empty where the key is needed."""


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a monitor file as people write it."""
    schema = Monitor.model_json_schema()
    definitions = schema["$defs"]
    for model in _models(Monitor):
        described = schema if model is Monitor else definitions.get(model.__name__)
        if described is None:
            continue
        meanings = _meanings(model)
        for name, field in described["properties"].items():
            if meanings.get(name):
                field["description"] = meanings[name]
    _write_durations(schema)
    types = {"enum": [kind.value for kind in FeatureType]}
    feature = definitions[Feature.__name__]
    feature["properties"].pop("name")
    feature["required"] = ["type"]
    record = definitions[RecordSchema.__name__]["properties"]
    record["features"] |= {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"anyOf": [types, {"$ref": f"#/$defs/{Feature.__name__}"}]},
    }
    for key in ("items", "minItems"):
        record["features"].pop(key, None)
    words = {"type": ["string", "number", "boolean"]}
    listed = {"anyOf": [words, {"type": "array", "items": words}]}
    record["where"] = {
        "type": "object",
        "additionalProperties": listed,
        "description": record["where"].get("description", ""),
    }
    feature["properties"]["units"] = {
        "type": "object",
        "additionalProperties": {"type": "number", "exclusiveMinimum": 0},
        "description": feature["properties"]["units"].get("description", ""),
    }
    for properties in (record, feature["properties"]):
        properties["missing"] |= listed
        properties["missing"].pop("items", None)
        properties["missing"].pop("type", None)
    definitions[ModelKind.__name__]["enum"].remove(ModelKind.WINDOWED.value)  # refused in files
    return {"$schema": _DRAFT, **schema, "title": "A monitor of Latentwatch"}


def keys() -> list[Key]:
    """Every key, in the order of the classes."""
    return list(_keys(Monitor, ""))


def reference() -> str:
    """The reference page."""
    rows = "".join(
        f"| `{key.path}` | {key.words}{': ' if key.meaning else ''}{key.meaning} | {key.default or 'needed'} |\n"
        for key in keys()
    )
    return _INTRODUCTION + rows


def _keys(model: type[BaseModel], prefix: str) -> Iterator[Key]:
    meanings = _meanings(model)
    for name, field in model.model_fields.items():
        if model is Feature and name == "name":
            continue
        path = f"{prefix}{name}"
        nested = [
            part for part in _parts(field.annotation) if _is_model(part) and part.__name__ not in _WRITTEN_AS_MAPPING
        ]
        below = f"{path}.NAME" if path == "record.features" else path
        if len(nested) == 1 and name != "entity":
            if not all(_is_model(part) or part is type(None) for part in _parts(field.annotation)) or below != path:
                yield Key(path, "", _cell(meanings.get(name, "")), _default(field))
            yield from _keys(nested[0], f"{below}.")
        else:
            yield Key(path, _words(field), _cell(meanings.get(name, "")), _default(field))


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The class and those of its fields, all the way down."""
    yield model
    for field in model.model_fields.values():
        for part in _parts(field.annotation):
            if _is_model(part):
                yield from _models(part)


def _parts(annotation: Any) -> Iterator[Any]:
    """The types that an annotation is put together from."""
    if get_origin(annotation) is Annotated:
        yield from _parts(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType, tuple):
        for part in get_args(annotation):
            if part is not Ellipsis:
                yield from _parts(part)
    else:
        yield annotation


def _is_model(part: Any) -> bool:
    return inspect.isclass(part) and issubclass(part, BaseModel)


def _meanings(model: type[BaseModel]) -> dict[str, str]:
    """The sentences below each field, of the classes it inherits from too."""
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if not _is_model(each) or each is BaseModel:
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(each))).body[0]
        assert isinstance(body, ast.ClassDef)
        for before, after in zip(body.body, body.body[1:], strict=False):
            if not (isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name)):
                continue
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                found[before.target.id] = " ".join(str(after.value.value).split())
    return found


def _words(field: FieldInfo) -> str:
    """What may stand there, in a few words."""
    said = []
    for part in _parts(field.annotation):
        if get_origin(part) is dict:
            name, value = (next(_parts(each)) for each in get_args(part))
            assert name is str
            members = ", ".join(f"`{member.value}`" for member in value)
            said.append(f"names, each with one of {members}")
        elif get_args(part):  # a Literal
            said += [f"`{_written(each)}`" for each in get_args(part)]
        elif inspect.isclass(part) and issubclass(part, StrEnum):
            said += [f"`{member.value}`" for member in part if member is not ModelKind.WINDOWED]  # refused in files
        elif part is not type(None):
            said.append(_NAMES.get(part.__name__, part.__name__))
    listed = get_origin(field.annotation) is tuple or any(
        get_origin(part) is tuple for part in get_args(field.annotation)
    )
    return " or ".join(dict.fromkeys(said)) + (", or several of them" if listed else "")


_WRITTEN_AS_MAPPING = ("Condition", "UnitSize")
_NAMES = {
    "str": "text", "int": "a whole number", "float": "a number", "bool": "`true`, `false`", "timedelta": "a length of time",
    "Condition": "a field, and what it must say", "UnitSize": "a unit, and its size", "FileEntity": "`{file: true}`",
}  # fmt: skip


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel) or value is None or value in ("", (), {}):
        return "–"
    return f"`{_written(value)}`"


def _written(value: Any) -> str:
    if hasattr(value, "total_seconds"):
        return format_duration(value) if value.total_seconds() else "0s"
    return str(value).lower() if isinstance(value, bool) else str(getattr(value, "value", value))


def _cell(sentence: str) -> str:
    return sentence.replace("|", "\\|")


def _write_durations(node: Any) -> None:
    """Lengths of time are written as `90s`, not as ISO 8601 has them."""
    if isinstance(node, dict):
        if node.get("format") == "duration":
            node.pop("format")
            node |= _DURATION if "description" not in node else {"type": _DURATION["type"]}
        for child in node.values():
            _write_durations(child)
    elif isinstance(node, list):
        for child in node:
            _write_durations(child)


if __name__ == "__main__":
    sys.stdout.write(reference())
