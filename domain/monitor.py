"""A monitor: what to watch, how, and whom to tell. One YAML file; everything but name, source and features has a default."""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from latentwatch.domain.bounded_yaml import load_yaml
from latentwatch.domain.durations import Duration, DurationOrAuto
from latentwatch.domain.errors import InvalidMonitor
from latentwatch.domain.schema import RecordSchema

HIGHEST_RATE = 0.003
"""Share of normal records that may be flagged at most where no budget is said."""
_DAILY = 2.0
"""Alert episodes a day, where no budget is said."""
_LEAST_GAP = timedelta(minutes=5)
_STEPS_OF_A_GAP = 3
"""Of one alert, flagged records lie no further apart than so many usual steps, but for the least gap."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TopicSettings(_Part):
    """A Kafka topic read by a consumer group."""

    topic: str = Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$")
    group: str | None = None
    """Consumer group; by default `latentwatch-<monitor>`."""
    format: Literal["json", "avro", "csv"] = "json"
    arrays: bool = False
    """For JSON: whether a message may be an array of records. Each record then has an offset of its own."""
    header: tuple[str, ...] | None = None
    """For CSV, the names of a line's columns; by default time, entity and features as the monitor has them."""
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    """For CSV, what stands between columns."""
    start: Literal["earliest", "latest"] = "earliest"
    """Where a monitor without stored offsets begins; a partition that is added later is read from its first record."""
    registry: str | None = None
    """For Avro, the schema registry's address; by default that of the settings."""
    client: Literal["kafka-python", "confluent"] = "kafka-python"
    on_retention_gap: Literal["stop", "skip"] = "stop"
    """What to do when the broker has deleted records before they were scored; a skip is written to the audit table."""
    on_recreated: Literal["stop", "restart"] = "stop"
    """What to do when the topic was deleted and made anew; a restart reads the new one from its first record, as a stream
    of its own, and is written to the audit table."""

    @model_validator(mode="after")
    def _options_belong_to_the_format(self) -> Self:
        if self.format != "csv" and (self.header is not None or self.delimiter != ","):
            raise ValueError("'header' and 'delimiter' belong to format csv; remove them, or say 'format: csv'")
        if self.format != "json" and self.arrays:
            raise ValueError("'arrays' belongs to format json; remove it, or say 'format: json'")
        if self.format != "avro" and self.registry is not None:
            raise ValueError("'registry' belongs to format avro; remove it, or say 'format: avro'")
        return self


class FileSettings(_Part):
    """A file, or standard input for `-`."""

    path: str
    format: Literal["auto", "csv", "jsonl", "parquet"] = "auto"


class SourceSettings(_Part):
    """Where records come from: exactly one of its fields."""

    kafka: TopicSettings | None = None
    file: FileSettings | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.kafka is None) == (self.file is None):
            raise ValueError("give exactly one of 'kafka' and 'file'")
        return self


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


class ModelChoice(_Part):
    """Which model learns normal, and how hard scoring may work."""

    kind: ModelKind = ModelKind.AUTO
    effort: Literal["light", "balanced", "full"] = "balanced"
    """On single records: how many get the costly components. On sequences: light looks at no whole windows, full shows their
    shape to the autoencoder as well."""
    density: Literal["auto", "gaussian", "mixture", "prototypes"] = "auto"
    """On single records: how the density of the latent code is measured. On sequences it is always by prototypes."""
    follow_drift: Literal["auto"] | bool = "auto"
    """On sequences: whether the level of a sensor that drifts slowly is followed; auto follows where the history drifts."""
    seed: int = 0

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


