"""Which decoder reads which format; all of them share the checks in `latentwatch.streams.decoding.columns`."""

from collections.abc import Sequence
from typing import Any

import msgspec

from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.schema import RecordSchema
from latentwatch.streams.alignment.readings import VALUE, VALUES, reading_schema
from latentwatch.streams.decoding.columns import TimeBound
from latentwatch.streams.decoding.csv_decoding import CsvDecoder
from latentwatch.streams.decoding.json_decoding import JsonDecoder
from latentwatch.streams.decoding.registry_access import RegistryAccess
from latentwatch.streams.decoding.shaping import ShapedDecoder
from latentwatch.streams.ports import Decoder


def decoder_for(
    schema: RecordSchema,
    format: str,
    *,
    header: Sequence[str] | None = None,
    delimiter: str = ",",
    bound: TimeBound | None = None,
    registry: RegistryAccess | None = None,
) -> Decoder:
    """The decoder of a message format.

    Of a schema in long form it reads what each message says, to be aligned. `header` names the columns of CSV lines; time, entity
    and features in the schema's order by default. `registry` has the schemas of Avro messages, whose decoder raises Unavailable
    while it is away.
    """
    if schema.long is not None:
        header = default_header(schema) if header is None else header
        schema = reading_schema(schema)
    if schema.is_shaped:
        named = default_header(schema) if header is None else header

        def plain(fields: RecordSchema) -> Decoder:
            return decoder_for(fields, format, header=named, delimiter=delimiter, bound=bound, registry=registry)

        return ShapedDecoder(schema, plain)
    if format == "json":
        return JsonDecoder(schema, bound, as_sent={VALUE: Any, VALUES: msgspec.Raw})
    if format == "csv":
        return CsvDecoder(schema, default_header(schema) if header is None else header, delimiter, bound)
    if format == "avro":
        return _avro(schema, registry, bound)
    raise InvalidInput(f"records in format {format!r} cannot be read; choose json, avro or csv")


def default_header(schema: RecordSchema) -> tuple[str, ...]:
    """The columns of CSV lines that nobody named: time, entity and features in the schema's order."""
    named = schema.names if schema.long is None else (*schema.long.names, schema.long.values or schema.long.value or "")
    return (*filter(None, (schema.time,)), *schema.entity_fields, *named)


def _avro(schema: RecordSchema, registry: RegistryAccess | None, bound: TimeBound | None) -> Decoder:
    if registry is None or not registry.url:
        raise InvalidInput(
            "Avro messages are read with the schemas of a registry, but none is set; set LATENTWATCH_REGISTRY, or"
            " source.kafka.registry in the monitor file, to its address"
        )
    from latentwatch.streams.decoding.avro_decoding import (
        AvroDecoder,  # fastavro and the HTTP client come with the extra `avro`
    )
    from latentwatch.streams.decoding.schema_registry import HttpSchemaRegistry

    return AvroDecoder(schema, HttpSchemaRegistry(registry), bound)
