"""Which decoder reads which format; the JSON and CSV decoders share the checks in `streams.columns`."""

from collections.abc import Sequence

from domain.errors import InvalidInput
from domain.schema import RecordSchema
from streams.columns import TimeBound
from streams.csv_decoding import CsvDecoder
from streams.json_decoding import JsonDecoder
from streams.ports import Decoder


def decoder_for(
    schema: RecordSchema,
    format: str,
    *,
    header: Sequence[str] | None = None,
    delimiter: str = ",",
    bound: TimeBound | None = None,
) -> Decoder:
    """The decoder of a message format. `header` names the columns of CSV lines; the schema's own order by default."""
    if format == "json":
        return JsonDecoder(schema, bound)
    if format == "csv":
        own = [name for name in (schema.time, schema.entity) if name] + list(schema.names)
        return CsvDecoder(schema, own if header is None else header, delimiter, bound)
    raise InvalidInput(f"records in format {format!r} cannot be read; choose json or csv")
