"""Shapes that a sample's records are known by: what collectors, change capture and context brokers send.

Sampled columns → how a monitor reads them, and a sentence; nothing where no shape is known.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from latentwatch.detector.sampled_columns import Column
from latentwatch.domain.errors import InvalidInput
from latentwatch.sample import resampled

_FEW_SHARE = 0.005
"""The share of records that may have time and entity with another in common."""


WHOSE = re.compile(
    r"(^|[._ ])(host|hostname|host_?name|instance|server|device|machine|asset|station|node|unit|site|plant|rig|sensor_?id)"
    r"([ _]?(id|name))?$",
    re.IGNORECASE,
)
"""Names of what is watched, among the tags of a record."""
_DESCRIBES = re.compile(
    r"(^|[._ -])(units?|uom|quality|status|state|type|kind|category|class|condition|validity)([ _.-]?(id|name|no|code|text))?$",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"unit([ _.-]?(id|name|no))?$", re.IGNORECASE)
"""What can be numbered machines, as well as units of measurement."""


@dataclass(frozen=True, slots=True)
class CollectedShape:
    """How records of a known shape are read."""

    columns: list[Column]
    """Those that can be time, entity or feature, of the records that count."""
    notes: tuple[str, ...] = ()
    where: Mapping[str, Any] = field(default_factory=dict)
    entity: tuple[str, ...] = ()
    """Known by the shape; empty leaves it to the guess."""
    times: tuple[str, ...] = ()
    """Fields outside of `columns` that can be the time where none of those is."""
    prefix: str = ""
    suffix: str = ""
    """What stands around a feature's name in its path."""

    def short(self, name: str) -> str:
        """What people call the feature at a path."""
        return name.removeprefix(self.prefix).removesuffix(self.suffix) or name


def known_shape(
    columns: Sequence[Column], only: Mapping[str, str] | None = None, decimal_commas: bool = False
) -> CollectedShape:
    """How the columns are read, by the names that a shape is known by; all of them, where none is.

    `only` is what a person said of which records count.
    """
    given = dict(only or {})
    if given:
        columns = _those(columns, {name: (value,) for name, value in given.items()}, decimal_commas)
    for recognise in (_telegraf, _beats, _lorawan, _change_capture, _connect, _ngsi, _otlp):
        shape = recognise(list(columns), given)
        if shape is not None:
            return shape
    return CollectedShape(list(columns), where=given)


def _telegraf(columns: list[Column], given: Mapping[str, str]) -> CollectedShape | None:
    """One measurement of several: each has fields and tags of its own."""
    names = {column.name for column in columns}
    inside = [column for column in columns if column.name.startswith(("fields.", "tags."))]
    if not {"name", "timestamp"} <= names or not any(column.name.startswith("fields.") for column in inside):
        return None
    kinds = _of(columns, "name").texts.value_counts()
    notes, where = [], dict(given)
    if "name" not in where:
        where["name"] = str(kinds.index[0])
        others = ", ".join(f"{name} ({count:,})" for name, count in kinds.iloc[1:6].items())
        notes.append(
            f"where: Telegraf's {where['name']!r}, {int(kinds.iloc[0]):,} of {int(kinds.sum()):,} records"
            + (
                f"; for the others, {others}, run init again with --where name=..., or align them into one row of a host, as"
                " docs/shapes.md says of Telegraf"
                if others
                else ""
            )
        )
    columns = _those(columns, {"name": (where["name"],)})
    tags = [column for column in columns if column.name.startswith("tags.") and not column.texts.isna().any()]
    kept = [column for column in columns if column.name.startswith("fields.") or column.name == "timestamp"]
    return CollectedShape(
        kept, tuple(notes), where, telling_apart(tags, _of(columns, "timestamp").texts), prefix="fields."
    )


