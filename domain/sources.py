"""Where a monitor's records come from."""

from typing import Literal, Self

from pydantic import Field, model_validator

from latentwatch.domain.monitor_part import MonitorPart


class TopicSettings(MonitorPart):
    """A Kafka topic read by a consumer group."""

    topic: str = Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$")
    """Its name."""
    group: str | None = None
    """Consumer group; by default `latentwatch-<monitor>`."""
    format: Literal["json", "avro", "csv"] = "json"
    """What a message is."""
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
    """Which library reads it; confluent is an extra."""
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


class FileSettings(MonitorPart):
    """A file, or standard input for `-`."""

    path: str
    """Where it is; `-` is standard input."""
    format: Literal["auto", "csv", "jsonl", "parquet"] = "auto"
    """What it is; auto goes by its name and its beginning."""


class SourceSettings(MonitorPart):
    """Where records come from: exactly one of its fields."""

    kafka: TopicSettings | None = None
    file: FileSettings | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.kafka is None) == (self.file is None):
            raise ValueError("give exactly one of 'kafka' and 'file'")
        return self