class AlertPolicy(_Part):
    """How many false alarms people accept, and how flagged records become alerts.

    Where no budget is said it is the smaller of .3 % of normal records and two alerts a day; of metrics, one record a day.
    """

    false_alarms_per_day: float | None = Field(default=None, gt=0)
    """Budget of alert episodes on normal data per day, over the whole monitor."""
    false_alarm_rate: float | None = Field(default=None, gt=0, lt=1)
    """Share of normal records that may be flagged."""
    group_gap: DurationOrAuto = "auto"
    """Flagged records of one entity no further apart than this belong to one alert; auto goes by their cadence."""
    notify: tuple[str, ...] = ()
    """Names of notification channels in the settings."""

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if self.false_alarms_per_day is not None and self.false_alarm_rate is not None:
            raise ValueError("give 'false_alarms_per_day' or 'false_alarm_rate', not both")
        return self

    @property
    def is_default(self) -> bool:
        """Whether no budget is said."""
        return self.false_alarms_per_day is None and self.false_alarm_rate is None

    @property
    def daily_budget(self) -> float:
        """Alert episodes a day that may be false; of a policy that counts by records, no limit."""
        if self.false_alarm_rate is not None:
            return float("inf")
        return self.false_alarms_per_day or _DAILY

    @property
    def highest_rate(self) -> float:
        """Share of normal records that may be flagged, whatever is allowed a day; 1 where only that counts."""
        return self.false_alarm_rate or (HIGHEST_RATE if self.is_default else 1.0)

    def gap(self, cadence: float) -> timedelta:
        """How far apart flagged records of one entity may lie and still be one alert.

        With `auto` three times their cadence, which is seconds or 0 where it is not known, and 5 minutes at least.

        >>> AlertPolicy().gap(1.0), AlertPolicy().gap(1800.0)
        (datetime.timedelta(seconds=300), datetime.timedelta(seconds=5400))
        """
        if self.group_gap != "auto":
            return self.group_gap
        return max(_LEAST_GAP, timedelta(seconds=_STEPS_OF_A_GAP * cadence))


class LatePolicy(_Part):
    """What is done with a record that is older, by event time, than its entity's newest."""

    allowed: Duration = timedelta(0)
    """A record no later than this is put at its place in event time, and the verdicts after it are amended.

    0 scores records in the order they arrive.
    """

    @field_validator("allowed")
    @classmethod
    def _not_negative(cls, value: timedelta) -> timedelta:
        if value < timedelta(0):
            raise ValueError("must not be negative; 0 scores records in the order they arrive")
        return value


class RetrainPolicy(_Part):
    """When the next model is trained, and on how much history."""

    schedule: str = "@daily"
    """Cron expression or Airflow preset."""
    history: Duration = timedelta(days=14)
    source: str | None = None
    """Training data when it is not the monitor's own stream: a CSV, JSONL or Parquet path or glob."""


class Monitor(_Part):
    """One thing that is watched."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    source: SourceSettings
    record: RecordSchema
    model: ModelChoice = ModelChoice()
    window: Literal["auto"] | int = Field(default="auto")
    """How many records of an entity a score may look back; 1 scores each record on its own."""
    alert: AlertPolicy = AlertPolicy()
    late: LatePolicy = LatePolicy()
    retrain: RetrainPolicy = RetrainPolicy()

    @field_validator("window")
    @classmethod
    def _window_positive(cls, value: Literal["auto"] | int) -> Literal["auto"] | int:
        if value != "auto" and value < 1:
            raise ValueError("window must be 'auto' or at least 1")
        return value

    @model_validator(mode="after")
    def _record_fits_the_source(self) -> Self:
        if self.record.entity_is_file and self.source.file is None:
            raise ValueError("'entity: {file: true}' belongs to files; a topic's records name their entity in a field")
        if self.record.long is not None and self.source.kafka is not None:
            raise ValueError(
                "a topic's long form is not aligned yet; leave 'long' and 'every' out, which watches each name of its own as"
                " 'entity', or have the topic carry one row a time and source"
            )
        if self.record.long is not None and self.late.allowed:
            raise ValueError("with 'long' a value that comes after its tick is left out; remove 'late'")
        given = next(each.format for each in (self.source.kafka, self.source.file) if each is not None)
        if self.record.takes_apart and given in ("csv", "avro"):
            raise ValueError(f"'arrays' and 'collector' belong to JSON, and the source is {given}; remove one of them")
        return self

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