def _beats(columns: list[Column], given: Mapping[str, str]) -> CollectedShape | None:
    """Elastic's Metricbeat: one set of metrics of several, whose numbers stand below the name of its module."""
    names = {column.name for column in columns}
    if not {"@timestamp", "metricset.name", "event.module"} <= names:
        return None
    kinds = _of(columns, "metricset.name").texts.value_counts()
    where, notes = dict(given), []
    if "metricset.name" not in where:
        where["metricset.name"] = str(kinds.index[0])
        others = ", ".join(f"{name} ({count:,})" for name, count in kinds.iloc[1:6].items())
        notes.append(
            f"where: Metricbeat's {where['metricset.name']!r}, {int(kinds.iloc[0]):,} of {int(kinds.sum()):,} records"
            + (f"; for the others, {others}, run init again with --where metricset.name=..." if others else "")
        )
    columns = _those(columns, {"metricset.name": (where["metricset.name"],)})
    module = f"{_of(columns, 'event.module').texts.iloc[0]}."
    inside = [column for column in columns if column.name.startswith(module)]
    host = next((column for each in ("host.name", "agent.name") for column in columns if column.name == each), None)
    tags = [column for column in inside if column.numbers is None and not column.texts.isna().any()]
    entity = telling_apart([*([host] if host else []), *tags], _of(columns, "@timestamp").texts)
    kept = [column for column in columns if column.name == "@timestamp" or column in inside]
    return CollectedShape(kept, tuple(notes), where, entity, prefix=module)


def _lorawan(columns: list[Column], given: Mapping[str, str]) -> CollectedShape | None:
    """Uplinks of LoRaWAN devices: what their payload was decoded to. Raises InvalidInput where it was not."""
    names = {column.name for column in columns}
    for network, entity, time, prefix in (
        ("The Things Network", "end_device_ids.device_id", "received_at", "uplink_message.decoded_payload."),
        ("ChirpStack", "deviceInfo.deviceName", "time", "object."),
    ):
        if not {entity, time} <= names:
            continue
        kept = [column for column in columns if column.name == time or column.name.startswith(prefix)]
        if len(kept) == 1:
            raise InvalidInput(
                f"these are uplinks of {network} whose payload nobody decoded; give the application a payload formatter, so that "
                f"messages have {prefix.removesuffix('.')!r}"
            )
        said = f"{network}'s uplinks: features are what a payload was decoded to"
        return CollectedShape(kept, (said,), given, (entity,), prefix=prefix)
    return None


def describes(column: Column) -> bool:
    """Whether it says how a record is meant, such as its unit or quality, and so not whose it is.

    Units of measurement hold a word without a digit, which machines that are numbered do not.
    """
    if not _DESCRIBES.search(column.name):
        return False
    numbered = column.numbers is not None or bool(column.texts.dropna().astype(str).str.contains(r"\d").all())
    return not (numbered and _NUMBERED.search(column.name))


def telling_apart(tags: Sequence[Column], times: "pd.Series[Any]") -> tuple[str, ...]:
    """As few tags as leave hardly two records of one time to an entity, those that name a machine first.

    One that describes the record is among them only where no other tells its records apart.
    """
    left = sorted(tags, key=lambda tag: (describes(tag), not WHOSE.search(tag.name), -tag.distinct))
    names = bool(left) and not describes(left[0]) and (WHOSE.search(left[0].name) or left[0].distinct > 1)
    chosen: list[Column] = left[:1] if names else []
    while (shared := _shared(chosen, times)) > _FEW_SHARE:
        further = [(_shared([*chosen, tag], times), tag) for tag in left if all(tag is not each for each in chosen)]
        best = min(further, key=lambda pair: pair[0], default=None)
        if best is None or best[0] >= shared:
            break
        chosen.append(best[1])
    return tuple(tag.name for tag in chosen)


def _shared(tags: Sequence[Column], times: "pd.Series[Any]") -> float:
    table = pd.DataFrame({"at": times, **{tag.name: tag.texts for tag in tags}})
    return float(table.duplicated().mean())


