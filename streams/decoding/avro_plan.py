"""Compiles an Avro schema and a monitor's fields into a plan that `latentwatch.streams.decoding.avro_machine` runs. Writer's schema -> Plan.

Fields are found by name, so that a writer may add, drop, reorder and widen fields: what the monitor does not name is
skipped, what the writer does not have is missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from fastavro.schema import parse_schema
from numpy.typing import NDArray

from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.schema import FeatureType, RecordSchema
from latentwatch.streams.decoding import avro_machine as machine

TIME, ENTITY = "time", "entity"
_PRIMITIVES = {
    "boolean": machine.BOOLEAN,
    "int": machine.LONG,
    "long": machine.LONG,
    "float": machine.FLOAT,
    "double": machine.DOUBLE,
    "bytes": machine.BYTES,
    "string": machine.BYTES,
}
_MICROSECONDS = {
    "date": (86_400_000_000, 1),
    "timestamp-millis": (1_000, 1),
    "timestamp-micros": (1, 1),
    "timestamp-nanos": (1, 1_000),
    "local-timestamp-millis": (1_000, 1),
    "local-timestamp-micros": (1, 1),
    "local-timestamp-nanos": (1, 1_000),
}
_IN_WORDS = {
    "boolean": "a truth value", "int": "a number", "long": "a number", "float": "a number", "double": "a number",
    "string": "text", "enum": "text", "array": "a list", "map": "a map", "record": "an object",
}  # fmt: skip


class UnreadableSchema(InvalidInput):
    """A writer's schema that no record can be read with; its messages become dead letters."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the value of a field goes, and which kinds of value belong there."""

    where: int
    label: str
    """What reasons call it."""
    wanted: str
    """What reasons say belongs there."""
    kinds: frozenset[str]
    """Avro types that may stand there."""
    feature: str = ""
    """Whose value it is; empty for the time and the entity, without which a record is none."""


Tree = dict[str, "Tree | Target"]
"""The monitor's fields by the steps of their paths."""


@dataclass(slots=True)
class Plan:
    """How to read the messages of one schema."""

    code: NDArray[np.int64]
    """[P, 4]"""
    reasons: tuple[str, ...]
    """What REFUSE and NOTE instructions say."""
    unread: tuple[str, ...]
    """Of which feature each of these is; empty where it is of the whole record."""


def targets_of(schema: RecordSchema) -> tuple[Tree, dict[str, int]]:
    """The fields of a monitor as a tree of paths, and the slot of each that is no number: time, entity, feature names."""
    slots = {role: number for number, role in enumerate((TIME, ENTITY, *schema.categories, *schema.texts))}
    tree: Tree = {}
    numeric = frozenset(("int", "long", "float", "double", "decimal"))
    word = frozenset(("boolean", "int", "long", "float", "double", "decimal", "string", "enum"))
    if schema.time:
        kinds = frozenset(("int", "long", "float", "double", "string"))
        target = Target(-2 - slots[TIME], f"time field {schema.time!r}", "a time", kinds)
        _plant(tree, schema.time.split("."), target)
    for name in schema.entity_fields:
        kinds = frozenset(("int", "long", "string", "enum"))
        target = Target(-2 - slots[ENTITY], f"entity field {name!r}", "text", kinds)
        _plant(tree, name.split("."), target)
    for feature in schema.features:
        keys = feature.path.split(".") if feature.path else [feature.name]
        boolean = feature.type is FeatureType.BOOLEAN
        where = schema.numbers.index(feature.name) if feature.is_number else -2 - slots[feature.name]
        wanted = "true or false" if boolean else "a number" if feature.is_number else "text"
        kinds = (numeric | {"boolean"} if boolean else numeric) if feature.is_number else word
        _plant(tree, keys, Target(where, f"field {'.'.join(keys)!r}", wanted, kinds, feature.name))
    return tree, slots


def _plant(tree: Tree, keys: list[str], target: Target) -> None:
    for key in keys[:-1]:
        step = tree.setdefault(key, {})
        if isinstance(step, Target):
            raise InvalidInput(f"field {key!r} is both a value and an object with fields; correct one of the paths")
        tree = step
    if keys[-1] in tree:
        raise InvalidInput(
            f"field {keys[-1]!r} is read twice, or is both a value and an object; correct one of the paths"
        )
    tree[keys[-1]] = target


def compile_plan(schema: Any, references: Mapping[str, Any], tree: Tree, symbols: list[str]) -> Plan:
    """The plan for a writer's schema (parsed JSON). Appends the schema's enum symbols to `symbols`.

    `references` holds the named types that the schema takes from other schemas, parsed by fastavro. Raises
    UnreadableSchema where it is not a valid schema, or not one of records.
    """
    known = len(symbols)
    try:
        return _compile(schema, dict(references), tree, symbols)
    except UnreadableSchema:
        raise
    except RecursionError:
        reason = "is nested too deeply"
    except Exception as error:  # whatever fastavro, and we behind it, make of what others wrote
        reason = f"is not a valid Avro schema ({type(error).__name__}: {str(error)[:200]})"
    del symbols[known:]
    raise UnreadableSchema(reason)


def _compile(schema: Any, named: dict[str, Any], tree: Tree, symbols: list[str]) -> Plan:
    parsed: Any = parse_schema(schema, named_schemas=named)
    if isinstance(parsed, str):
        parsed = named.get(parsed, parsed)
    if not isinstance(parsed, dict) or parsed.get("type") != "record":
        raise UnreadableSchema(f"describes {_spell(parsed)}, not a record")
    compiler = _Compiler(named, symbols)
    compiler.record(parsed, tree)
    return compiler.finish()


