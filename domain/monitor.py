"""A monitor: what to watch, how, and whom to tell. One YAML file; everything but name, source and features has a default."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from latentwatch.domain.bounded_yaml import load_yaml
from latentwatch.domain.errors import InvalidMonitor
from latentwatch.domain.incident_rule import IncidentRule
from latentwatch.domain.model_choice import ModelChoice
from latentwatch.domain.monitor_part import MonitorPart
from latentwatch.domain.policies import AlertPolicy, LatePolicy, RetrainPolicy, TrainPolicy
from latentwatch.domain.schema import FeatureType, RecordSchema
from latentwatch.domain.sources import SourceSettings
from latentwatch.domain.stake import NOTHING_AT_STAKE, Stake


class Monitor(MonitorPart):
    """One thing that is watched."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    """How everything calls it: small letters, digits, - and _."""
    source: SourceSettings
    record: RecordSchema
    model: ModelChoice = ModelChoice()
    window: Literal["auto"] | int = Field(default="auto")
    """How many records of an entity a score may look back; 1 scores each record on its own."""
    alert: AlertPolicy = AlertPolicy()
    related: tuple[str | Annotated[tuple[str, ...], Field(min_length=1)], ...] = ()
    """Entities whose alerts of the same time are one incident: groups of them, each by name or pattern (`rack-1-*`), or a
    feature such as `rack`, of which they show the same value."""
    segments: tuple[str, ...] = ()
    """Fields by whose values false alarms are counted beside entities and hours, such as `[rig, shift]`; by default the first
    20 categories."""
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] | str | None = None
    """What is at stake in its alerts, by which they can be ordered: a number of the record such as `amount`, whose sizes are
    added up over an alert, or one number for all alerts of this monitor, to rank it among others."""
    late: LatePolicy = LatePolicy()
    train: TrainPolicy = TrainPolicy()
    retrain: RetrainPolicy = RetrainPolicy()

    @field_validator("window")
    @classmethod
    def _window_positive(cls, value: Literal["auto"] | int) -> Literal["auto"] | int:
        if value != "auto" and value < 1:
            raise ValueError("window must be 'auto' or at least 1")
        return value

    @model_validator(mode="after")
    def _record_fits_the_source(self) -> Self:
        known = {feature.name: feature for feature in self.record.features}
        for name in (each for each in self.related if isinstance(each, str)):
            if name not in known or known[name].type not in (FeatureType.CATEGORY, FeatureType.TEXT):
                raise ValueError(
                    f"'related' names the field {name!r}, which is no category or text among the features; name one that is,"
                    " or write a group of entities in brackets"
                )
        for name in self.segments:
            if name not in known or known[name].type in (FeatureType.TEXT, FeatureType.COUNTER):
                raise ValueError(
                    f"'segments' names the field {name!r}, which is no category or number among the features; name one that"
                    " is (entities and hours are counted anyway)"
                )
        if isinstance(self.weight, str) and (
            self.weight not in known or known[self.weight].type is not FeatureType.NUMERIC
        ):
            raise ValueError(
                f"'weight' names the field {self.weight!r}, which is no numeric feature of the record; name one that is, or give a"
                " number above 0"
            )
        if self.record.entity_is_file and self.source.file is None:
            raise ValueError("'entity: {file: true}' belongs to files; a topic's records name their entity in a field")
        if self.record.long is not None and self.late.allowed:
            raise ValueError("with 'long' a value that comes after its tick is left out; remove 'late'")
        given = next(each.format for each in (self.source.kafka, self.source.file) if each is not None)
        if self.record.takes_apart and given in ("csv", "avro"):
            raise ValueError(
                f"'arrays', 'collector' and 'unpack' belong to JSON, and the source is {given}; remove one of them"
            )
        if self.record.long is not None and self.record.long.values and given in ("csv", "avro"):
            raise ValueError(
                f"an object of values in 'long' belongs to JSON, and the source is {given}; name one 'value'"
            )
        if self.train.after is not None and self.source.kafka is None:
            raise ValueError(
                "'train: {after: ...}' waits for a topic to fill; a file is learned from as it is, remove it"
            )
        if self.train.after is not None and self.train.after > self.retrain.history:
            raise ValueError(
                "'train: {after: ...}' is longer than 'retrain: {history: ...}', so that it never comes; raise that"
            )
        return self

    def incident_rule(self, cadence: float) -> IncidentRule:
        """Which alerts belong together; `cadence` is seconds between an entity's records, or 0 where it is not known."""
        within = self.alert.incident_within
        return IncidentRule(
            self.alert.gap(cadence) if within == "auto" else within,
            tuple(each for each in self.related if not isinstance(each, str)),
            tuple(each for each in self.related if isinstance(each, str)),
            self.stake,
        )

    @property
    def stake(self) -> Stake:
        """What is at stake in its alerts."""
        if isinstance(self.weight, str):
            return Stake(self.weight, self.record.feature(self.weight).unit)
        return NOTHING_AT_STAKE if self.weight is None else Stake(weight=self.weight)

    @property
    def takes_apart(self) -> bool:
        """Whether a message may hold several records, each with an offset of its own."""
        return self.record.takes_apart or bool(self.source.kafka and self.source.kafka.arrays)

    @property
    def group(self) -> str:
        """The consumer group of its scorers."""
        kafka = self.source.kafka
        return (kafka.group if kafka else None) or f"latentwatch-{self.name}"