def _change_capture(columns: list[Column], given: Mapping[str, str]) -> CollectedShape | None:
    """Debezium's envelope: what a row is after its change; deletions have none."""
    names = {column.name for column in columns}
    for base in ("", "payload."):
        after = [column for column in columns if column.name.startswith(f"{base}after.")]
        if after and f"{base}op" in names and any(name.startswith(f"{base}source.") for name in names):
            changes = ("c", "u", "r")
            kept = _those([*after, _of(columns, f"{base}op")], {f"{base}op": changes})
            return CollectedShape(
                [column for column in kept if column.name != f"{base}op"],
                (f"where: Debezium's changes that leave a row ({', '.join(changes)}); deletions are passed over",),
                {**given, f"{base}op": list(changes)},
                times=tuple(name for name in (f"{base}source.ts_ms", f"{base}ts_ms") if name in names),
                prefix=f"{base}after.",
            )
    return None


def _connect(columns: list[Column], given: Mapping[str, str]) -> CollectedShape | None:
    """Kafka Connect's envelope: a schema beside each record."""
    inside = [column for column in columns if column.name.startswith("payload.")]
    others = [column for column in columns if not column.name.startswith(("payload.", "schema."))]
    if not inside or any(column.name != "schema" for column in others):
        return None
    return CollectedShape(inside, ("Kafka Connect's envelope: the record is its payload",), given, prefix="payload.")


def _ngsi(columns: list[Column], given: Mapping[str, str]) -> CollectedShape | None:
    """A context broker's entities: each attribute has a type, a value and metadata."""
    names = {column.name for column in columns}
    values = [column for column in columns if column.name.endswith(".value") and column.name.count(".") == 1]
    attributes = {column.name.removesuffix(".value") for column in values}
    if not {"id", "type"} <= names or not attributes or not all(f"{each}.type" in names for each in attributes):
        return None
    kinds, notes, where = (
        _of(columns, "type").texts.value_counts(),
        ["NGSI: a feature is an attribute's value"],
        dict(given),
    )
    if len(kinds) > 1 and "type" not in where:
        where["type"] = str(kinds.index[0])
        notes.append(
            f"where: the entities of type {where['type']!r}; there are also {', '.join(map(str, kinds.index[1:6]))}"
        )
    kept = {"id", "type", *(column.name for column in values)}
    kept |= {name for name in names if name.endswith(".observedAt") and name.count(".") == 1}
    chosen = _those(
        [column for column in columns if column.name in kept], {"type": (where.get("type", kinds.index[0]),)}
    )
    return CollectedShape(
        [column for column in chosen if column.name != "type"], tuple(notes), where, ("id",), suffix=".value"
    )


def _otlp(columns: list[Column], given: Mapping[str, str]) -> CollectedShape | None:
    """OpenTelemetry's records, as they are taken apart: whose they are stands in the resource and in the series."""
    names = {column.name for column in columns}
    if not {"time", "series"} <= names or not any(name.startswith("resource.") for name in names):
        return None
    service = next((name for name in ("resource.service.name", "resource.host.name") if name in names), None)
    several = _of(columns, "series").distinct > 1
    entity = tuple(name for name in (service, "series" if several else None) if name)
    kept = [column for column in columns if column.name != "series" and not column.name.startswith("resource.")]
    return CollectedShape(kept, (), given, entity)


def _of(columns: Sequence[Column], name: str) -> Column:
    return next(column for column in columns if column.name == name)


def _those(columns: Sequence[Column], only: Mapping[str, Sequence[Any]], decimal_commas: bool = False) -> list[Column]:
    """The columns of those records alone that say what is asked; without columns that are empty then.

    Raises InvalidInput for a field that is not there, or a value that no record has.
    """
    names = [column.name for column in columns]
    for name, values in only.items():
        if name not in names:
            raise InvalidInput(f"--where {name}: the sample has no such field; it has {', '.join(names)}")
        rows = _of(columns, name).texts.isin([str(value) for value in values])
        if rows.all():
            continue
        if not rows.any():
            raise InvalidInput(f"--where {name}={'|'.join(map(str, values))}: no record of the sample says so")
        columns = resampled(columns, rows, decimal_commas)
    return [column for column in columns if column.texts.notna().any()]