def _leaves(tree: Tree) -> list[Target]:
    """Every target below."""
    return [leaf for aim in tree.values() for leaf in (_leaves(aim) if isinstance(aim, dict) else [aim])]


def _spell(schema: Any) -> str:
    kind = schema if isinstance(schema, str) else "a union" if isinstance(schema, list) else schema["type"]
    return _IN_WORDS.get(kind, str(kind))


@dataclass(slots=True)
class _Compiler:
    """Emits instructions, one type after the other. Skipped records are subroutines, so that types may contain
    themselves and a type that is used often is compiled once."""

    named: dict[str, Any]
    symbols: list[str]
    code: list[list[int]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    calls: dict[str, list[int]] = field(default_factory=dict)
    """Record name to the CALLs that wait for its place."""

    def finish(self) -> Plan:
        """End the plan and add the subroutines it calls."""
        self._emit(machine.END)
        done: dict[str, int] = {}
        while waiting := [name for name in self.calls if name not in done]:
            for name in waiting:
                done[name] = len(self.code)
                self.record(self.named[name], {})
                self._emit(machine.RETURN)
        for name, places in self.calls.items():
            for place in places:
                self.code[place][2] = done[name]
        return Plan(np.array(self.code, np.int64), tuple(self.reasons), tuple(self.unread))

    def record(self, schema: Any, tree: Tree) -> None:
        """Every field in the writer's order."""
        for each in schema["fields"]:
            self._value(each["type"], tree.get(each["name"]), each["name"])

    def _value(self, schema: Any, aim: "Tree | Target | None", name: str) -> None:
        if isinstance(schema, str) and schema in self.named:
            schema = self.named[schema]
        if isinstance(schema, list):
            self._union(schema, aim, name)
            return
        kind = schema if isinstance(schema, str) else schema["type"]
        if isinstance(kind, dict | list):  # a type in a type, with attributes of its own
            self._value(kind, aim, name)
        elif kind == "null":
            return
        elif isinstance(aim, dict):
            if kind in ("record", "error"):
                self.record(schema, aim)
            else:
                blocked = f"{name!r} is {_IN_WORDS.get(kind, kind)}, an object belongs there"
                if self._leave_out([(leaf, f"{leaf.label}: {blocked}") for leaf in _leaves(aim)]):
                    self._value(schema, None, name)
        elif kind in ("record", "error"):
            if aim is not None:
                if self._leave_out([(aim, f"{aim.label} is an object, {aim.wanted} belongs there")]):
                    self._value(schema, None, name)
                return
            self.calls.setdefault(schema["name"], []).append(len(self.code))
            self._emit(machine.CALL)
        elif kind in ("array", "map"):
            if aim is not None:
                if self._leave_out([(aim, f"{aim.label} is {_IN_WORDS[kind]}, {aim.wanted} belongs there")]):
                    self._value(schema, None, name)
                return
            self._blocks(schema, kind)
        else:
            self._leaf(schema, kind, aim)

    def _leaf(self, schema: Any, kind: str, aim: Target | None) -> None:
        attributes = schema if isinstance(schema, dict) else {}
        logical = attributes.get("logicalType", "")
        decimal = logical == "decimal" and kind in ("bytes", "fixed")
        where = machine.SKIP if aim is None else aim.where
        if aim is not None and ("decimal" if decimal else kind) not in aim.kinds:
            reason = f"{aim.label} is {_IN_WORDS.get(kind, kind)}, {aim.wanted} belongs there"
            if self._leave_out([(aim, reason)]):
                self._leaf(schema, kind, None)
        elif decimal:
            size = attributes["size"] if kind == "fixed" else -1
            self._emit(machine.DECIMAL, where, size, attributes.get("scale", 0))
        elif kind == "fixed":
            self._emit(machine.FIXED, where, attributes["size"])
        elif kind == "enum":
            self._emit(machine.ENUM, where, len(attributes["symbols"]), len(self.symbols))
            self.symbols += attributes["symbols"]
        elif kind in ("int", "long"):
            moment = aim is not None and aim.wanted == "a time" and logical in _MICROSECONDS
            self._emit(machine.LONG, where, *(_MICROSECONDS[logical] if moment else (0, 0)))
        else:
            self._emit(_PRIMITIVES[kind], where)

    def _union(self, branches: list[Any], aim: "Tree | Target | None", name: str) -> None:
        self._emit(machine.UNION, machine.SKIP, len(branches))
        table = len(self.code)
        for _ in branches:
            self._emit(machine.JUMP)
        exits = []
        for number, branch in enumerate(branches):
            self.code[table + number][2] = len(self.code)
            self._value(branch, aim, name)
            exits.append(len(self.code))
            self._emit(machine.JUMP)
        for place in exits:
            self.code[place][2] = len(self.code)

    def _blocks(self, schema: Any, kind: str) -> None:
        place = len(self.code)
        self._emit(machine.BLOCKS)
        if kind == "map":
            self._emit(machine.BYTES, machine.SKIP)
        self._value(schema["items"] if kind == "array" else schema["values"], None, "")
        self._emit(machine.NEXT, machine.SKIP, place)
        self.code[place][2] = len(self.code)

    def _leave_out(self, aims: list[tuple[Target, str]]) -> bool:
        """Note that features cannot have what stands there, and why, so that it is passed over; or refuse the record."""
        features = all(aim.feature for aim, _ in aims)
        for aim, reason in sorted(aims, key=lambda each: each[0].feature != ""):
            self._emit(machine.NOTE if features else machine.REFUSE, machine.SKIP, len(self.reasons))
            self.reasons.append(reason)
            self.unread.append(aim.feature)
        return features

    def _emit(self, what: int, where: int = machine.SKIP, a: int = 0, b: int = 0) -> None:
        self.code.append([what, where, a, b])