def load_monitor(path: str | Path) -> Monitor:
    """Read a monitor file. Raises InvalidMonitor naming file, line and fix, also for settings that would change nothing.

    Definitions that the database keeps are read by `parse_monitor`, which takes such settings as earlier versions did.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InvalidMonitor(
            f"{file}: no such monitor file; write one with 'latentwatch init DATA.csv -o {file}'"
        ) from None
    except UnicodeDecodeError as error:
        raise InvalidMonitor(f"{file}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise InvalidMonitor(f"{file}: cannot be read ({error.strerror}); give the path of a monitor file") from None
    monitor = parse_monitor(text, str(file))
    idle = monitor.model.idle(monitor.window)
    tree, _ = load_yaml(text)
    if idle and tree is not None:
        places = [(*_locate(tree, ["model", name]), reason) for name, reason in idle.items()]
        raise InvalidMonitor("\n".join(f"{file}:{line}: {'.'.join(map(str, at))}: {why}" for line, at, why in places))
    return monitor


def parse_monitor(text: str, name: str = "monitor") -> Monitor:
    """A monitor from YAML text; `name` is what errors call it."""
    try:
        tree, data = load_yaml(text)
        doubled = _doubled_key(tree)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise InvalidMonitor(f"{name}{line}: not valid YAML: {problem}; check indentation and quotes") from None
    if tree is None or not isinstance(data, dict):
        raise InvalidMonitor(f"{name}:1: a monitor is a mapping that begins with 'name:', not {_in_words(data)}")
    if doubled is not None:
        raise InvalidMonitor(
            f"{name}:{doubled.start_mark.line + 1}: {doubled.value} is given twice in one mapping; remove one of them"
        )
    try:
        return Monitor.model_validate(data)
    except ValidationError as error:
        problems = error.errors()
        # A feature that is refused also leaves the list of features short; only the first is news.
        own = [problem for problem in problems if problem["type"] != "too_short"] or problems
        raise InvalidMonitor("\n".join(_explain(name, tree, problem) for problem in own)) from None


def _in_words(data: Any) -> str:
    return {type(None): "an empty file", list: "a list"}.get(type(data), "text")


def _doubled_key(node: yaml.Node | None) -> yaml.ScalarNode | None:
    """The first key that a mapping gives for the second time; YAML's reader would silently keep the last."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    return key
                seen.add(key.value)
            found = _doubled_key(value)
            if found is not None:
                return found
    elif isinstance(node, yaml.SequenceNode):
        return next((found for child in node.value if (found := _doubled_key(child)) is not None), None)
    return None


def dump_monitor(monitor: Monitor) -> str:
    """YAML that `parse_monitor` reads back to an equal monitor, without the fields left at their defaults."""
    data = monitor.model_dump(mode="json", exclude_defaults=True)
    record = data["record"]
    record["features"] = {feature.pop("name"): feature for feature in record["features"]}
    record["features"] = {
        name: spec["type"] if set(spec) == {"type"} else spec for name, spec in record["features"].items()
    }
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def _explain(name: str, tree: yaml.Node, problem: Any) -> str:
    path = [part for part in problem["loc"] if isinstance(part, str | int)]
    line, known = _locate(tree, path)
    where = ".".join(str(part) for part in known) or "the monitor"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = f"unknown field {path[-1]!r}; remove it or correct its spelling"
    elif problem["type"] == "missing":
        message = f"field {path[-1]!r} is missing; add it"
        where = ".".join(str(part) for part in path[:-1]) or "the monitor"
    elif problem["type"] == "too_short":
        message = "is empty; give at least one"
    elif "given" not in message and problem.get("input") is not None and not isinstance(problem["input"], dict | list):
        message = f"{message} (found {problem['input']!r})"
    return f"{name}:{line}: {where}: {message}"


def _locate(tree: yaml.Node, path: list[str | int]) -> tuple[int, list[str | int]]:
    """The line of the deepest node that the path reaches, and the part of the path that was found."""
    node, line, known = tree, tree.start_mark.line + 1, []
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(part)]
            if not found and isinstance(part, int) and part < len(node.value):
                found = [node.value[part]]  # a mapping that validation turned into a list
            if not found:
                break
            key, node = found[0]
            line = key.start_mark.line + 1
            known.append(key.value)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
            known.append(part)
        else:
            break
    return line, known
